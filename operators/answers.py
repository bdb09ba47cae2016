"""Questions that may take long, as one to a disk far away does: asked in threads, answers drawn."""

from __future__ import annotations

import threading
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
_LATE_SECONDS = 1.0  # from then on what is drawn may tell how long it takes
_MOST = 200  # answers that are remembered; the oldest go first


class Answers(Generic[K, T]):
    """The last answers, by what they are about; a redraw follows one that is new.

    What is asked is a function of the last answer, None before the first; it never touches bpy.
    `forget` may be called in any thread, all else in Blender's.

    Attributes:
        waits: Whether `last` waits for the answer: without a window no redraw would follow it.
    """

    def __init__(self, *, again: float, at_once: int | None = None) -> None:
        """Begin without answers.

        Args:
            again: Seconds after which the same is asked once more, if it still is of interest.
            at_once: How many questions are asked at the same time; None for any number.
        """
        self.waits = bpy.app.background
        self._again, self._at_once = again, at_once
        self._lock = threading.Lock()  # of all that follow
        self._known: dict[K, T] = {}
        self._asked: dict[K, float] = {}
        self._asking: dict[K, Task[T]] = {}
        self._forgotten = 0  # how often
        # Blender knows a timer by its object, and `self._tick` is a new one each time.
        self._timer = self._tick

    def last(self, key: K, ask: Callable[[T | None], T]) -> T | None:
        """Return the last answer, None before the first, and ask anew if it is time to."""
        now = time.monotonic()
        with self._lock:
            known = self._known.get(key)
            due = key not in self._asking and (
                self.waits or now - self._asked.get(key, float("-inf")) >= self._again
            )
            free = self.waits or self._at_once is None or len(self._asking) < self._at_once
            if due and free:
                self._asked[key] = now
                self._asking[key] = Task(partial(ask, known))
            task, asking = self._asking.get(key), bool(self._asking)
        if self.waits and task is not None:
            return self._take(key, task)
        drawn = asking and not bpy.app.background
        if drawn and not bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.register(self._timer, first_interval=_STEP_SECONDS, persistent=True)
        return known

    def fresh(self, key: K, ask: Callable[[T | None], T], *, seconds: float) -> T | None:
        """Ask anew and wait for the answer, None where it has not come after so many seconds.

        The last answer stays until there is another.
        """
        with self._lock:
            self._asked[key] = time.monotonic()
            task = self._asking[key] = Task(partial(ask, None))
        task.wait(seconds)
        return self._take(key, task) if task.done else None

    def waited(self, key: K) -> float:
        """Return for how many seconds an answer has been waited for; 0 where none is."""
        with self._lock:
            return time.monotonic() - self._asked[key] if key in self._asking else 0.0

    def step(self) -> bool:
        """Take in what has been answered; return whether something is known anew."""
        with self._lock:
            before = dict(self._known)
            answered = [(key, task) for key, task in self._asking.items() if task.done]
        for key, task in answered:
            self._take(key, task)
        with self._lock:
            return self._known != before

    def forget(self) -> None:
        """Forget what was answered, and what was asked: its answer may be an old one."""
        with self._lock:
            self._forgotten += 1
            for values in (self._known, self._asked, self._asking):
                values.clear()

    def abandon(self) -> None:
        """Leave no timer behind."""
        if bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.unregister(self._timer)
        self.forget()

    def _take(self, key: K, task: Task[T]) -> T:
        with self._lock:
            wanted = self._asking.get(key) is task  # else it was forgotten, or asked anew
            if wanted:
                del self._asking[key]
                forgotten = self._forgotten
                del self._asked[key]  # where it fails, the next time it is asked anew
        value = task.result()
        if wanted:
            with self._lock:
                if forgotten == self._forgotten:
                    self._asked[key] = time.monotonic()
                    self._known[key] = value
                while len(self._known) > _MOST:
                    del self._known[next(iter(self._known))]
        return value

    def _tick(self) -> float | None:
        with self._lock:
            begun = [self._asked[key] for key in self._asking]
        late = any(time.monotonic() - each >= _LATE_SECONDS for each in begun)
        if self.step() or late:
            redraw_sidebars("VIEW_3D")
        with self._lock:
            return _STEP_SECONDS if self._asking else None
