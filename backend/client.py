"""The add-on's half of the backend: start or attach, submit, follow, download, cancel.

Needs the standard library and requests alone. Nothing here touches Blender's data; `follow` works
in a thread that only fills a queue.
"""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import secrets
import threading
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from urllib.parse import urlencode

from .connection import Connection
from .download import download_preview, download_take
from .errors import (
    BackendError,
    BackendLost,
    BackendNotStarted,
    ProtocolMismatch,
    RequestRefused,
    StorageError,
)
from .events import Event
from .fields import parse_json
from .formats import PNG8, check_written
from .launch import Local, find_server
from .models import find_card
from .remote import Remote, read_remote

__all__ = ["Backend", "JobEvents", "Local", "Remote", "find_server", "read_remote"]

log = logging.getLogger(__name__)

_UPLOAD_SECONDS = 1800.0  # after the last byte is sent the server still unpacks
_STREAM_SILENT_SECONDS = 15.0  # the server says something every 2 seconds
_RECONNECTS = 5
_FIRST_PAUSE = 0.2
_LONGEST_NAME = 60
_LONGEST_EVENT = 1_000_000
_ALIVE = Event("progress")  # a sign of life in a stream


class Backend:
    """An attached client: holds a lease on the server until it is closed.

    Attributes:
        address: Where the server is, "" for the backend of this machine.
        machine: Name of its machine, "" for this one.
        store: What it calls the place its jobs are kept in.
    """

    def __init__(self, place: Local | Remote) -> None:
        """Start or attach.

        Args:
            place: The backend of this machine (see `start_or_attach`), or one elsewhere.

        Raises:
            BackendError: nobody answers, or not as wanted; the message says what to do.
            StorageError: the data folder cannot be written.
        """
        self._place = place
        self._client = secrets.token_urlsafe(12)
        self._closed = threading.Event()
        self.reattach()
        threading.Thread(target=self._keep_lease, name="depthshot lease", daemon=True).start()

    @classmethod
    def start_or_attach(cls, python: Path, root: Path, data_dir: Path) -> Backend:
        """Attach to the running server, or start one.

        Args:
            python: The backend's own Python.
            root: The extension's folder, working directory of the server.
            data_dir: The user's data folder.

        Raises:
            BackendNotStarted: it could not be started, or died while starting; the message holds
                the last lines of its log and where that is.
            ProtocolMismatch: what answers is another version.
            StorageError: the data folder cannot be written.
        """
        return cls(Local(python, root, data_dir))

    def cards(self) -> list[dict]:
        """Return the card of every model, as `Card.to_json` gives it."""
        return self._ask("GET", "/v1/models")["models"]

    def preflight(
        self, model: str, *, size: tuple[int, int], frames: int, settings: Mapping[str, object]
    ) -> dict:
        """Return what a model would cost there for a shot, as `Preflight.to_json` gives it.

        Raises:
            RequestRefused: it is not known yet, or this model and shot do not go together.
        """
        asked = {"model": model, "width": size[0], "height": size[1], "frames": frames}
        query = urlencode(asked | {"settings": json.dumps(dict(settings))})
        return self._ask("GET", f"/v1/preflight?{query}")

    def health(self) -> dict:
        """Return what the backend does: `state` starting, ready, busy or failed, and `why`."""
        return self._ask("GET", "/v1/health")

    def in_words(self) -> str:
        """Return where the server is and what it does: "render-box (cuda:0): ready, no job"."""
        health = self.health()
        lanes = health["devices"]
        devices = ", ".join(each["device"] for each in lanes if each["device"]) or "starting"
        working = sum(each["job"] is not None for each in lanes)
        jobs = f"{working} running, {health['queued']} waiting" if working else "no job"
        what = health["why"] if health["state"] == "failed" else jobs
        return f"{self.machine or 'this machine'} ({devices}): {health['state']}, {what}"

    def submit(
        self,
        archive: Path,
        *,
        model: str,
        settings: Mapping[str, object],
        seed: int | None = None,
        format: str = PNG8,
        job_id: str = "",
    ) -> str:
        """Send a zipped shot; blocks while it is sent and unpacked. Returns the job's id.

        Whoever gives the id knows the job by it even if no answer comes. A server of an earlier
        version makes an id of its own, so what is returned decides.

        Args:
            archive: The shot.
            model: Id of a card.
            settings: Values by name; the card's defaults stand for the rest.
            seed: Seed of every random number; None takes the shot's.
            format: What the frames are written as, png8 or png16.
            job_id: The job's id, a `uuid4().hex` that was never used; "" has one made.

        Raises:
            SettingError: an unknown model or format, or a setting that it does not allow; nothing
                was sent.
            StorageError: the archive cannot be read.
            RequestRefused: the shot was refused; the message says why.
            BackendLost: no answer came; the shot may have been received.
            ProtocolMismatch: the server that runs knows no such format; the job was cancelled.
        """
        find_card(model).check_settings(settings)
        check_written(format)
        self._be_attached()
        query = {"model": model, "settings": json.dumps(dict(settings)), "format": format}
        if seed is not None:
            query["seed"] = str(seed)
        if job_id:
            query["job"] = job_id
        try:
            with archive.open("rb") as stream:
                job = self._connection.json(
                    "POST",
                    "/v1/shots",
                    params=query,
                    data=stream,
                    headers={"Content-Type": "application/zip"},
                    read_seconds=_UPLOAD_SECONDS,
                )
        except OSError as reason:
            raise StorageError(
                f"'{archive}' cannot be read: {reason.strerror or reason}."
            ) from reason
        if job.get("format", PNG8) != format:  # it read over what it does not know
            self.cancel(job["id"])
            raise ProtocolMismatch(
                f"The backend at {self.address} is of an earlier version of Depthshot, which writes"
                " 8-bit PNG alone; install the same version of Depthshot on both machines."
                if self.address
                else "The backend that runs is of an earlier version of Depthshot, which writes"
                " 8-bit PNG alone; it ends by itself after its jobs, so generate again a minute"
                " later."
            )
        return job["id"]

    def job(self, job_id: str) -> dict:
        """Return the state of a job: `state`, `message`, `frames`, `frames_done`, ..."""
        return self._ask("GET", f"/v1/shots/{job_id}")

    def jobs(self) -> list[dict]:
        """Return all jobs that were not deleted, oldest first."""
        return self._ask("GET", "/v1/shots")["jobs"]

    def follow(self, job_id: str, *, after: int = 0) -> JobEvents:
        """Follow a job from its first event, or from the one after number `after`."""
        return JobEvents(self, job_id, after=after)

    def download(
        self,
        job_id: str,
        folder: Path,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Path:
        """Fetch the take of a finished job into `folder`, every hash checked.

        Args:
            job_id: The job.
            folder: Must not exist, be empty, or hold an interrupted download of this take.
                Its `take.json` comes last.
            on_progress: Called with files fetched and files in all.

        Raises:
            TakeError: a file is not what the take's record says.
            StorageError: the folder holds something else or cannot be written.
            RequestRefused: the job has no finished take.
        """
        self._be_attached()
        return download_take(self._connection, job_id, folder, on_progress)

    def preview(self, job_id: str) -> bytes | None:
        """Return a look at what a job is making, as a PNG; None while there is none."""
        return download_preview(self._connection, job_id)

    def cancel(self, job_id: str) -> None:
        """Stop a job; what it has finished is kept. The last event is then "cancelled"."""
        self._ask("POST", f"/v1/shots/{job_id}/cancel")

    def delete(self, job_id: str) -> None:
        """Forget a job that is over, with its files at the backend."""
        self._ask("DELETE", f"/v1/shots/{job_id}")

    def close(self) -> None:
        """Detach. The server finishes its jobs and ends, unless others are attached."""
        if self._closed.is_set():
            return
        self._closed.set()
        try:
            self._connection.json("DELETE", f"/v1/clients/{self._client}")
        except BackendError as reason:
            log.info("nobody to detach from: %s", reason)

    def reattach(self) -> None:
        """Attach again after the server was lost; start one if none is running.

        A job that the lost server had goes on there.
        """
        for last in (False, True):
            self._connection = Connection(self._place.attach())
            try:
                self._pause = self._renew()
                self._learn()
                return
            except (BackendLost, RequestRefused):  # it was just ending: its lease had run out
                if last:
                    raise

    def stream(self, job_id: str, *, after: int) -> Generator[Event]:
        """Yield the events of a job as they come; ends early if the server does.

        It holds a connection until it has ended or is closed.
        """
        with (
            self._connection.open(
                "GET",
                f"/v1/shots/{job_id}/events",
                params={"after": str(after)},
                read_seconds=_STREAM_SILENT_SECONDS,
            ) as response,
            contextlib.closing(self._connection.chunks(response, None)) as chunks,
        ):
            rest = b""
            for chunk in chunks:
                *lines, rest = (rest + chunk).split(b"\n")
                if len(rest) > _LONGEST_EVENT:
                    raise BackendLost("What sends the events of a job is not a backend any more.")
                for line in lines:
                    if line.startswith(b"data: "):
                        yield Event.from_json(
                            parse_json(line[6:], name="An event", error=BackendError)
                        )
                    elif line.startswith(b":"):
                        yield _ALIVE

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed.is_set()

    def _learn(self) -> None:
        """Note who answers; what a stranger of an earlier version does not say is ""."""
        hello = self._connection.hello()
        self.store = str(hello.get("store", ""))[:_LONGEST_NAME]
        self.address = self.machine = ""
        if self._connection.info.elsewhere:
            self.address = self._connection.info.url
            self.machine = str(hello.get("machine", ""))[:_LONGEST_NAME] or self.address

    def _ask(self, method: str, path: str) -> dict:
        """Send a request; once more if another server has taken over in the meantime."""
        try:
            return self._connection.json(method, path)
        except BackendLost:
            info = self._place.find()
            if info is None or info == self._connection.info:
                raise
            self._connection = Connection(info)
            return self._connection.json(method, path)

    def _be_attached(self) -> None:
        """Attach again if the server is gone: before work that may take long, so may this."""
        try:
            self._connection.hello()
        except BackendLost:
            self.reattach()

    def _renew(self) -> float:
        """Renew the lease; return how long to wait until the next time."""
        seconds = self._ask("PUT", f"/v1/clients/{self._client}")["seconds"]
        return 5.0 if seconds is None else seconds / 3

    def _keep_lease(self) -> None:
        while not self._closed.wait(self._pause):
            try:
                self._pause = self._renew()
            except BackendError as reason:  # whoever needs the server finds out and reattaches
                log.info("the lease could not be renewed: %s", reason)


class JobEvents:
    """The events of one job, gathered by a thread; a lost server is attached to again.

    Every event comes once and in order, also across a restart of the server.
    """

    def __init__(self, backend: Backend, job_id: str, *, after: int = 0) -> None:
        self._backend = backend
        self._job_id = job_id
        self._after = after
        self._queue: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._error: BackendError | StorageError | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="depthshot events", daemon=True)
        self._thread.start()

    def drain(self) -> list[Event]:
        """Return what has come since the last call, without waiting.

        Raises:
            BackendError: nothing more will come, because the server is lost for good or no
                longer knows the job. Raised only after everything that had come was returned.
        """
        over = not self._thread.is_alive()
        events = []
        while not self._queue.empty():
            events.append(self._queue.get())
        if over and not events and self._error is not None:
            raise self._error
        return events

    def close(self) -> None:
        """Stop following; the thread ends at the server's next sign of life."""
        self._closed.set()

    def _run(self) -> None:
        failures = 0
        while not self._closed.is_set():
            try:
                if failures and not self._backend.closed:
                    self._backend.reattach()
                stream = self._backend.stream(self._job_id, after=self._after)
                # Closed here and now: left to the garbage collector, what goes wrong while its
                # connection is closed would be raised nowhere.
                with contextlib.closing(stream):
                    for event in stream:
                        if self._closed.is_set():
                            return
                        failures = 0
                        if event is _ALIVE:
                            continue
                        self._after = event.seq
                        self._queue.put(event)
                        if event.final:
                            # The server ends the stream itself; cut off before, it logs a failure.
                            with contextlib.suppress(BackendLost):  # all has been told
                                next(stream, None)
                            return
                raise BackendLost("The backend ended before the job did.")
            except (BackendLost, BackendNotStarted) as reason:
                failures += 1
                if failures > _RECONNECTS:
                    self._error = reason
                    return
                self._closed.wait(_FIRST_PAUSE * 2**failures)
            except (BackendError, StorageError) as reason:
                self._error = reason
                return
