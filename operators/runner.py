"""Drives the one generation there can be: a timer in a window, a loop without one.

Blender's own state has no place for a running generation, so the runner holds it; panels see what
it writes into `WindowManager.depthshot`.
"""

from __future__ import annotations

import time
from statistics import fmean

import bpy

from ..properties import DepthshotStatus
from ..scene.child_process import wait_for_ends
from .clock import in_words
from .generation import Generation, Outcome
from .interface import redraw_sidebars
from .look import shown

SECONDS_BETWEEN_STEPS = 0.1
# What the status says of the last take alone.
_LAST_TAKE = ("take", "generated", "scene", "landing", "earlier_landing")


class Runner:
    """Steps a generation until it has ended and keeps its status up to date."""

    def __init__(self) -> None:
        self._generation: Generation | None = None
        # Blender knows a timer by its object, and `self._tick` is a new one each time.
        self._timer = self._tick

    @property
    def running(self) -> bool:
        """Whether a generation is under way."""
        return self._generation is not None

    def start(self, generation: Generation) -> None:
        """Let a timer step the generation from now on."""
        self._begin(generation)
        # It outlives the opening of another file: the job does not depend on the open one.
        bpy.app.timers.register(self._timer, first_interval=0.0, persistent=True)

    def run(self, generation: Generation) -> None:
        """Step the generation to its end, blocking; for Blender without a window."""
        self._begin(generation)
        while self._step():
            time.sleep(SECONDS_BETWEEN_STEPS)
        wait_for_ends()

    def cancel(self) -> None:
        """Ask the generation to end."""
        if self._generation is not None:
            self._generation.cancel()

    def forget(self) -> None:
        """Forget the last take, but not one on its way: what is open now is another file."""
        status = _status()
        every = type(status).__annotations__
        for name in every if self._generation is None else _LAST_TAKE:
            status.property_unset(name)

    def abandon(self) -> None:
        """Stop at once and leave no timer behind."""
        if bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.unregister(self._timer)
        if self._generation is not None:
            self._generation.abandon()
            self._generation = None
        shown.clear()
        wait_for_ends()

    def _begin(self, generation: Generation) -> None:
        self._generation = generation
        status = _status()
        # The last take stays the last one until another is here, however this ends.
        for name in ("message", "warnings", "job"):
            status.property_unset(name)
        status.failed = False
        status.earlier_landing = status.landing
        self._publish()

    def _tick(self) -> float | None:
        return SECONDS_BETWEEN_STEPS if self._step() else None

    def _step(self) -> bool:
        generation = self._generation
        try:
            generation.step()
        finally:
            # Also when a mistake in the program goes on to the console from here.
            self._publish()
            if generation.outcome is not None:
                self._generation = None
                shown.clear()
        return self._generation is not None

    def _publish(self) -> None:
        generation, status = self._generation, _status()
        ended = generation.outcome is not None
        status.phase = "" if ended else generation.clock.phase
        status.progress = generation.clock.share
        status.held_up = generation.held_up
        status.time_left = "" if ended else in_words(generation.clock.seconds_left())
        status.message = generation.message
        status.failed = generation.outcome is Outcome.FAILED
        status.warnings = "\n".join(generation.warnings)
        status.job = generation.pending.job if generation.pending else ""
        here = generation.outcome in (Outcome.DONE, Outcome.FAILED) and generation.take is not None
        if here:  # also one that found no place: its buttons place it
            status.take = str(generation.folder)
            status.generated = fmean(generation.take.generated)
            status.scene = generation.landed.scene if generation.landed else ""
            status.landing = generation.landing
        look = generation.look
        shown.expected = shown.expected or (look.possible and look.wanted)
        if look.picture is not None:
            shown.show(look.picture)
        # The scene beside the sidebars only once it has changed.
        redraw_sidebars("VIEW_3D", "SEQUENCE_EDITOR", whole=generation.landed is not None)


def _status() -> DepthshotStatus:
    return bpy.context.window_manager.depthshot


runner = Runner()
