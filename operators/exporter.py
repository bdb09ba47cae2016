"""Drives the one export there can be: a timer in a window, a loop without one.

Panels read what it is doing from here; nothing of it belongs into a file.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import bpy

from ..backend.errors import BackendNotStarted
from ..scene.kept import Use
from .export_process import ExportProcess
from .interface import redraw_sidebars

SECONDS_BETWEEN_STEPS = 0.1
RUNNING = "An export is running; wait for it or cancel it"
CANCELLED = "Cancelled; nothing was exported."


class Exporter:
    """Follows an export until it has ended.

    Attributes:
        phase: What is being done, in words.
        share: How much of it is done, 0 to 1.
        message: How the last export ended, one sentence; "" before and while one runs.
        failed: Whether it ended in an error.
        warnings: What to know about it, a sentence each.
    """

    def __init__(self) -> None:
        self.phase = ""
        self.share = 0.0
        self.message = ""
        self.failed = False
        self.warnings: tuple[str, ...] = ()
        self._process: ExportProcess | None = None
        self._use: Use | None = None
        self._target = Path()
        self._stopping = False
        # Blender knows a timer by its object, and `self._tick` is a new one each time.
        self._timer = self._tick

    @property
    def running(self) -> bool:
        """Whether an export is under way."""
        return self._process is not None

    def why_not(self) -> str | None:
        """Return why no other export, and nothing that one needs, can be touched now."""
        return RUNNING if self.running else None

    def start(
        self, python: Path, arguments: Sequence[str], *, target: Path, use: Use | None = None
    ) -> None:
        """Start an export and let a timer follow it from now on.

        Args:
            python: The backend's own Python.
            arguments: What follows `export`.
            target: What they say is written.
            use: What is released when it has ended, or could not be started.

        Raises:
            BackendNotStarted: see `ExportProcess`.
        """
        self._begin(python, arguments, target, use)
        bpy.app.timers.register(self._timer, first_interval=0.0, persistent=True)

    def run(
        self, python: Path, arguments: Sequence[str], *, target: Path, use: Use | None = None
    ) -> None:
        """Start an export and wait for its end; for Blender without a window. As `start`."""
        self._begin(python, arguments, target, use)
        while self.step():
            time.sleep(SECONDS_BETWEEN_STEPS)

    def cancel(self) -> None:
        """Ask the export to stop; it does so at the next frame and leaves nothing."""
        if self._process is not None and not self._stopping:
            self._stopping = True
            self.phase = "Cancelling"
            self._process.stop()

    def abandon(self) -> None:
        """Stop following it, because Blender ends; the export stops by itself."""
        if bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.unregister(self._timer)
        self.cancel()
        self._forget()

    def step(self) -> bool:
        """Take in what has happened since; return whether the export goes on."""
        process = self._process
        if process is None:
            return False
        ended = process.ended  # first, so that no event after it can be missed
        last = None
        for event in process.drain():
            if event.kind == "progress" and not self._stopping:
                self.phase, self.share = event.phase.capitalize(), event.share
            elif event.kind == "warning":
                self.warnings = (*self.warnings, event.message)
            last = event
        if last is not None and last.final:
            self._end(
                {"done": f"Exported to '{self._target}'.", "cancelled": CANCELLED}.get(
                    last.kind, last.message
                ),
                failed=last.kind == "failed",
            )
        elif ended:
            message = CANCELLED if self._stopping else process.why_broken()
            self._end(message, failed=not self._stopping)
        redraw_sidebars("VIEW_3D")
        return self.running

    def _begin(self, python: Path, arguments: Sequence[str], target: Path, use: Use | None) -> None:
        self._use = use
        try:
            held = use.inheritable if use is not None else ()
            self._process = ExportProcess(python, arguments, held=held)
        except BackendNotStarted:
            self._forget()
            raise
        self._target = target
        self._stopping = False
        self.phase, self.share = "Starting", 0.0
        self.message, self.failed, self.warnings = "", False, ()

    def _end(self, message: str, *, failed: bool) -> None:
        self.message, self.failed = message, failed
        self._forget()

    def _forget(self) -> None:
        self._process = None
        if self._use is not None:
            self._use.release()
            self._use = None

    def _tick(self) -> float | None:
        return SECONDS_BETWEEN_STEPS if self.step() else None


exporter = Exporter()
