"""Jobs whose takes have not landed yet, noted on disk: Blender may close before they do.

    <data>/pending/<hash of the .blend's path>-<job id>.json

One note a job, removed when its take has landed. The hash makes looking for those of a file cheap
enough for a panel.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ..backend.errors import StorageError
from ..backend.fields import Fields, read_json

_LARGEST = 100_000
_MOST = 20_000
_JOB = re.compile(r"[\w-]{1,200}")


@dataclass(frozen=True, slots=True)
class Pending:
    """A job and where its take belongs.

    Attributes:
        job: The backend's id of the job.
        blend: Path of the .blend file, "" when it was never saved.
        scene: Name of the shot's scene.
        label: What the take's folder is named, with a number after it.
        target: Id of the target, and the place it is told.
    """

    job: str
    blend: str
    scene: str
    label: str
    target: str
    place: str


def note(data: Path, pending: Pending) -> None:
    """Write down a job.

    Raises:
        StorageError: the data folder cannot be written.
    """
    path = _path(data, pending)
    fresh = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps(asdict(pending), indent=1), encoding="utf-8")
        fresh.replace(path)
    except OSError as reason:
        raise StorageError(
            f"'{path.parent}' cannot be written ({reason.strerror}); free some space or choose"
            " another data folder in the preferences."
        ) from reason


def forget(data: Path, pending: Pending) -> None:
    """Remove the note of a job; there need not be one."""
    _path(data, pending).unlink(missing_ok=True)


def has_pending(data: Path, *, blend: str) -> bool:
    """Return whether a .blend file has jobs that have not landed."""
    return any(True for _ in _notes(data, blend))


def pending_takes(data: Path, *, blend: str) -> list[Pending]:
    """Return the jobs of a .blend file that have not landed, oldest first.

    Raises:
        StorageError: a note is damaged; the message names the file.
    """
    notes = sorted(_notes(data, blend), key=lambda path: path.stat().st_mtime_ns)
    return [_read(path) for path in notes]


def _folder(data: Path) -> Path:
    return data / "pending"


def _key(blend: str) -> str:
    return hashlib.sha256(blend.encode(errors="surrogateescape")).hexdigest()[:16]


def _notes(data: Path, blend: str) -> Iterator[Path]:
    return _folder(data).glob(f"{_key(blend)}-*.json")


def _path(data: Path, pending: Pending) -> Path:
    if not _JOB.fullmatch(pending.job):
        raise ValueError(f"not the id of a job: {pending.job!r}")
    return _folder(data) / f"{_key(pending.blend)}-{pending.job}.json"


def _read(path: Path) -> Pending:
    value = read_json(path, error=StorageError, largest=_LARGEST)
    fields = Fields.of(value, place=f"The note '{path}'", error=StorageError)
    return Pending(**{name: fields.text(name, most=_MOST) for name in Pending.__dataclass_fields__})
