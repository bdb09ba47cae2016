"""Long runs two at a time: most of each waits for what it has started."""

import re
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import BinaryIO, TypeVar

from .console import answer, say

T = TypeVar("T")

# Each starts a second Blender and a backend: more at a time would only wait for each other.
AT_ONCE = 2

# What is still running says how far it is this often, in seconds: silence looks like a hang.
HEARTBEAT = 120.0
_LAST = 400  # bytes of what it said that are looked at for that
_SHARE = re.compile(r"\[ *([0-9]+)%\]")


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
                left = set(running)
                while left:
                    done, left = wait(left, timeout=HEARTBEAT, return_when=FIRST_COMPLETED)
                    for each in done:
                        name = running[each]
                        log = Path(folder) / name
                        answer(log.read_text(encoding="utf-8", errors="replace").rstrip())
                        result, seconds = each.result()
                        results.append(result)
                        say(f"{name}: {result}, in {seconds / 60:.0f} min")
                    for each in left if not done else ():
                        if each.running():
                            say(f"… {running[each]}: {_last_words(Path(folder) / running[each])}")
            except BaseException:
                # Ctrl-C reaches this thread alone: it is passed on to what the others wait for.
                stop.set()
                for waiting in running:
                    waiting.cancel()
                raise
    return results


def _last_words(log: Path) -> str:
    """Returns how far pytest says that it is, or else the last line that was said so far."""
    if not log.is_file():
        return "nothing said yet"  # its thread has only begun
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - _LAST))
        text = stream.read().decode(errors="replace")
    if shares := _SHARE.findall(text):
        return f"{shares[-1]} %"
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return lines[-1] if lines else "nothing said yet"
