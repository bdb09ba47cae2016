"""One take on its way: capture -> send -> events -> fetch -> land, as one machine of small steps.

    generation = Generation.start(context, request)
    while generation.outcome is None:
        generation.step()           # a timer in a window, a loop elsewhere

`step` never waits: the second Blender and threads do what takes long, and threads never touch bpy.
Between two steps nothing here refers to Blender's data. What was captured or generated when
something fails stays: captures in the data folder, jobs in the backend and their notes in
`pending`, from which `Generation.resume` goes on, in another session as well.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Generator, Iterable
from enum import Enum
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

import bpy
from bpy.types import Context

from ..backend.client import Backend
from ..backend.errors import (
    BackendError,
    Cancelled,
    DepthshotError,
    JobFailed,
    RequestRefused,
    TargetError,
)
from ..backend.events import Event
from ..backend.take import Take, read_take
from ..preferences import Preferences
from ..scene.capture import Capture, CaptureProgress
from ..scene.color import display_note
from ..scene.kept import ONCE
from ..scene.linear import LinearFrames
from ..scene.session import find_scene
from ..scene.targets import find_target
from ..scene.targets.landed import Landed
from . import job
from .attachment import attachment
from .clock import Clock, Stage
from .folders import private_folder, sweep
from .interface import know_last_take, modal_operators, name_landing, occupied, push_undo
from .look import PHASE, Look, has_looks
from .pending import SESSION, Claim, Pending
from .request import GenerationRequest
from .task import Task

log = logging.getLogger(__name__)

T = TypeVar("T")
Steps = Generator[None, None, T]

KEPT = "Cancelled; the capture is kept."
# How long a cancelled generation waits for the backend to hear of it.
CANCEL_SECONDS = 1.5
NEVER_RECEIVED = (
    "The shot had not reached the backend when the sending broke off; choose Generate again."
)
# Where each phase of a capture begins and ends in the whole of it.
_CAPTURE_SHARES = {
    "starting": (0.0, 0.05),
    "cameras": (0.05, 0.1),
    "still": (0.1, 0.4),
    "guides": (0.4, 1.0),
}


class Outcome(Enum):
    """How a generation ended."""

    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Generation:
    """One take on its way.

    Attributes:
        outcome: How it ended, None while it runs.
        message: What it ended with, one sentence.
        warnings: What the artist should know about the take, a sentence each.
        clock: How far it is.
        look: A look at what is being made.
        held_up: Seconds that saving the copy of the file held Blender up; 0 without a capture.
        shot: The captured shot's folder, once it is whole.
        pending: The job, once the backend has it.
        folder: The take's folder, once it is here.
        take: Its record.
        landed: Where it landed.
        landing: The landing's name (`interface.name_landing`), "" before.
    """

    def __init__(self, preferences: Preferences) -> None:
        """Prepare; use `start` or `resume`."""
        self.outcome: Outcome | None = None
        self.message = ""
        self.warnings: list[str] = []
        self.clock = Clock()
        self.look = Look()
        self.held_up = 0.0
        self.shot: Path | None = None
        self.pending: Pending | None = None
        self.folder: Path | None = None
        self.take: Take | None = None
        self.landed: Landed | None = None
        self.landing = ""
        self._preferences = preferences
        self._ignored = modal_operators()
        self._stop = threading.Event()
        self._where = ""
        self._cancelling = False
        self._steps: Steps[None]

    @classmethod
    def start(cls, context: Context, request: GenerationRequest) -> Generation:
        """Begin to capture the scene; copying it is all that blocks Blender.

        Raises:
            CaptureError: the scene cannot be captured; nothing was started.
            StorageError: the data folder cannot be written.
        """
        generation = cls(request.preferences)
        cache = private_folder(request.preferences.data, "captures")
        Task(partial(sweep, request.preferences.data))
        capture = Capture.start(context, request.capture, cache=cache)
        generation.held_up = capture.save_seconds
        if request.capture.still_source == "RENDER":
            note = display_note(find_scene(request.capture))
            generation._warn([] if note is None else [note])
        generation._begin(generation._generate(request, capture))
        return generation

    @classmethod
    def resume(cls, claim: Claim, preferences: Preferences) -> Generation:
        """Go on with a job that was sent before, in this session or another."""
        generation = cls(preferences)
        generation._begin(generation._resume(claim))
        return generation

    def step(self) -> None:
        """Do a little; look at `outcome` and `clock` afterwards."""
        if self.outcome is not None:
            return
        try:
            if self._stop.is_set() and not self._cancelling:
                self._cancelling = True
                self._steps.throw(Cancelled(KEPT if self._keeps_capture() else "Cancelled."))
            else:
                next(self._steps)
        except StopIteration:
            self._end(Outcome.DONE, self.message)
        except Cancelled as reason:
            self._end(Outcome.CANCELLED, str(reason))
        except DepthshotError as reason:
            self._end(Outcome.FAILED, str(reason))
        finally:
            # A mistake in the program ended the steps: it goes on to the console.
            if self.outcome is None and self._steps.gi_frame is None:
                self._end(Outcome.FAILED, "Depthshot made a mistake; the console says where.")

    def cancel(self) -> None:
        """Ask for the end; the steps that follow bring it about within two seconds."""
        self._stop.set()

    def abandon(self) -> None:
        """End at once, because Blender does; a job that was sent goes on in the backend."""
        if self.outcome is None:
            self._stop.set()
            self._steps.close()
            self._end(Outcome.CANCELLED, "Blender stopped waiting for the take.")

    def _begin(self, steps: Steps[None]) -> None:
        self._steps = steps
        # Until its first step a generator cleans nothing up, however it ends.
        self.step()

    def _end(self, outcome: Outcome, message: str) -> None:
        self.outcome, self.message = outcome, message
        self._stop.set()

    def _generate(self, request: GenerationRequest, capture: Capture) -> Steps[None]:
        # Starting the backend takes seconds, so it happens beside the capture.
        attaching = Task(partial(attachment.take, self._preferences))
        sending = None
        try:
            yield from self._capture(capture, attaching)
            self.shot = capture.folder
            backend = yield from self._wait(attaching, Stage.ATTACH)
            sending = Task(partial(job.send, backend, request, capture, self._stop))
            yield from self._finish(backend, sending)
        finally:
            if sending is None:
                Task(capture.release)
            Task(partial(job.release, attaching))

    def _resume(self, claim: Claim) -> Steps[None]:
        attaching = Task(partial(job.attach_to, claim.pending, self._preferences))
        attached = False
        try:
            backend = yield from self._wait(attaching, Stage.ATTACH)
            attached = True
            yield from self._finish(backend, Task(lambda: claim))
        finally:
            if not attached:  # it can be tried again, once the backend is there
                claim.release()
            Task(partial(job.release, attaching))

    def _capture(self, capture: Capture, attaching: Task[Backend]) -> Steps[None]:
        try:
            progress = capture.step()
            while not progress.finished:
                self.clock.at(Stage.CAPTURE, _captured(progress), detail=progress.message)
                yield
                if attaching.done:
                    # A backend that cannot start is known before minutes were rendered for it.
                    attaching.result()
                progress = capture.step()
            self.warnings += capture.warnings
        finally:
            capture.cancel()

    def _finish(self, backend: Backend, sending: Task[Claim]) -> Steps[None]:
        working: list[Task[object]] = []
        try:
            try:
                claim = yield from self._wait(sending, Stage.SEND)
                self.pending = claim.pending
                yield from self._follow(backend, claim)
            except Cancelled:
                working.append(Task(partial(job.withdraw, backend, sending)))
                yield from _until(working[-1], seconds=CANCEL_SECONDS)
                raise
            takes = self._preferences.takes
            fetching = Task(partial(job.fetch, backend, claim, takes, self._fetched, self._stop))
            working.append(fetching)
            self.folder = yield from self._wait(fetching, Stage.FETCH)
            self.take = read_take(self.folder)
            know_last_take(self.folder, self.take)
            if claim.pending.view and not self.take.is_linear:
                self.take = yield from self._linear(self.folder, view=claim.pending.view)
            self._warn(self.take.warnings)
            while (occupation := occupied(self._ignored)) is not None:
                self.clock.at(Stage.LAND, 0.0, detail=f"waiting for {occupation} to end")
                yield
            self._land(claim, self.folder, self.take)
            claim.forget()
        finally:
            letting_go = partial(job.let_go, sending, working)
            if sending.done and all(task.done for task in working):
                letting_go()
            else:
                Task(letting_go)
        # The backend's copy is of no use any more.
        deleting = Task(partial(backend.delete, claim.pending.job))
        yield from _until(deleting, seconds=CANCEL_SECONDS)

    def _linear(self, folder: Path, *, view: str) -> Steps[Take]:
        conversion = LinearFrames.start(folder, view=view)
        try:
            while conversion.take is None:
                self.clock.at(Stage.LINEAR, conversion.share)
                yield
                conversion.step()
        finally:
            conversion.cancel()
        return conversion.take

    def _follow(self, backend: Backend, claim: Claim) -> Steps[None]:
        events = backend.follow(claim.pending.job)
        self._where = f" on {backend.machine}" if backend.machine else ""
        self.look.possible = has_looks(claim.pending.model)
        try:
            last = None
            while last is None or not last.final:
                for last in events.drain():
                    self._take(last)
                self.look.step(partial(backend.preview, claim.pending.job))
                yield
        except RequestRefused as reason:
            if reason.status == HTTPStatus.NOT_FOUND:
                claim.forget()
                if not claim.pending.sent:
                    raise Cancelled(NEVER_RECEIVED) from reason
            raise
        finally:
            events.close()
        if last.kind == "done":
            return
        claim.forget()
        if last.kind == "failed":
            raise JobFailed(last.message)
        raise Cancelled("The job was cancelled in the backend.")

    def _keeps_capture(self) -> bool:
        return self.shot is not None and not self.shot.name.startswith(ONCE)

    def _take(self, event: Event) -> None:
        if event.kind == "progress":
            self.look.wanted = event.phase.startswith(PHASE)  # behind it may come which window
            part = ""
            if self.look.wanted:
                part = f", step {min(event.done + 1, event.total)} of {event.total}"
            elif event.total > 1:  # not in numbers: what a model counts is not always frames
                part = f" {event.done / event.total:.0%}"
            self.clock.at(Stage.RUN, event.share, detail=f"{event.phase}{part}{self._where}")
        elif event.kind == "warning":
            self._warn([event.message])

    def _land(self, claim: Claim, folder: Path, take: Take) -> None:
        pending = claim.pending
        scene = self._find_scene(claim)
        try:
            target = find_target(pending.target)
        except TargetError:
            claim.forget()  # the take is here, and trying again would end the same way
            raise
        self.landed = target.land(scene, folder, take, place=pending.place)
        self._warn(self.landed.notes)
        self.landing = name_landing(self.landed.scene)
        push_undo("Depthshot: Add Take")
        self.message = self.landed.in_words(take)

    def _find_scene(self, claim: Claim) -> bpy.types.Scene:
        pending = claim.pending
        for scene in bpy.data.scenes:
            if (pending.session, pending.scene_uid) == (SESSION, str(scene.session_uid)):
                return scene
        # Another file was opened meanwhile, or this is a job of an earlier session.
        scene = bpy.data.scenes.get(pending.scene)
        if not pending.blend:
            claim.forget()  # there will never be a place for it
            raise TargetError(
                f"The take is finished, but its scene “{pending.scene}” is gone with a file that"
                f" was never saved; its pictures are in '{self.folder}'."
            )
        if bpy.data.filepath != pending.blend or scene is None:
            raise TargetError(
                f"The take is finished, but its scene “{pending.scene}” of"
                f" '{Path(pending.blend).name}' is not open; open it and choose Fetch Take."
            )
        return scene

    def _fetched(self, done: int, total: int) -> None:
        # Called from a thread: it touches the clock alone.
        self.clock.at(Stage.FETCH, done / total)

    def _warn(self, sentences: Iterable[str]) -> None:
        self.warnings += [each for each in sentences if each not in self.warnings]

    def _wait(self, task: Task[T], stage: Stage) -> Steps[T]:
        while not task.done:
            self.clock.at(stage, 0.0)
            yield
        return task.result()


def _captured(progress: CaptureProgress) -> float:
    begin, end = _CAPTURE_SHARES.get(progress.phase, (0.0, 1.0))
    return begin + (end - begin) * (progress.done / max(progress.total, 1))


def _until(task: Task[object], *, seconds: float) -> Steps[None]:
    deadline = time.monotonic() + seconds
    while not task.done and time.monotonic() < deadline:
        yield
    if task.done:
        try:
            task.result()
        except BackendError as reason:
            # The work itself is over; what is left in the backend goes when its jobs are cleared.
            log.warning("the backend was not told: %s", reason)
