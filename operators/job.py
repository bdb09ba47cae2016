"""The backend's side of a generation: what runs in threads and never touches bpy.

Each function is one `Task`. Whoever stops waiting for one sets `stop`, and leaves it to another to
undo what it did once it is through.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import shutil
import threading
import uuid
from collections.abc import Callable, Iterable
from http import HTTPStatus
from pathlib import Path

from ..backend.bundle import pack
from ..backend.client import Backend
from ..backend.errors import (
    AddressRefused,
    BackendLost,
    Cancelled,
    DepthshotError,
    RequestRefused,
    StorageError,
    TakeError,
)
from ..backend.formats import written_as
from ..backend.take import TAKE_FILE, verify_take
from ..preferences import Preferences
from ..scene.capture import Capture
from .attachment import attachment
from .backend_place import where_it_is
from .folders import new_take_folder, private_folder
from .pending import Claim, Pending, note
from .request import GenerationRequest
from .task import Task

log = logging.getLogger(__name__)


def attach_to(pending: Pending, stored: Preferences) -> Backend:
    """Take the backend that has a job, and see that it is that one.

    Raises:
        AddressRefused: the preferences name no backend elsewhere, or one that has other jobs.
    """
    backend = attachment.take(where_it_is(pending, stored))
    if backend.machine and pending.store not in ("", backend.store):
        attachment.give_back()
        raise AddressRefused(
            f"The take is with the backend at {pending.server}, and the one on {backend.machine}"
            " has other jobs; set the address of the first in Edit > Preferences > Add-ons >"
            " Depthshot and choose Fetch Take."
        )
    return backend


def release(attaching: Task[Backend]) -> None:
    """Wait for a backend and give it back."""
    if attaching.wait():
        attachment.give_back()


def send(
    backend: Backend,
    request: GenerationRequest,
    capture: Capture,
    stop: threading.Event,
) -> Claim:
    """Pack a finished capture, release it, note the job on disk, and send it.

    The note comes first: whatever happens to Blender while it sends, a job that the backend has is
    found again.
    """
    data = request.preferences.data
    # A name of its own: the capture's files are shared with other sends and other Blenders.
    try:
        archive = private_folder(data, "outbox") / f"{uuid.uuid4().hex}.zip"
        pack(capture.folder, archive, shot=capture.shot)
    finally:
        capture.release()
    try:
        _go_on(stop)
        claim = note(data, _noted(backend, request))
        return _submit(backend, request, archive, claim)
    finally:
        archive.unlink(missing_ok=True)


def _submit(backend: Backend, request: GenerationRequest, archive: Path, claim: Claim) -> Claim:
    """Send a job that is noted; the note goes if the backend certainly does not have it."""
    pending = claim.pending
    with contextlib.ExitStack() as unless_sent:
        unless_sent.callback(claim.release)
        try:
            job = backend.submit(
                archive,
                model=request.model,
                settings=request.settings,
                seed=request.capture.seed,
                format=written_as(request.format),
                job_id=pending.job,
            )
        except BackendLost:  # the shot may have been received
            raise
        except DepthshotError:
            claim.forget()
            raise
        if job != pending.job:  # a backend of an earlier version, which names jobs itself
            claim.forget()
            return _note_theirs(backend, request, dataclasses.replace(pending, job=job))
        _note_sent(claim)
        unless_sent.pop_all()
    return claim


def _note_theirs(backend: Backend, request: GenerationRequest, pending: Pending) -> Claim:
    try:
        return note(request.preferences.data, dataclasses.replace(pending, sent="yes"))
    except StorageError:
        backend.cancel(pending.job)  # nobody would ever fetch its take
        raise


def _note_sent(claim: Claim) -> None:
    try:
        claim.write(dataclasses.replace(claim.pending, sent="yes"))
    except StorageError as reason:  # the note is there, and finds the job as it is
        log.warning("that the job was received is not noted: %s", reason)


def _noted(backend: Backend, request: GenerationRequest) -> Pending:
    return Pending(
        job=uuid.uuid4().hex,
        blend=request.blend,
        scene=request.capture.scene,
        scene_uid=str(request.scene_uid),
        label=request.label,
        target=request.target,
        place=request.place,
        server=backend.address,
        store=backend.store,
        view=request.view,
        model=request.model,
    )


def withdraw(backend: Backend, sending: Task[Claim]) -> None:
    """Wait until a job is sent, forget it and cancel it."""
    if sending.wait():
        claim = sending.result()
        claim.forget()
        try:
            backend.cancel(claim.pending.job)
        except RequestRefused as reason:
            if reason.status != HTTPStatus.NOT_FOUND:  # what is not there needs no end
                raise


def let_go(sending: Task[Claim], others: Iterable[Task[object]]) -> None:
    """Give a job's claim back once no thread works on it any more."""
    for task in others:
        task.wait()
    if sending.wait():
        sending.result().release()


def fetch(
    backend: Backend,
    claim: Claim,
    takes: Path,
    on_progress: Callable[[int, int], None],
    stop: threading.Event,
) -> Path:
    """Bring a finished take into a folder of its own, every file checked; return the folder.

    What an earlier attempt has fetched is gone on with.
    """
    folder = _begun(claim.pending, takes)
    if folder is None:
        folder = new_take_folder(takes, claim.pending.label)
        claim.write(dataclasses.replace(claim.pending, folder=str(folder)))
    elif (folder / TAKE_FILE).is_file():
        return folder

    def check(done: int, total: int) -> None:
        _go_on(stop)
        on_progress(done, total)

    try:
        return backend.download(claim.pending.job, folder, check)
    except Cancelled:
        claim.write(dataclasses.replace(claim.pending, folder=""))
        shutil.rmtree(folder, ignore_errors=True)  # what is still locked is of no harm
        raise


def _begun(pending: Pending, takes: Path) -> Path | None:
    """Return the folder of an earlier attempt to fetch a take, None if there is none to go on in.

    A take that is whole stays where it is; another place is chosen for the rest of one that is not
    by choosing another folder for takes.
    """
    folder = Path(pending.folder)
    if not pending.folder or not folder.is_dir():
        return None
    if (folder / TAKE_FILE).is_file():
        try:
            verify_take(folder)
        except TakeError as reason:
            log.warning("%s was fetched before and is damaged: %s", folder, reason)
            return None
        return folder
    return folder if folder.parent == takes else None


def _go_on(stop: threading.Event) -> None:
    if stop.is_set():
        raise Cancelled("The generation was cancelled.")
