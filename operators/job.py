"""The backend's side of a generation: what runs in threads and never touches bpy.

Each function is one `Task`. Whoever stops waiting for one sets `stop`, and leaves it to another to
undo what it did once it is through.
"""

from __future__ import annotations

import itertools
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from ..backend.bundle import pack
from ..backend.client import Backend
from ..backend.errors import Cancelled
from ..preferences import Preferences
from .attachment import attachment
from .pending import Pending, forget, note
from .request import GenerationRequest
from .task import Task


def release(attaching: Task[Backend]) -> None:
    """Wait for a backend and give it back."""
    if attaching.wait():
        attachment.give_back()


def send(
    backend: Backend, request: GenerationRequest, shot: Path, stop: threading.Event
) -> Pending:
    """Pack a captured shot, send it, and note the job on disk."""
    data = request.preferences.data
    archive = shot.with_suffix(".zip")
    try:
        pack(shot, archive)
        _go_on(stop)
        job = backend.submit(
            archive,
            model=request.model,
            settings=request.settings,
            seed=request.capture.seed,
        )
    finally:
        archive.unlink(missing_ok=True)
    pending = Pending(
        job=job,
        blend=request.blend,
        scene=request.capture.scene,
        label=request.label,
        target=request.target,
        place=request.place,
    )
    note(data, pending)
    return pending


def withdraw(backend: Backend, sending: Task[Pending], data: Path) -> None:
    """Wait until a job is sent, forget it and cancel it."""
    if sending.wait():
        pending = sending.result()
        forget(data, pending)
        backend.cancel(pending.job)


def fetch(
    backend: Backend,
    pending: Pending,
    preferences: Preferences,
    on_progress: Callable[[int, int], None],
    stop: threading.Event,
) -> Path:
    """Bring a finished take into a new folder of its own, every file checked; return the folder."""
    folder = _new_folder(preferences.takes, pending.label)

    def check(done: int, total: int) -> None:
        _go_on(stop)
        on_progress(done, total)

    try:
        return backend.download(pending.job, folder, check)
    except Cancelled:
        shutil.rmtree(folder.with_name(f"{folder.name}.part"), ignore_errors=True)
        raise


def finish(backend: Backend, pending: Pending, data: Path) -> None:
    """Remove the backend's copy of a take that has landed, and its note."""
    forget(data, pending)
    backend.delete(pending.job)


def _go_on(stop: threading.Event) -> None:
    if stop.is_set():
        raise Cancelled("The generation was cancelled.")


def _new_folder(takes: Path, label: str) -> Path:
    numbers = (takes / f"{label}-{number:03d}" for number in itertools.count(1))
    return next(folder for folder in numbers if not folder.exists())
