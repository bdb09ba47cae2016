"""Starts, follows and ends the second Blender that runs `capture_child` or another script."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import bpy

from ..backend.errors import CaptureError

SCRIPT = Path(__file__).with_name("capture_child.py")
_LONGEST_GOODBYE = 5.0  # seconds; it took 0.07 in every version tried
_ending: list[threading.Thread] = []


def wait_for_ends(seconds: float = 2 * _LONGEST_GOODBYE) -> bool:
    """Wait until the processes that were ended are gone, and their files; before Blender ends.

    Args:
        seconds: how long at most.

    Returns:
        Whether they are.
    """
    deadline = time.monotonic() + seconds
    for thread in list(_ending):
        thread.join(max(0.0, deadline - time.monotonic()))
    _ending[:] = [thread for thread in _ending if thread.is_alive()]
    return not _ending


class ChildProcess:
    """One second Blender at work in one folder.

    The folder holds `job.json`, `events.jsonl` (the wire), `child.log` (its stdout and stderr, for
    people) and `tmp` (its temporary files). The child ends by itself when this process does: it
    watches its stdin, whose other end is held here.
    """

    def __init__(
        self,
        work: Path,
        job: Mapping[str, object],
        *,
        script: Path = SCRIPT,
        held: tuple[int, ...] = (),
    ) -> None:
        """Start it.

        Args:
            work: its folder.
            job: what it is to do.
            script: what it runs.
            held: descriptors that it inherits: locks that are not free before it has ended.

        Raises:
            CaptureError: the program could not be started.
        """
        self.work = work
        self.log = work / "child.log"
        self._events = work / "events.jsonl"
        self._position = 0
        temporary = work / "tmp"
        temporary.mkdir()
        (work / "job.json").write_text(json.dumps(job), encoding="utf-8")
        environment = os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
        command = _command(script, work / "job.json")
        try:
            with self.log.open("wb") as log:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    pass_fds=held,
                    creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
                )
        except OSError as reason:
            raise CaptureError(
                f"The second Blender '{command[0]}' could not be started"
                f" ({reason.strerror}); check that the file is there and may be run."
            ) from reason

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def poll(self) -> tuple[list[dict[str, object]], int | None]:
        """Return the events since the last call, and the exit code once it has ended."""
        code = self._process.poll()  # first, so that no event after it can be missed
        return self._new_events(), code

    def end(self, *, then: Callable[[], None] = lambda: None) -> None:
        """End it now, wherever it is, and remove its folder; a thread waits for both.

        Args:
            then: called in that thread, after both.
        """
        if self._process.poll() is None:
            self._process.terminate()
        _ending[:] = [thread for thread in _ending if thread.is_alive()]
        thread = threading.Thread(
            target=self._see_off, args=(then,), name="depthshot end", daemon=True
        )
        _ending.append(thread)
        thread.start()

    def _see_off(self, then: Callable[[], None]) -> None:
        try:
            self._process.wait(_LONGEST_GOODBYE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdin.close()
        shutil.rmtree(self.work, ignore_errors=True)  # what is still locked is of no harm
        then()

    def _new_events(self) -> list[dict[str, object]]:
        if not self._events.exists():
            return []
        with self._events.open("rb") as stream:
            stream.seek(self._position)
            data = stream.read()
        whole = data.rpartition(b"\n")[0]  # the last line may still be being written
        if whole:
            self._position += len(whole) + 1
        return [json.loads(line) for line in whole.splitlines()]


def _command(script: Path, job: Path) -> list[str]:
    arguments = [str(script), "--", str(job)]
    if not bpy.app.binary_path:  # the bpy wheel has no program of its own
        return [sys.executable, *arguments]
    return [
        bpy.app.binary_path,
        "--background",
        "--python-exit-code",
        "3",
        "--python",
        *arguments,
    ]
