"""`generate`: a take of a shot, in this process."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from ..errors import Cancelled, DepthshotError, SettingError
from ..events import Event
from ..models import cards


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("generate", help="make a take of a shot")
    parser.add_argument("shot", type=Path, metavar="SHOT", help="folder of the shot, or a zip")
    default = cards()[0].id
    parser.add_argument(
        "--model", default=default, metavar="ID", help=f"one of `models` (default: {default})"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="settings",
        help="a setting of the model; may be given again",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="TAKE", help="folder to write")
    parser.add_argument("--device", help="torch device (the best one)")
    parser.add_argument("--seed", type=int, help="seed (the shot's)")
    parser.add_argument("--json", action="store_true", help="print events as JSON lines")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Generate, with a progress bar on stderr or JSON lines on stdout."""
    from ..generate import generate, quiet_libraries

    quiet_libraries()
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    settings = _settings(options.settings)
    if options.seed is not None and not 0 <= options.seed < 2**63:
        raise SettingError(f"--seed must be from 0 to 2^63 - 1, not {options.seed}.")
    show = _json_lines() if options.json else _bar()
    with _shot_folder(options.shot) as shot, _stop_on_signal() as stop, show as on_event:
        try:
            take = generate(
                shot,
                model=options.model,
                settings=settings,
                out=options.out,
                device=options.device,
                seed=options.seed,
                on_event=on_event,
                should_stop=stop.is_set,
            )
        except Cancelled as reason:
            raise Cancelled(
                f"{reason} Give the same command again to go on in '{options.out}'."
            ) from reason
    if not options.json:
        sys.stdout.write(f"{take.frames} frames in {options.out}\n")
    return 0


def _settings(pairs: list[str]) -> dict[str, object]:
    values: dict[str, object] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise SettingError(f"--set takes NAME=VALUE, not '{pair}'.")
        values[name] = value
    return values


@contextlib.contextmanager
def _shot_folder(shot: Path) -> Iterator[Path]:
    if shot.is_dir():
        yield shot
        return
    from ..bundle import unpack

    with tempfile.TemporaryDirectory(prefix="depthshot-") as folder:
        unpack(shot, Path(folder, "shot"))
        yield Path(folder, "shot")


@contextlib.contextmanager
def _stop_on_signal() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C (or SIGTERM) into a flag; a second one ends at once."""
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()
        sys.stderr.write("\nStopping; press Ctrl-C again to end at once.\n")
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
def _bar() -> Iterator[Callable[[Event], None]]:
    """Show events as a progress bar on stderr."""
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
        progress.stop()


@contextlib.contextmanager
def _json_lines() -> Iterator[Callable[[Event], None]]:
    """Print events as JSON lines on stdout; the last one says how it ended."""

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
