"""One program at a time: followed line by line, written to a log, ended with all it started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from ..errors import Cancelled, SetupError
from .progress import Progress

_LOOK_SECONDS = 0.1
# pip removes its temporary files when it is interrupted.
_INTERRUPT_SECONDS = 3.0
# Who has left the group of a program that was ended may hold its output for ever.
_READ_SECONDS = 1.0
# How far it is, several times a second: of pip, and of the backend.
_NOISE = ("Progress ", '{"seq": 0, "kind": "progress"')


@dataclass(frozen=True, slots=True)
class Work:
    """How the programs of an installation are run.

    Attributes:
        log: everything they say is appended to this file.
        progress: told their lines; asked whether to go on.
        variables: environment variables on top of the process's own.
        folder: the programs' working directory; None for the process's own.
        keep_open: file descriptors that they inherit (POSIX): a lock held by one of these is not
            free before the program has ended, even when this process is killed.
    """

    log: Path
    progress: Progress = field(default_factory=Progress)
    variables: Mapping[str, str] = field(default_factory=dict)
    keep_open: tuple[int, ...] = ()
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: its exit code and what it wrote."""

    code: int
    output: str
    errors: str


def clean_environment() -> dict[str, str]:
    """The process environment without what would let another Python's packages in."""
    unwanted = (
        *("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONSAFEPATH", "VIRTUAL_ENV"),
        *("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIRE_VIRTUALENV"),
    )
    ours = {name: value for name, value in os.environ.items() if name not in unwanted}
    return {**ours, "PYTHONNOUSERSITE": "1", "PIP_USER": "0"}


def run(command: Sequence[str], work: Work) -> Ended:
    """Runs a program to its end, whatever its exit code.

    Raises:
        Cancelled: somebody asked for the end; the program and all it started are gone.
        SetupError: it cannot be started.
        OSError: the log cannot be written; the program has run to its end all the same.
    """
    written: tuple[list[str], list[str]] = ([], [])
    guard = threading.Lock()
    over = threading.Event()
    refused: list[OSError] = []

    def follow(stream: IO[str], into: list[str], *, tell: bool) -> None:
        for line in stream:
            into.append(line)
            if tell:
                work.progress.line(line.rstrip())
            if not line.startswith(_NOISE):
                with guard:
                    if over.is_set():
                        return
                    if refused:  # read on: a program whose words nobody takes waits for ever
                        continue
                    try:
                        log.write(line)
                        log.flush()
                    except OSError as reason:
                        refused.append(reason)

    with work.log.open("a", encoding="utf-8") as log:
        log.write(f"$ {' '.join(command)}\n")
        process = _start(command, work)
        streams = ((process.stdout, written[0], True), (process.stderr, written[1], False))
        readers = [
            threading.Thread(target=follow, args=(stream, into), kwargs={"tell": tell}, daemon=True)
            for stream, into, tell in streams
        ]
        try:
            for reader in readers:
                reader.start()
            for reader in readers:
                while reader.is_alive():
                    if work.progress.cancelled:
                        raise Cancelled("Cancelled; what was downloaded is kept.")
                    reader.join(_LOOK_SECONDS)
            code = process.wait()
        finally:
            end_tree(process)
            for reader, (stream, _, _) in zip(readers, streams, strict=True):
                reader.join(_READ_SECONDS)
                if not reader.is_alive():  # closing waits for one who reads
                    stream.close()
            with guard:
                over.set()
        if refused:
            raise refused[0]
    return Ended(code, "".join(written[0]), "".join(written[1]))


def _start(command: Sequence[str], work: Work) -> subprocess.Popen[str]:
    own_group = {"start_new_session": True} if os.name == "posix" else {}
    try:
        return subprocess.Popen(
            command,
            cwd=work.folder,
            env={**clean_environment(), "PYTHONUNBUFFERED": "1", **work.variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            pass_fds=work.keep_open,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            **own_group,
        )
    except OSError as reason:
        raise SetupError(
            f"'{command[0]}' cannot be started ({reason.strerror or reason}); install again."
        ) from reason


def end_tree(process: subprocess.Popen[str]) -> None:
    """Ends a program and all it started, also where that has outlived it.

    Without effect on one whose end was waited for: its number may be another's by now.
    """
    if process.returncode is not None:
        return
    if os.name != "posix":
        subprocess.run(
            ["taskkill", "/T", "/F", "/PID", str(process.pid)],
            check=False,
            capture_output=True,
            creationflags=subprocess.CREATE_NO_WINDOW,
        )
        process.wait()
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_INTERRUPT_SECONDS)
    # Not the program alone: what it started may have outlived it.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
