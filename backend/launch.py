"""Finds the running server, or starts one: safe against two Blenders starting at once."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .connection import Connection
from .errors import BackendError, BackendLost, BackendNotStarted, StorageError
from .locks import FileLock
from .marks import software
from .paths import full_path, make_private
from .rendezvous import ServerInfo, other_servers, read_server, server_file
from .wire import PROTOCOL

log = logging.getLogger(__name__)

LEASE_SECONDS = 30.0  # Blender can hold up all of its Python threads for many seconds
START_SECONDS = 60.0  # a cold disk and a virus scanner make the first import slow
_DRAIN_SECONDS = 10.0
_POLL_SECONDS = 0.1
_LOG_LINES = 3
_LEAST_FREE = 1024 * 1024  # bytes, for the table of jobs and for a log that says what is wrong
_LACKING = re.compile(r"^ModuleNotFoundError: No module named '([\w.]+)'", re.MULTILINE)
# A user's Python settings are meant for another Python than the backend's own.
_NOT_INHERITED = (
    "PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONSAFEPATH", "PYTHONINSPECT", "VIRTUAL_ENV",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Local:
    """The backend of this machine, found or started.

    Attributes:
        python: The backend's own Python.
        root: The extension's folder, working directory of the server.
        data_dir: The user's data folder.
    """

    python: Path
    root: Path
    data_dir: Path

    def find(self) -> ServerInfo | None:
        """Return where the server answers; as `find_server`."""
        return find_server(self.data_dir)

    def attach(self) -> ServerInfo:
        """Return where the server answers, started if there was none; as `start_or_attach`."""
        return start_or_attach(self.python, self.root, self.data_dir)


def find_server(data_dir: Path) -> ServerInfo | None:
    """Return the server that is running and answers, None if there is none.

    Raises:
        ProtocolMismatch: what answers speaks another version.
        BackendNotStarted: it was asked to end, but still has jobs.
    """
    info = read_server(data_dir)
    if info is None:
        return None
    deadline = time.monotonic() + _DRAIN_SECONDS
    try:
        while Connection(info).hello()["draining"]:
            if time.monotonic() >= deadline:
                raise BackendNotStarted(
                    "The backend was asked to end and is finishing its last jobs; try again when"
                    " it has."
                )
            time.sleep(_POLL_SECONDS)
    except BackendLost as reason:
        log.info("the server file is stale: %s", reason)
        return None
    return info


def start_or_attach(python: Path, root: Path, data_dir: Path) -> ServerInfo:
    """Return a server that answers, started now if there was none.

    Servers of other protocol versions are asked to end after their jobs, and so is one of an older
    version of Depthshot or of another Python: it would not do what is expected now. None that was
    served by hand is: others may be using it, so it is used as it is, or left alone.

    Args:
        python: The backend's own Python.
        root: The extension's folder.
        data_dir: The user's data folder.

    Raises:
        BackendNotStarted: it could not be started; the message says why.
        StorageError: the data folder cannot be written.
    """
    # The server has another working directory, and names its own place without "..".
    python, data_dir = full_path(python), full_path(data_dir)
    try:
        make_private(data_dir)
        make_private(data_dir / "logs")
        lock = FileLock(data_dir / "start.lock", timeout=START_SECONDS + 5)
        taken = lock.take()
    except OSError as reason:
        raise StorageError(
            f"The data folder {data_dir} cannot be written ({reason.strerror or reason}); choose"
            " another one in the preferences."
        ) from reason
    if not taken:
        raise BackendNotStarted(
            "Another Blender has been starting the backend for a minute; close it and try again."
        )
    try:
        info = find_server(data_dir)
        if info is not None and _is_outdated(info, python):
            _ask_to_drain(info)
            info = find_server(data_dir)  # it has ended, or says that it has jobs yet
        if info is not None:
            return info
        if shutil.disk_usage(data_dir).free < _LEAST_FREE:
            raise StorageError(
                f"The disk of the data folder {data_dir} is full; free some space, or choose"
                " another folder in the preferences."
            )
        for other in other_servers(data_dir):
            if not _served_by_hand(other):
                _ask_to_drain(other)
        return _start(python, root, data_dir)
    finally:
        lock.release()


def _is_outdated(info: ServerInfo, python: Path) -> bool:
    """Return whether a server runs older code, or with another Python than is asked for."""
    try:
        hello = Connection(info).hello()
    except BackendLost:  # it has just ended, and another is started
        return True
    runs = hello.get("python")
    if is_by_hand(hello):
        log.info("a server that was served by hand is used: %s, %s", hello["software"], runs)
        return False
    if not isinstance(runs, str):
        return True
    if _environment(Path(runs)) != _environment(python):
        log.info("the server runs with %s, and %s is asked for", runs, python)
        return True
    return _version(hello["software"]) < _version(software())


def is_by_hand(hello: Mapping[str, object]) -> bool:
    """Return whether a server was served by hand, by what its handshake says.

    Blender alone starts one that ends by itself. Others stay for whoever was given their address.
    """
    return hello.get("lease_seconds") is None


def _served_by_hand(info: ServerInfo) -> bool:
    """Return whether a server of another protocol version was; false where none answers."""
    try:
        return is_by_hand(Connection(info).json("GET", "/v1/hello"))
    except BackendError:
        return False


def _environment(python: Path) -> Path:
    """Return what two paths of one Python have in common: its environment's folder, resolved.

    A program in an environment is a link to the system's, which many environments share.
    """
    prefix = full_path(python).parent.resolve().parent
    return prefix if (prefix / "pyvenv.cfg").is_file() else python.resolve()


def _version(text: str) -> tuple[int, ...]:
    """Return the numbers of "Depthshot 1.2.3"."""
    return tuple(int(part) for part in re.findall(r"\d+", text))


def _ask_to_drain(info: ServerInfo) -> None:
    try:
        Connection(info).json("POST", "/v1/drain")
        log.info("the server of protocol %d ends after its jobs", info.protocol)
    except BackendError as reason:
        log.info("the server of protocol %d is gone: %s", info.protocol, reason)


def _start(python: Path, root: Path, data_dir: Path) -> ServerInfo:
    log_file = data_dir / "logs" / f"server-{PROTOCOL}.log"
    try:
        server_file(data_dir).unlink(missing_ok=True)
        if log_file.exists():
            log_file.replace(log_file.with_suffix(".previous.log"))
        with log_file.open("wb") as stream:
            process = _spawn(python, root, data_dir, stream.fileno())
    except OSError as reason:
        raise BackendNotStarted(
            f"The backend's Python '{python}' cannot be started"
            f" ({reason.strerror or reason}); choose another one in the add-on's preferences."
        ) from reason
    # Reaps it when it ends, however long that takes: no zombie below a Blender that goes on.
    threading.Thread(target=process.wait, name="backend", daemon=True).start()
    return _wait_for(process, data_dir, log_file)


def _spawn(python: Path, root: Path, data_dir: Path, output: int) -> subprocess.Popen:
    command = [str(python), "-m", "backend", "serve", "--data", str(data_dir)]
    environment = {k: v for k, v in os.environ.items() if k not in _NOT_INHERITED}
    return subprocess.Popen(
        [*command, "--lease", str(LEASE_SECONDS)],
        cwd=root,
        env=environment | {"PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        close_fds=True,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        start_new_session=True,  # Ctrl-C in Blender's terminal is not meant for it
    )


def _wait_for(process: subprocess.Popen, data_dir: Path, log_file: Path) -> ServerInfo:
    deadline = time.monotonic() + START_SECONDS
    refused: BackendLost | None = None
    while time.monotonic() < deadline:
        if process.poll() is not None:
            lacking = _LACKING.search(log_file.read_text(encoding="utf-8", errors="replace"))
            if lacking is not None:
                raise BackendNotStarted(
                    f"The Python '{process.args[0]}' has no package '{lacking[1]}', so it is not"
                    " the backend's; choose that of the backend's environment in the add-on's"
                    f" preferences. (log: {log_file})"
                )
            raise BackendNotStarted(
                f"The backend ended while starting (status {process.returncode}):"
                f" {_last_lines(log_file)} (log: {log_file})"
            )
        info = read_server(data_dir)
        if info is not None:
            try:
                Connection(info).hello()
            except BackendLost as reason:
                if refused is not None:
                    break
                refused = reason
            else:
                return info
        time.sleep(_POLL_SECONDS)
    process.kill()
    if refused is not None:
        raise BackendNotStarted(
            f"The backend runs, but its address {info.url} is refused; allow Python to accept"
            f" connections on 127.0.0.1 in the firewall or virus scanner. (log: {log_file})"
        ) from refused
    raise BackendNotStarted(
        f"The backend did not start within {START_SECONDS:.0f} seconds:"
        f" {_last_lines(log_file)} (log: {log_file})"
    )


def _last_lines(log_file: Path) -> str:
    lines = log_file.read_text(encoding="utf-8", errors="replace").split("\n")
    last = [line.strip() for line in lines if line.strip()][-_LOG_LINES:]
    return " / ".join(last) or "it said nothing"
