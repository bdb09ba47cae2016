"""What commands that take long share: how far they are, and how they are stopped."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from ..errors import Cancelled, DepthshotError
from ..events import Event


@contextlib.contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C (or SIGTERM) into a flag; a second one ends at once."""
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()
        sys.stderr.write("\nStopping after this step; press Ctrl-C again to end at once.\n")
        for restored, handler in before.items():
            signal.signal(restored, handler)

    for number in before:
        signal.signal(number, on_signal)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def progress_bar() -> Iterator[Callable[[Event], None]]:
    """Yield a function that shows events as a progress bar on stderr."""
    from rich.console import Console
    from rich.progress import Progress

    progress = Progress(console=Console(stderr=True))
    task = progress.add_task("", total=None)

    def show(event: Event) -> None:
        if event.kind == "progress":
            progress.start()  # only now: a wrong command shows no bar
            progress.update(task, description=event.phase, completed=event.done, total=event.total)
        elif event.kind == "warning":
            progress.console.print(f"Warning: {event.message}", markup=False)

    try:
        yield show
    finally:
        if progress.live.is_started:  # else it would end a line that was never begun
            progress.stop()


@contextlib.contextmanager
def json_lines() -> Iterator[Callable[[Event], None]]:
    """Yield a function that prints events as JSON lines on stdout; the last says how it ended."""

    def show(event: Event) -> None:
        sys.stdout.write(json.dumps(event.to_json()) + "\n")
        sys.stdout.flush()

    try:
        yield show
    except Cancelled:
        show(Event("cancelled"))
        raise
    except DepthshotError as reason:
        show(Event("failed", message=str(reason)))
        raise
    show(Event("done"))
