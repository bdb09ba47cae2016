"""Looking after the backend: one thing at a time, in a thread, watched by one timer.

    care.begin(Chore("Installing", function, progress))
    while care.step():          # a timer in a window, a loop elsewhere
        ...

Panels read what it says; the thread never touches bpy.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import bpy

from ..backend import running
from ..backend.errors import Cancelled, DepthshotError, StorageError
from ..backend.running import Running
from ..backend.setup import place, removal
from ..backend.setup.progress import Progress
from .attachment import attachment
from .interface import redraw_sidebars
from .task import Task

log = logging.getLogger(__name__)

SECONDS_BETWEEN_STEPS = 0.2
# How often the server is asked while somebody looks, and how long after the last look.
_ASK_SECONDS = 2.0
_LOOKING_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Chore:
    """One thing to do.

    Attributes:
        label: what it is while it is being done.
        function: does it, in a thread; returns the sentence to end with.
        data: the data folder that it is about.
        progress: what it tells and where it can be cancelled; None where it cannot.
        alone: whether it takes away what takes are made with, so that none may be begun.
        about: what it is done to, in words.
        model: id of the model whose weights it is about, "" for the backend as a whole.
    """

    label: str
    function: Callable[[], str]
    data: Path
    progress: Progress | None = None
    alone: bool = False
    about: str = "the backend"
    model: str = ""

    @property
    def words(self) -> str:
        """What is being done, and to what."""
        return f"{self.label} {self.about}"


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found when somebody last looked: the server, and the bytes in the data folder."""

    server: Running | None
    size: int


class Care:
    """What is being done about the backend, and how the last thing ended.

    Attributes:
        message: How the last chore ended, one sentence.
        failed: Whether that was an error.
        model: Whose weights the last chore is about, "" for the backend as a whole.
        notes: What else it said, a sentence each.
        checks: What the doctor has found, (name, whether it is good, what), None before.
        seen: What was found when somebody last looked, None before.
        trouble: Why it could not be found out then, one sentence; "" where it could.
    """

    def __init__(self) -> None:
        self.message = ""
        self.failed = False
        self.model = ""
        self.notes: tuple[str, ...] = ()
        self.checks: list[tuple[str, bool | None, str]] | None = None
        self.seen: Seen | None = None
        self.trouble = ""
        self._chore: Chore | None = None
        self._task: Task[str] | None = None
        self._looking: Task[Seen] | None = None
        self._data: Path | None = None
        self._size: int | None = None  # counting takes a second, so not each time
        self._looked = self._asked = float("-inf")
        # Blender knows a timer by its object, and `self._tick` is a new one each time.
        self._timer = self._tick

    @property
    def chore(self) -> Chore | None:
        """What is being done."""
        return self._chore

    def why_no_take(self) -> str | None:
        """Return why no take can be begun, fetched or exported now, None if one can."""
        if self._chore is None or not self._chore.alone:
            return None
        return f"{self._chore.words}; wait until that has ended"

    def found_nothing(self, data: Path) -> bool:
        """Return whether nothing to remove was found in a data folder when it was counted."""
        return data == self._data and self._size == 0

    def begin(self, chore: Chore) -> None:
        """Begin a chore; there must be none."""
        self.message, self.failed, self.notes = "", False, ()
        self._size = None
        self.model = chore.model
        self._chore, self._data = chore, chore.data
        self._task = Task(chore.function)

    def start(self, chore: Chore) -> None:
        """Begin a chore and let a timer watch it."""
        self.begin(chore)
        self._wake()

    def run(self, chore: Chore) -> None:
        """Do a chore to its end, blocking; for Blender without a window."""
        self.begin(chore)
        while self.step():
            time.sleep(SECONDS_BETWEEN_STEPS)

    def cancel(self) -> None:
        """Ask the chore to end; without effect on one that cannot."""
        if self._chore is not None and self._chore.progress is not None:
            self._chore.progress.cancel()

    def step(self) -> bool:
        """Look whether the chore has ended; return whether it goes on."""
        chore, task = self._chore, self._task
        if chore is None or task is None or not task.done:
            if chore is not None and chore.progress is not None:
                status = bpy.context.window_manager.depthshot
                status.chore = 100 * min(max(chore.progress.share, 0.0), 1.0)
            return chore is not None
        self._chore = self._task = None
        # What it stays where `result` raises anything but our own errors.
        self.message, self.failed = "Depthshot made a mistake; the console says where.", True
        try:
            self.message, self.failed = task.result(), False
        except Cancelled as reason:
            self.message, self.failed = str(reason), False
        except DepthshotError as reason:
            self.message = str(reason)
        if chore.progress is not None:
            self.notes = tuple(chore.progress.notes)
        self._asked = float("-inf")
        return False

    def look(self, data: Path) -> None:
        """Say that somebody looks at what the backend does: it is asked for a while from now on."""
        if data != self._data:
            self._data, self._size, self.seen, self.trouble = data, None, None, ""
        self._looked = time.monotonic()
        if not bpy.app.background:
            self._wake()

    def ask(self) -> None:
        """Ask what the backend does, if it is time to; take in what was answered."""
        if self._looking is not None and self._looking.done:
            # Forgotten first: whatever it was, the next look starts anew.
            looking, self._looking = self._looking, None
            self.seen, self._size, self.trouble = None, None, ""
            try:
                self.seen = looking.result()
            except DepthshotError as reason:
                self.trouble = str(reason)
            else:
                self._size = self.seen.size if self._chore is None else None
        now = time.monotonic()
        if self._looking is None and self._data is not None and now - self._asked >= _ASK_SECONDS:
            self._asked = now
            self._looking = Task(partial(_look, self._data, self._size))

    def abandon(self) -> None:
        """Leave no timer behind, and nothing that installs."""
        if bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.unregister(self._timer)
        if self._chore is not None:
            self.cancel()
            if self._chore.progress is not None:
                self._task.wait()
            self._chore = self._task = None

    def _wake(self) -> None:
        if not bpy.app.timers.is_registered(self._timer):
            # It outlives the opening of another file: the backend does not depend on the open one.
            bpy.app.timers.register(self._timer, first_interval=0.0, persistent=True)

    def _tick(self) -> float | None:
        self.step()
        self.ask()
        redraw_sidebars("PREFERENCES", whole=True)
        redraw_sidebars("VIEW_3D")
        looks = time.monotonic() - self._looked < _LOOKING_SECONDS
        if self._chore is not None:
            return SECONDS_BETWEEN_STEPS
        return _ASK_SECONDS if looks else None


def _look(data: Path, size: int | None) -> Seen:
    try:
        place.put_back(data)
    except StorageError as reason:
        log.warning("what a killed Repair has put aside stays there: %s", reason)
    attachment.forget_gone()
    try:
        return Seen(server=running.look(data), size=removal.size(data) if size is None else size)
    except OSError as reason:
        raise StorageError(
            f"The data folder '{data}' cannot be looked into ({reason.strerror or reason}); choose"
            " another one."
        ) from reason


care = Care()
