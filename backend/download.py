"""Fetches a take from the server: every file checked against the record's hash, the record last.

As with a take that is being made, a folder without `take.json` is unfinished and gone on with.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable
from pathlib import Path

from .connection import Connection
from .errors import RequestRefused, StorageError, TakeError
from .fields import parse_json
from .take import DEPTHS, FRAMES, MASKS, SHOWN, SHOWN_MASKS, TAKE_FILE, Take, hash_file

_ROUTES = {
    FRAMES: "frames",
    MASKS: "masks",
    DEPTHS: "depth",
    SHOWN: "control",
    SHOWN_MASKS: "control-mask",
}
_FILE = re.compile(rf"({'|'.join(_ROUTES)})/(-?[0-9]{{3,8}})\.(?:png|exr)", re.ASCII)
_STEP = 256 * 1024
_NOT_FOUND = 404


def download_take(
    connection: Connection,
    job_id: str,
    folder: Path,
    on_progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Fetch the take of a finished job; see `client.Backend.download`."""
    _check_unused(folder)
    with connection.kept() as kept:
        return _download(kept, job_id, folder, on_progress)


def download_preview(connection: Connection, job_id: str) -> bytes | None:
    """Return a look at what a running job is making, as a PNG; None while there is none.

    Raises:
        BackendLost: nobody answers.
        RequestRefused: this backend shows none.
    """
    try:
        with connection.open("GET", f"/v1/shots/{job_id}/preview") as response:
            return connection.body(response)
    except RequestRefused as reason:
        if reason.status == _NOT_FOUND:
            return None
        raise


def _download(
    connection: Connection,
    job_id: str,
    folder: Path,
    on_progress: Callable[[int, int], None] | None,
) -> Path:
    with connection.open("GET", f"/v1/shots/{job_id}/take.json") as response:
        content = connection.body(response)
    take = Take.from_json(parse_json(content, name=TAKE_FILE, error=TakeError))
    try:
        for count, (path, digest) in enumerate(take.files.items()):
            if on_progress is not None:
                on_progress(count, len(take.files))
            _fetch(connection, job_id, folder, path=path, digest=digest)
        part = folder / f".{TAKE_FILE}.part"
        part.write_bytes(content)
        part.replace(folder / TAKE_FILE)
    except OSError as reason:
        raise StorageError(
            f"The take cannot be written to '{folder}': {reason.strerror or reason}; free some"
            " space or choose another folder, what is fetched is kept."
        ) from reason
    if on_progress is not None:
        on_progress(len(take.files), len(take.files))
    return folder


def _check_unused(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir() or any(
        entry.name not in _ROUTES and not entry.name.startswith(".") for entry in folder.iterdir()
    ):
        raise StorageError(f"'{folder}' is in use already; choose another folder for the take.")


def _fetch(connection: Connection, job_id: str, folder: Path, *, path: str, digest: str) -> None:
    match = _FILE.fullmatch(path)
    if match is None:
        raise TakeError(f"The take's record names '{path}', which is no file of a take.")
    file = folder / path
    if file.is_file() and hash_file(file) == digest:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    kind, frame = match.groups()
    received = hashlib.sha256()
    part = file.with_name(f".{file.name}.part")  # a Blender that is killed leaves no torn picture
    try:
        with (
            connection.open("GET", f"/v1/shots/{job_id}/{_ROUTES[kind]}/{int(frame)}") as response,
            contextlib.closing(connection.chunks(response, _STEP)) as chunks,
            part.open("wb") as stream,
        ):
            for chunk in chunks:
                received.update(chunk)
                stream.write(chunk)
        if received.hexdigest() != digest:
            raise TakeError(
                f"The take's '{path}' is not what its record says; generate the shot again."
            )
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
