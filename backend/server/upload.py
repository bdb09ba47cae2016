"""Takes a shot's archive from a request body to disk: streamed, capped, nothing left on failure."""

from __future__ import annotations

import errno
from io import FileIO
from pathlib import Path

from fastapi import HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from ..bundle import MAX_UNPACKED_BYTES, unpack
from ..errors import StorageError
from ..wire import Shot

# Stills and guides are compressed already: an archive is no larger than what it unpacks to.
MAX_ARCHIVE_BYTES = MAX_UNPACKED_BYTES
_STEP = 1024 * 1024
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


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
