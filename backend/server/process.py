"""A worker process as the server holds it: start, orders in, messages out, an end that is sure."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable

import psutil

from ..paths import ROOT

log = logging.getLogger(__name__)

_TAIL_LINES = 12
_END_SECONDS = 5.0


class WorkerProcess:
    """One `python -m backend worker`.

    Its messages, and a last one `{"say": "exit", "status": ...}`, are given to `inbox` from a
    thread. What it prints goes to this process's stderr, the end of it is kept for messages.
    """

    def __init__(self, device: str | None, inbox: Callable[[WorkerProcess, dict], None]) -> None:
        command = [sys.executable, "-m", "backend", "worker"]
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._inbox = inbox
        self._process = subprocess.Popen(
            [*command, "--device", device] if device else command,
            cwd=ROOT,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self._printer = threading.Thread(target=self._print, name="worker stderr", daemon=True)
        self._printer.start()
        threading.Thread(target=self._read, name="worker messages", daemon=True).start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def last_words(self) -> str:
        """Return the last line it printed, which is what Python says of an exception."""
        return next((line for line in reversed(self._tail) if line.strip()), "it said nothing")

    def order(self, what: str, **values: object) -> None:
        """Send an order; without effect on a process that has ended (its exit is a message)."""
        line = json.dumps({"do": what, **values}).encode() + b"\n"
        try:
            os.write(self._process.stdin.fileno(), line)
        except (OSError, ValueError) as reason:
            log.warning("worker %d does not take orders: %s", self.pid, reason)

    def kill(self) -> None:
        """End it and its children now. A venv's python.exe on Windows is only a launcher."""
        try:
            tree = psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            tree = []
        self._process.stdin.close()
        self._process.kill()
        for process in tree:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:  # stuck in a driver: the system ends it when it can
            log.error("worker %d does not end", self.pid)

    def close(self) -> None:
        """Ask it to end by closing its stdin, and see that it does."""
        self._process.stdin.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def _read(self) -> None:
        with io.BufferedReader(self._process.stdout) as stream:
            for line in stream:
                try:
                    message = json.loads(line)
                    say = message["say"]
                except (ValueError, TypeError, KeyError):
                    # The half line of a killed process, or what a library printed while Python
                    # started, before the worker had moved its output away from stdout.
                    self._note(line)
                else:
                    log.debug("worker %d says %s", self.pid, say)
                    self._inbox(self, message)
        status = self._process.wait()
        self._printer.join()
        self._inbox(self, {"say": "exit", "status": status})

    def _print(self) -> None:
        with io.BufferedReader(self._process.stderr) as stream:
            for line in stream:
                self._note(line)

    def _note(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip()
        self._tail.append(text)
        log.info("worker %d: %s", self.pid, text)
