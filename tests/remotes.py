"""Servers that somebody starts by hand, as on another machine: a process of their own, TLS or not.

Imports nothing of Depthshot, so that tests in Blender's Python use it as well.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_SECONDS = 90.0


def free_port() -> int:
    """Return a port that nobody had a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def own_address() -> str | None:
    """Return an address of this machine that is not loopback, None if it has no network card."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: asks which card would be taken
        except OSError:
            return None
        return probe.getsockname()[0]


def backend_command(*arguments: object, python: Path | str = sys.executable) -> list[str]:
    """Return the command line of `python -m backend`."""
    return [str(python), "-m", "backend", *map(str, arguments)]


@dataclass(frozen=True, slots=True)
class Served:
    """A server that runs.

    Attributes:
        port: Where.
        token: As `python -m backend token` prints it.
        log: What it has said so far.
    """

    data: Path
    port: int
    token: str
    log: Path
    process: subprocess.Popen


@contextlib.contextmanager
def served(
    data: Path, *arguments: object, python: Path | str = sys.executable, port: int | None = None
) -> Iterator[Served]:
    """Run `serve` with its own data folder and end it afterwards."""
    data.mkdir(exist_ok=True)
    log, file = data / "said.log", data / "server-1.json"
    port = port or free_port()
    options = {"cwd": ROOT, "env": {**os.environ, "PYTHONUTF8": "1"}}
    if not (data / "token").is_file():
        command = backend_command("token", "--data", data, python=python)
        subprocess.run(command, **options, capture_output=True, check=True, timeout=_SECONDS)
    token = (data / "token").read_text().strip()
    command = backend_command("serve", "--data", data, "--port", port, *arguments, python=python)
    with log.open("ab") as stream:
        process = subprocess.Popen(
            command, **options, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
        )
    try:
        deadline = time.monotonic() + _SECONDS
        while not (file.is_file() and json.loads(file.read_text())["pid"] == process.pid):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield Served(data, port, token, log, process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
