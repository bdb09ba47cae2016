"""The server that runs in a data folder: what it does, and its end.

Needs the standard library and requests alone. Both functions block and belong into a thread.
"""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from .connection import Connection
from .errors import BackendError, BackendNotStarted
from .launch import is_by_hand
from .locks import FileLock
from .rendezvous import ServerInfo, other_servers, read_server

STOP_SECONDS = 15.0
_DRAIN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Running:
    """What a server says of itself.

    Attributes:
        pid: its process.
        state: starting, ready, busy or failed.
        why: what is wrong when it is failed.
        devices: what it computes on.
        running: jobs that are worked on.
        queued: jobs that wait.
        by_hand: whether it was served by hand, so that Blender does not end it.
    """

    pid: int
    state: str
    why: str
    devices: tuple[str, ...]
    running: int
    queued: int
    by_hand: bool = False

    def in_words(self) -> str:
        """The same as a line for an artist."""
        if self.state == "failed":
            return f"Running, but it cannot work: {self.why}"
        if not any(self.devices):
            return "Starting…"
        jobs = f"{self.running} running, {self.queued} waiting" if self.running else "no job"
        said = f"Running on {', '.join(filter(None, self.devices))}: {jobs}"
        return f"{said}; it was served by hand" if self.by_hand else said


def look(data_dir: Path) -> Running | None:
    """Ask the server what it does; None if none answers, or another program in its place."""
    info = read_server(data_dir)
    if info is None:
        return None
    try:
        connection = Connection(info)
        hello = connection.hello()
        health = connection.json("GET", "/v1/health")
        devices = health["devices"]
        return Running(
            pid=info.pid,
            state=health["state"],
            why=health["why"],
            devices=tuple(each["device"] or "" for each in devices),
            running=sum(each["job"] is not None for each in devices),
            queued=health["queued"],
            by_hand=is_by_hand(hello),
        )
    except (BackendError, KeyError, TypeError):  # none, or not ours: a start replaces it
        return None


def stop(data_dir: Path) -> bool:
    """End the servers of a data folder, of other versions too; returns whether there was one.

    A job that is running stops and stays in the backend's list: it goes on from its finished frames
    when a server is started the next time.

    Raises:
        BackendNotStarted: one does not end, or was served by hand: others may be using it.
    """
    servers = [read_server(data_dir), *other_servers(data_dir)]
    ended = [_stop(data_dir, info) for info in servers if info is not None]
    return any(ended)


def _stop(data_dir: Path, info: ServerInfo) -> bool:
    connection = Connection(info)
    try:
        # Whoever answers with this token is the server, and says which process it is.
        hello = connection.json("GET", "/v1/hello")
        pid = hello["pid"]
    except (BackendError, KeyError):
        return False
    if is_by_hand(hello):
        raise BackendNotStarted(
            f"The backend (process {pid}) was served by hand, maybe for other machines too; end it"
            " where it was started (Ctrl-C there)."
        )
    try:
        connection.json("POST", "/v1/drain")
    except BackendError:
        return False
    # Held until the last of its processes and files is in order.
    owner = data_dir / f"store-{info.protocol}" / "owner.lock"
    if not _free(owner, seconds=_DRAIN_SECONDS):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        if not _free(owner, seconds=STOP_SECONDS):
            raise BackendNotStarted(
                f"The backend (process {pid}) does not end; end it in the system's task manager."
            )
    return True


def _free(path: Path, *, seconds: float) -> bool:
    lock = FileLock(path, timeout=seconds)
    taken = lock.take()
    lock.release()
    return taken
