"""What `dev.py` tells a person: on stderr, so that a command's own output stays clean."""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from backend.errors import DepthshotError

# A step that is still running says so this often, in seconds: silence looks like a hang.
HEARTBEAT = 20.0
# Names a file in which several `dev.py test` in a row note what this machine cannot run.
LEFT_OUT = "DEPTHSHOT_LEFT_OUT"


class DevError(DepthshotError):
    """A failure a person can do something about; its message is one sentence with the way out."""


def answer(text: str) -> None:
    """Writes what was asked for, on stdout."""
    print(text, flush=True)


def say(text: str) -> None:
    """Writes one line about what is going on."""
    # In one write, or the lines of two threads run into each other.
    print(f"{text}\n", end="", file=sys.stderr, flush=True)


def note_omission(sentence: str) -> None:
    """Says that something is not run on this machine, and notes it for the end."""
    _note(f"NOT RUN: {sentence}")


def note_crash(sentence: str) -> None:
    """Says that a Blender crashed, and notes it for the end."""
    _note(f"CRASHED: {sentence}")


def say_omissions() -> None:
    """Repeats loudly what was noted: without it, a run that is green looks like a whole one."""
    path = Path(os.environ.get(LEFT_OUT) or os.devnull)
    for sentence in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        say(f"!!! {sentence}")


def _note(sentence: str) -> None:
    say(sentence)
    if path := os.environ.get(LEFT_OUT):
        with Path(path).open("a", encoding="utf-8") as stream:
            stream.write(f"{sentence}\n")


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    """Announces a step, says now and then that it goes on, and how long it took."""
    start = time.monotonic()
    over = threading.Event()

    def keep_saying() -> None:
        while not over.wait(HEARTBEAT):
            say(f"… {text} ({time.monotonic() - start:.0f} s)")

    heartbeat = threading.Thread(target=keep_saying, daemon=True)
    say(f"{text} …")
    heartbeat.start()
    try:
        yield
    finally:
        over.set()
        heartbeat.join()
    say(f"{text}: done in {time.monotonic() - start:.0f} s")
