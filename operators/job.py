"""The backend's side of a generation: what runs in threads and never touches bpy.

Each function is one `Task`. Whoever stopped waiting sets `stop`; a function then undoes what it
did when it is through, because nobody else will.
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
from ..backend.paths import ROOT
from .pending import Pending, forget, note
from .request import GenerationRequest


def attach(python: Path, data: Path, stop: threading.Event) -> Backend:
    """Start the backend or attach to the one that runs."""
    backend = Backend.start_or_attach(python, ROOT, data)
    if stop.is_set():
        backend.close()
    return backend


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
        takes=str(request.preferences.takes),
        label=request.label,
        target=request.target,
        place=request.place,
    )
    note(data, pending)
    if stop.is_set():
        withdraw(backend, pending, data)
    return pending


def withdraw(backend: Backend, pending: Pending, data: Path) -> None:
    """Cancel a job and forget it."""
    backend.cancel(pending.job)
    forget(data, pending)


def fetch(
    backend: Backend,
    pending: Pending,
    on_progress: Callable[[int, int], None],
    stop: threading.Event,
) -> Path:
    """Bring a finished take into a new folder of its own, every file checked; return the folder."""
    folder = _new_folder(Path(pending.takes), pending.label)

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
