"""Takes a shot's archive from a request body to disk: streamed, capped, nothing left on failure.

A sender may name its job. The same request again is then the same job; another one is refused.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from fastapi import HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from ..bundle import MAX_UNPACKED_BYTES, shot_hash, unpack
from ..errors import StorageError
from ..job_row import Job
from ..jobs import JobStore
from ..models import find_card
from ..models.plan import make_plan
from ..wire import Shot

# Stills and guides are compressed already: an archive is no larger than what it unpacks to.
MAX_ARCHIVE_BYTES = MAX_UNPACKED_BYTES
_STEP = 1024 * 1024
_ANOTHER = "This id is that of another job; send the shot with an id of its own."
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a shot, checked.

    Attributes:
        job_id: The id that the sender has given its job, "" to have one made.
        model: Id of a card.
        settings: Every setting of the card.
        seed: Seed of every random number; None takes the shot's.
        format: What the frames are written as.
    """

    job_id: str
    model: str
    settings: Mapping[str, object]
    seed: int | None
    format: str


async def take_in(request: Request, store: JobStore, asked: Asked) -> Job:
    """Receive the shot in a request's body and queue its job, or return the job that it is.

    Raises:
        HTTPException: as `receive_shot`; or the id is that of another request's job (409).
        ShotError: it is no usable shot.
        SettingError: it does not go together with the settings.
        StorageError: it cannot be written.
    """
    known = await run_in_threadpool(store.job, asked.job_id) if asked.job_id else None
    # What comes for a job that is there already is put beside it and compared.
    job_id, folder = await run_in_threadpool(store.new_folder, "" if known else asked.job_id)
    try:
        shot = await receive_shot(request, folder)
        make_plan(find_card(asked.model), shot, dict(asked.settings))
        seed = shot.seed if asked.seed is None else asked.seed
        if known is not None:
            same = (asked.model, asked.settings, seed, asked.format) == (
                known.model, known.settings, known.seed, known.format,
            )  # fmt: skip
            folders = folder / "shot", store.job_folder(known.id) / "shot"
            if not (same and await run_in_threadpool(_same_shot, *folders)):
                raise HTTPException(409, _ANOTHER)
            shutil.rmtree(folder, ignore_errors=True)
            return known
        return await run_in_threadpool(
            store.add,
            job_id,
            name=shot.name,
            model=asked.model,
            settings=asked.settings,
            seed=seed,
            frames=shot.frames,
            frame_start=shot.frame_start,
            format=asked.format,
        )
    except BaseException:  # a client that went away too: nothing of it is left behind
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _same_shot(one: Path, other: Path) -> bool:
    return shot_hash(one) == shot_hash(other)


async def receive_shot(request: Request, folder: Path) -> Shot:
    """Write the body into `folder`, unpack it to `folder/shot` and remove the archive.

    Raises:
        HTTPException: the body is too large (413), or its sender went away.
        ShotError: it is no usable shot.
        StorageError: it cannot be written.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > MAX_ARCHIVE_BYTES:
        raise _too_large()
    archive = folder / "shot.zip"
    await _write_body(request, archive)
    shot = await run_in_threadpool(unpack, archive, folder / "shot")
    archive.unlink()
    return shot


async def _write_body(request: Request, archive: Path) -> None:
    received = 0
    pending = bytearray()
    try:
        with archive.open("wb", buffering=0) as stream:
            async for chunk in request.stream():
                received += len(chunk)
                if received > MAX_ARCHIVE_BYTES:
                    raise _too_large()
                pending += chunk
                if len(pending) >= _STEP:
                    await run_in_threadpool(_write_all, stream, bytes(pending))
                    pending.clear()
            await run_in_threadpool(_write_all, stream, bytes(pending))
    except ClientDisconnect as reason:
        raise HTTPException(400, "The sender went away before the whole shot was here.") from reason
    except OSError as reason:
        full = reason.errno in _FULL
        raise StorageError(
            "The disk is full: the shot does not fit into the backend's data folder; free some"
            " space or move the folder in the preferences."
            if full
            else f"The backend's data folder cannot be written: {reason.strerror or reason}."
        ) from reason


def _write_all(stream: FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[stream.write(view) :]


def _too_large() -> HTTPException:
    return HTTPException(
        413,
        f"The shot is larger than {MAX_ARCHIVE_BYTES // 1024**3} GB; use fewer frames or a lower"
        " resolution.",
    )
