"""One device: its worker process, and the job it works on.

A lane is a thread with one inbox. Everything that can happen arrives there: messages of the
worker, a new job in the store, a wish to cancel, the end of the server.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..errors import StorageError
from ..events import Event
from ..job_row import Job
from ..jobs import MAX_CRASHES, JobStore
from ..models.machine import Machine
from .feed import Feed
from .process import WorkerProcess

log = logging.getLogger(__name__)

CANCEL_SECONDS = 1.5  # a worker that has not stopped by then is killed
# A worker that says nothing for this many slices is hung. Slices and not the clock: a computer
# that slept for the night is one slice. Importing torch from a cold disk holds up the heartbeat.
_SLICE_SECONDS = 10.0
_SAVE_SECONDS = 1.0
_RAISED = 1  # how Python ends at an exception nobody expected: trying again gives the same
_SILENT_SLICES = 12


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """What health says of one device: state is starting, ready, busy or failed."""

    device: str
    state: str
    pid: int | None
    job: str | None
    why: str


class Lane:
    """Works on one job after the other on one device; `device` None lets the worker choose."""

    def __init__(
        self,
        device: str | None,
        *,
        store: JobStore,
        feed: Feed,
        on_ready: Callable[[str, list[str]], None],
        is_last_hope: Callable[[], bool],
    ) -> None:
        """Prepare.

        Args:
            device: A torch device.
            store: Where jobs come from and go to.
            feed: Told of every change of a job.
            on_ready: Called as `on_ready(device, devices)` when the worker knows what there is.
            is_last_hope: Asked, when no worker starts on this device, whether all other devices
                are in the same state.
        """
        self._device = device
        self._store = store
        self._feed = feed
        self._on_ready = on_ready
        self._is_last_hope = is_last_hope
        self._inbox: queue.SimpleQueue[tuple[WorkerProcess | None, dict]] = queue.SimpleQueue()
        self._worker: WorkerProcess | None = None
        self._state = "starting"
        self._why = ""
        self._disk_trouble = ""
        self._job: Job | None = None
        self._kill_at: float | None = None
        self._machine: Machine | None = None
        self._last: Event | None = None  # the end of the job, until the store has it
        self._silent = 0
        self._thread = threading.Thread(target=self._run, name=f"lane {device or 'first'}")

    def start(self) -> None:
        """Begin; the worker is started at once, so that the first job finds it warm."""
        self._thread.start()

    def stop(self) -> None:
        """End the worker; a job it works on is queued again. Returns when that is done."""
        self._inbox.put((None, {"say": "stop"}))
        self._thread.join()

    def wake(self) -> None:
        """Say that a job was queued."""
        self._inbox.put((None, {"say": "wake"}))

    def cancel(self, job_id: str) -> None:
        """Ask to cancel a job, if it is the one being worked on."""
        self._inbox.put((None, {"say": "cancel", "job": job_id}))

    def status(self) -> LaneStatus:
        """Return the state of this device."""
        worker, job = self._worker, self._job
        return LaneStatus(
            device=self._device or "",
            state="busy" if job is not None else self._state,
            pid=worker.pid if worker is not None else None,
            job=job.id if job is not None else None,
            why=self._why or self._disk_trouble,
        )

    def machine(self) -> Machine | None:
        """Return what the worker found when it started, None before it has said it."""
        return self._machine

    def _run(self) -> None:
        self._start_worker()
        while True:
            try:
                worker, message = self._inbox.get(timeout=self._patience())
            except queue.Empty:
                self._nothing_came()
            else:
                if message["say"] == "stop":
                    break
                if worker is None or worker is self._worker:  # else: last words of a killed one
                    self._handle(message, from_worker=worker is not None)
            if self._last is not None:
                self._save_end()
            elif self._kill_at is not None and time.monotonic() >= self._kill_at:
                self._force_cancel()
            self._next_job()
        self._leave()

    def _leave(self) -> None:
        if self._job is None:
            if self._worker is not None:
                self._worker.close()
            return
        if self._worker is not None:
            self._worker.kill()  # every file it has written is whole
        # In the table it stays "running": the next start queues it again, or ends it if it was
        # to be cancelled.

    def _patience(self) -> float:
        if self._last is not None:
            return _SAVE_SECONDS
        if self._kill_at is None:
            return _SLICE_SECONDS
        return min(_SLICE_SECONDS, max(0.0, self._kill_at - time.monotonic()))

    def _nothing_came(self) -> None:
        if self._worker is None or self._kill_at is not None or self._last is not None:
            return
        self._silent += 1
        if self._silent >= _SILENT_SLICES:
            log.error("worker %d is silent; killing it", self._worker.pid)
            self._worker.kill()  # its exit is handled like any other

    def _handle(self, message: dict, *, from_worker: bool) -> None:
        say = message["say"]
        if from_worker:
            self._silent = 0
        if say == "ready":
            self._ready(message)
        elif say == "broken":
            self._why = message["message"]
        elif say == "alive" and self._running:
            with self._disk_may_be_full():
                self._store.beat(self._job.id)
        elif say == "event" and self._is_mine(message):
            self._tell(Event.from_json(message["event"]))
        elif say == "end" and self._is_mine(message):
            self._end(Event.from_json(message["event"]))
        elif say == "cancel" and self._is_mine(message):
            self._cancel()
        elif say == "exit":
            self._exited(message["status"])

    @property
    def _running(self) -> bool:
        """Whether there is a job whose end is not known yet."""
        return self._job is not None and self._last is None

    def _is_mine(self, message: dict) -> bool:
        return self._running and message["job"] == self._job.id

    def _ready(self, message: dict) -> None:
        self._device, self._state, self._why = message["device"], "ready", ""
        self._machine = Machine.from_json(message["machine"])
        log.info("worker %d is ready on %s", self._worker.pid, self._device)
        self._on_ready(self._device, message["devices"])
        if self._running:
            self._send(self._job)

    def _tell(self, event: Event) -> None:
        if self._kill_at is None:  # once it is to stop, only its end is said
            with self._disk_may_be_full():
                self._store.record(self._job.id, event)
                self._feed.notify(self._job.id)

    def _end(self, event: Event) -> None:
        self._last = event if self._kill_at is None else Event("cancelled")
        self._save_end()

    def _save_end(self) -> None:
        """Store the end of the job; until that works, the job is the one being worked on."""
        with self._disk_may_be_full():
            self._store.end(self._job.id, self._last)
            self._feed.notify(self._job.id)
            self._job = self._kill_at = self._last = None

    @contextmanager
    def _disk_may_be_full(self) -> Iterator[None]:
        """Go on without what could not be stored: frames are on disk, the end is tried again."""
        try:
            yield
            self._disk_trouble = ""
        except StorageError as reason:
            log.error("%s", reason)
            self._disk_trouble = str(reason)

    def _cancel(self) -> None:
        if self._kill_at is not None:
            return
        self._kill_at = time.monotonic() + CANCEL_SECONDS
        if self._state == "ready":
            self._worker.order("cancel", job=self._job.id)
        else:  # its worker is still starting and knows nothing of it
            self._end(Event("cancelled"))

    def _force_cancel(self) -> None:
        log.warning("worker %d did not stop in time; killing it", self._worker.pid)
        self._worker.kill()
        self._end(Event("cancelled"))
        self._start_worker()

    def _exited(self, status: int) -> None:
        last_words, was = self._worker.last_words(), self._state
        log.warning("worker %d ended with status %d while %s", self._worker.pid, status, was)
        self._worker.close()
        self._worker = None
        if was == "starting":
            self._state = "failed"
            self._why = self._why or last_words
            if self._running:
                self._end(Event("failed", message=_not_started(self._why)))
            return
        if self._running and status == _RAISED and self._kill_at is None:
            self._end(Event("failed", message=_mistake(last_words)))
        elif self._running:
            self._lost_worker(_killer(status, last_words))
        self._start_worker()

    def _lost_worker(self, message: str) -> None:
        state = "failed"
        with self._disk_may_be_full():
            state = self._store.crashed(self._job.id)
        if state == "queued":
            self._job = self._kill_at = None
        else:
            self._end(Event(state, message=message))

    def _start_worker(self) -> None:
        self._state, self._why, self._silent = "starting", "", 0
        try:
            self._worker = WorkerProcess(
                self._device, lambda worker, message: self._inbox.put((worker, message))
            )
        except OSError as reason:
            self._worker, self._state, self._why = None, "failed", str(reason)
            if self._running:
                self._end(Event("failed", message=_not_started(self._why)))

    def _next_job(self) -> None:
        if self._job is not None or self._state == "starting":
            return
        if self._state == "failed" and not self._is_last_hope():
            return
        with self._disk_may_be_full():
            self._job = self._store.claim()
        if self._job is None:
            return
        if self._state == "failed":  # somebody wants a result: try once more, then say why not
            self._start_worker()
        else:
            self._send(self._job)

    def _send(self, job: Job) -> None:
        folder = self._store.job_folder(job.id)
        self._worker.order(
            "generate",
            job=job.id,
            shot=str(folder / "shot"),
            take=str(folder / "take"),
            model=job.model,
            settings=job.settings,
            seed=job.seed,
            format=job.format,
        )


def _not_started(why: str) -> str:
    return (
        f"The backend's worker process does not start ({why}); install the backend again in the"
        " add-on's preferences."
    )


def _mistake(last_words: str) -> str:
    return (
        f"Depthshot made a mistake at this shot ({last_words}); please report it with the"
        " backend's log from the data folder."
    )


def _killer(status: int, last_words: str) -> str:
    return (
        f"The worker process died {MAX_CRASHES} times at this shot (status {status};"
        f" {last_words}); close other programs or lower the resolution, then generate again."
    )
