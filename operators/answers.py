"""Questions that may take long, as one to a disk far away does: asked in threads, answers drawn."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from functools import partial
from typing import Generic, TypeVar

import bpy

from .interface import redraw_sidebars
from .task import Task

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
_STEP_SECONDS = 0.2


class Answers(Generic[K, T]):
    """The last answers, by what they are about; a redraw follows one that is new.

    What is asked is a function of the last answer, None before the first; it never touches bpy.

    Attributes:
        waits: Whether `last` waits for the answer: without a window no redraw would follow it.
    """

    def __init__(self, *, again: float) -> None:
        """Begin without answers.

        Args:
            again: Seconds after which the same is asked once more, if it still is of interest.
        """
        self.waits = bpy.app.background
        self._again = again
        self._known: dict[K, T] = {}
        self._asked: dict[K, float] = {}
        self._asking: dict[K, Task[T]] = {}
        # Blender knows a timer by its object, and `self._tick` is a new one each time.
        self._timer = self._tick

    def last(self, key: K, ask: Callable[[T | None], T]) -> T | None:
        """Return the last answer, None before the first, and ask anew if it is time to."""
        known = self._known.get(key)
        if self.waits:
            return self._take(key, Task(partial(ask, known)))
        now = time.monotonic()
        if key not in self._asking and now - self._asked.get(key, float("-inf")) >= self._again:
            self._asked[key] = now
            self._asking[key] = Task(partial(ask, known))
        drawn = bool(self._asking) and not bpy.app.background
        if drawn and not bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.register(self._timer, first_interval=_STEP_SECONDS, persistent=True)
        return known

    def fresh(self, key: K, ask: Callable[[T | None], T], *, seconds: float) -> T | None:
        """Ask anew and wait for the answer, None where it has not come after so many seconds."""
        self._known.pop(key, None)
        task = self._asking[key] = Task(partial(ask, None))
        task.wait(seconds)
        return self._take(key, task) if task.done else None

    def step(self) -> bool:
        """Take in what has been answered; return whether something is known anew."""
        before = dict(self._known)
        for key, task in [(key, task) for key, task in self._asking.items() if task.done]:
            self._take(key, task)
        return self._known != before

    def forget(self) -> None:
        """Forget what was answered, and what was asked: its answer may be an old one."""
        for values in (self._known, self._asked, self._asking):
            values.clear()

    def abandon(self) -> None:
        """Leave no timer behind."""
        if bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.unregister(self._timer)
        self.forget()

    def _take(self, key: K, task: Task[T]) -> T:
        self._asking.pop(key, None)  # first: whatever it was, the next time it is asked anew
        self._asked[key] = time.monotonic()
        self._known[key] = task.result()
        return self._known[key]

    def _tick(self) -> float | None:
        if self.step():
            redraw_sidebars("VIEW_3D")
        return _STEP_SECONDS if self._asking else None
