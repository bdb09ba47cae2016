"""Real servers for tests: each in a data folder of its own, and ended before the test is over."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import psutil

from backend.client import Backend, JobEvents
from backend.events import Event
from backend.rendezvous import read_server
from backend.take import verify_take
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[1]
PYTHON = Path(sys.executable)


@contextlib.contextmanager
def running_backend(data_dir: Path) -> Iterator[Backend]:
    """Start a server in `data_dir`, hand out an attached client, and end whatever runs there.

    Whatever the test did to it, the server must not have met an exception nobody had thought of.
    """
    backend = Backend.start_or_attach(PYTHON, ROOT, data_dir)
    try:
        yield backend
    finally:
        backend.close()
        end_server(data_dir)
    for log in (data_dir / "logs").iterdir():
        text = log.read_text(errors="replace")
        assert "Exception in" not in text, text


def end_server(data_dir: Path) -> None:
    """Ask the server of a data folder to end, and wait until it has."""
    info = read_server(data_dir)
    if info is not None and psutil.pid_exists(info.pid):
        process = psutil.Process(info.pid)
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: gone(info.pid))


def gone(pid: int) -> bool:
    """Return whether a process has ended (a zombie has)."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def worker_pid(backend: Backend) -> int:
    """Return the process id of the first worker."""
    return backend.health()["devices"][0]["pid"]


def events_until(
    following: JobEvents, enough: Callable[[Event], bool], *, seconds: float = 90.0
) -> list[Event]:
    """Return the events of a job up to the first that is `enough`."""
    events: list[Event] = []
    deadline = time.monotonic() + seconds
    while not any(enough(event) for event in events):
        assert time.monotonic() < deadline, f"it did not come; there were {events[-5:]}"
        events += following.drain()
        time.sleep(0.01)
    return events


def all_events(following: JobEvents) -> list[Event]:
    """Return the events of a job up to its last."""
    return events_until(following, lambda event: event.final)


def frame_files(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every picture and mask of a take, by path; none without a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for kind in ("frames", "mask")
        for path in sorted((folder / kind).glob("*"))
    }


def assert_alike(first: Path, second: Path) -> None:
    """Two takes of the same job by two processes: the same files, pictures but for rounding.

    Processes may add up with other numbers of threads, and so in another order.
    """
    takes = verify_take(first), verify_take(second)
    assert takes[0].files.keys() == takes[1].files.keys()
    for path in takes[0].files:
        if path.endswith(".png"):
            pictures = []
            for folder in (first, second):
                with PIL.Image.open(folder / path) as image:
                    pictures.append(np.asarray(image).astype(np.int64))
            assert np.abs(pictures[0] - pictures[1]).max() <= 2, path
