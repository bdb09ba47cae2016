"""One export in a process of its own: the backend's command line. Nothing here touches bpy.

The process ends when its stdin does, so it never outlives this one: it stops at the next frame and
leaves nothing behind.
"""

from __future__ import annotations

import queue
import re
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from ..backend.errors import BackendError, BackendNotStarted
from ..backend.events import Event
from ..backend.fields import parse_json
from ..backend.paths import ROOT

_LACKING = re.compile(r"^ModuleNotFoundError: No module named '([\w.]+)'", re.MULTILINE)
_KEPT_LETTERS = 4000  # of what it says about itself


class ExportProcess:
    """A `python -m backend export` that runs, followed through its events."""

    def __init__(
        self, python: Path, arguments: Sequence[str], *, held: tuple[int, ...] = ()
    ) -> None:
        """Start it.

        Args:
            python: The backend's own Python.
            arguments: What follows `export`.
            held: Descriptors that it inherits: locks that are not free before it has ended.

        Raises:
            BackendNotStarted: the Python is not there or cannot be run.
        """
        self._python = python
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._said = ""
        # -E and -s: a user's Python settings are meant for another Python than the backend's own.
        command = [str(python), "-E", "-s", "-u", "-X", "utf8", "-m", "backend", "export"]
        try:
            self._process = subprocess.Popen(
                [*command, *arguments, "--json", "--stop-with-stdin"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=held,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
                start_new_session=True,  # Ctrl-C in Blender's terminal is not meant for it
            )
        except OSError as reason:
            raise BackendNotStarted(
                f"The backend's Python '{python}' cannot be started"
                f" ({reason.strerror or reason}); install the backend in Edit > Preferences >"
                " Add-ons > Depthshot."
            ) from reason
        readers = (
            threading.Thread(target=self._read_events, args=(self._process.stdout,), daemon=True),
            threading.Thread(target=self._read_words, args=(self._process.stderr,), daemon=True),
        )
        for reader in readers:
            reader.start()
        self._follower = threading.Thread(target=self._follow, args=(readers,), daemon=True)
        self._follower.start()

    @property
    def ended(self) -> bool:
        """Whether it has ended and nothing more will come."""
        return not self._follower.is_alive()

    def drain(self) -> list[Event]:
        """Return the events since the last call, without waiting."""
        events = []
        while not self._events.empty():
            events.append(self._events.get())
        return events

    def stop(self) -> None:
        """Ask it to stop; it removes what it has written."""
        self._process.stdin.close()

    def why_broken(self) -> str:
        """Return why it ended without a last event, one sentence."""
        lacking = _LACKING.search(self._said)
        if lacking is not None:
            return (
                f"The Python '{self._python}' has no package '{lacking[1]}', which exports need;"
                " install the backend again in Edit > Preferences > Add-ons > Depthshot."
            )
        last = self._said.strip().splitlines()[-1:] or ["it said nothing"]
        return f"The export ended by itself (status {self._process.returncode}): {last[0]}"

    def _read_events(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                try:
                    value = parse_json(line, name="An event", error=BackendError)
                    self._events.put(Event.from_json(value))
                except BackendError:  # something else wrote to stdout: kept with what it says
                    self._hear(line)

    def _read_words(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                self._hear(line)

    def _hear(self, line: bytes) -> None:
        self._said = (self._said + line.decode("utf-8", "replace"))[-_KEPT_LETTERS:]

    def _follow(self, readers: Sequence[threading.Thread]) -> None:
        for reader in readers:
            reader.join()
        self._process.wait()
        self._process.stdin.close()
