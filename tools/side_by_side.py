"""Long runs two at a time: most of each waits for what it has started."""

import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import BinaryIO, TypeVar

from .console import answer, say

T = TypeVar("T")

# Each starts a second Blender and a backend: more at a time would only wait for each other.
AT_ONCE = 2


def run_all(wanted: Mapping[str, Callable[[BinaryIO, threading.Event], T]]) -> list[T]:
    """Runs everything, in order; what each said is shown when it has ended.

    Args:
        wanted: by name. What one says goes to the file that it gets; once the event is set, it has
            to come to an end.

    Returns:
        What each returned, in the order of their ends.
    """
    stop = threading.Event()
    results = []
    with tempfile.TemporaryDirectory(prefix="depthshot-runs-") as folder:

        def logged(name: str) -> tuple[T, float]:
            began = time.monotonic()
            with (Path(folder) / name).open("wb") as output:
                return wanted[name](output, stop), time.monotonic() - began

        with ThreadPoolExecutor(AT_ONCE) as threads:
            running: dict[Future[tuple[T, float]], str] = {}
            try:
                for name in wanted:
                    running[threads.submit(logged, name)] = name
                for done in as_completed(running):
                    name = running[done]
                    log = Path(folder) / name
                    answer(log.read_text(encoding="utf-8", errors="replace").rstrip())
                    result, seconds = done.result()
                    results.append(result)
                    say(f"{name}: {result}, in {seconds / 60:.0f} min")
            except BaseException:
                # Ctrl-C reaches this thread alone: it is passed on to what the others wait for.
                stop.set()
                for waiting in running:
                    waiting.cancel()
                raise
    return results
