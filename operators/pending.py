"""Jobs whose takes have not landed yet, noted on disk: Blender may close before they do.

    <data>/pending/<hash of the file>-<job id>.json     the note, removed when its take has landed
    <data>/pending/<hash of the file>-<job id>.lock     locked by the Blender that works on it

The file is a .blend's path. One that was never saved is a scene of one session: two of them have
nothing else to tell them apart. The hash makes looking for those of a file cheap enough for a
panel, and the lock goes with the Blender that holds it, however that ends.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ..backend.errors import StorageError
from ..backend.fields import Fields, read_json
from ..backend.locks import FileLock
from .folders import private_folder

SESSION = uuid.uuid4().hex
"""Names this session of Blender; a scene's `session_uid` means something in it alone."""

_FOLDER = "pending"
_LARGEST = 2_000_000
MOST_LETTERS = 500_000
"""In each entry of a note."""
_JOB = re.compile(r"[\w-]{1,200}")
# Another Blender's panel locks a note for a moment to look whether anybody works on it.
_GLANCE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class OpenFile:
    """The file that is open in this session.

    Attributes:
        blend: Path of the .blend file, "" when it was never saved.
        scenes: `session_uid` of its scenes.
    """

    blend: str
    scenes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pending:
    """A job and where its take belongs.

    Attributes:
        job: The backend's id of the job.
        blend: Path of the .blend file, "" when it was never saved.
        scene: Name of the shot's scene.
        scene_uid: Its `session_uid`, in digits.
        label: What the take's folder is named, with a number after it.
        target: Id of the target, and the place it is told.
        session: The session that asked for it.
        folder: Folder that the take is being fetched into, "" before.
        server: Address of the backend that has the job, "" for the one of this machine.
        store: What that backend calls the place its jobs are kept in, "" where it did not say.
        view: The view transform that scene-linear frames are made for, "" where none were asked
            for, as in notes from before there were formats.
        model: Id of the card, "" in notes from before it was noted.
        sent: "yes" once the backend has said that it has the job, "" before. It may have it then
            as well: Blender ended before it was noted.
    """

    job: str
    blend: str
    scene: str
    scene_uid: str
    label: str
    target: str
    place: str
    session: str = SESSION
    folder: str = ""
    server: str = ""
    store: str = ""
    view: str = ""
    model: str = ""
    sent: str = ""


class Claim:
    """The right to bring one job's take home: one Blender's at a time, until it ends.

    Attributes:
        pending: The job, as it is noted.
    """

    def __init__(self, path: Path, lock: FileLock, pending: Pending) -> None:
        """Use `note` or `claim_next`."""
        self.pending = pending
        self._path = path
        self._lock = lock

    def write(self, pending: Pending) -> None:
        """Write the note anew, at once or not at all.

        Raises:
            StorageError: it cannot be written.
        """
        fresh = self._path.with_suffix(".part")
        try:
            fresh.write_text(json.dumps(asdict(pending), indent=1), encoding="utf-8")
            fresh.replace(self._path)
        except OSError as reason:
            raise _unwritable(self._path, reason) from reason
        self.pending = pending

    def forget(self) -> None:
        """Remove the note; there need not be one.

        Raises:
            StorageError: it cannot be removed.
        """
        try:
            self._path.unlink(missing_ok=True)
        except OSError as reason:
            raise _unwritable(self._path, reason) from reason

    def release(self) -> None:
        """Give the right back; safe to repeat."""
        _let_go(self._lock, self._path)


def note(data: Path, pending: Pending) -> Claim:
    """Write down a job and claim it.

    Raises:
        StorageError: the data folder cannot be written.
    """
    if not _JOB.fullmatch(pending.job):
        raise ValueError(f"not the id of a job: {pending.job!r}")
    file = pending.blend or _unsaved(pending.session, pending.scene_uid)
    path = private_folder(data, _FOLDER) / f"{_key(file)}-{pending.job}.json"
    lock = _lock(path, seconds=_GLANCE_SECONDS)
    if lock is None:
        raise StorageError(f"Another Blender works on '{pending.job}' already; generate it again.")
    claim = Claim(path, lock, pending)
    try:
        claim.write(pending)
    except StorageError:
        claim.release()
        raise
    return claim


def has_pending(data: Path, file: OpenFile) -> bool:
    """Return whether a file has jobs that have not landed and nobody works on.

    Raises:
        StorageError: the data folder cannot be written.
    """
    for path in _notes(data, file):
        lock = _lock(path, seconds=0.0)
        if lock is not None:
            _let_go(lock, path)
            return True
    return False


def claim_next(data: Path, file: OpenFile) -> Claim | None:
    """Claim the oldest job of a file that has not landed and nobody works on; None without one.

    Raises:
        StorageError: a note is damaged; the message names it. Or the data folder cannot be written.
    """
    for path in sorted(_notes(data, file), key=_age):
        claim = _claim(path)
        if claim is not None:
            return claim
    return None


def settle(data: Path, file: OpenFile, folder: Path) -> None:
    """Forget a file's job whose take in `folder` has landed some other way than by fetching.

    Raises:
        StorageError: its note is damaged or cannot be removed.
    """
    for path in list(_notes(data, file)):
        claim = _claim(path)
        if claim is None:
            continue
        try:
            if claim.pending.folder == str(folder):
                claim.forget()
        finally:
            claim.release()


def _claim(path: Path) -> Claim | None:
    """Return the right to a noted job; None where another Blender has it or it has landed."""
    lock = _lock(path, seconds=_GLANCE_SECONDS)
    if lock is None:
        return None
    claim = None
    try:
        # Whoever had it may have landed it since.
        if path.exists():
            claim = Claim(path, lock, _read(path))
        return claim
    finally:
        if claim is None:
            _let_go(lock, path)


def _lock(path: Path, *, seconds: float) -> FileLock | None:
    lock = FileLock(path.with_suffix(".lock"), timeout=seconds)
    try:
        return lock if lock.take() else None
    except OSError as reason:
        raise _unwritable(path, reason) from reason


def _let_go(lock: FileLock, path: Path) -> None:
    """Give the lock of a note back; its file goes where there is no note any more."""
    try:
        path.stat()
    except FileNotFoundError:
        # Its file is of no harm where it cannot be removed.
        with contextlib.suppress(OSError):
            lock.remove()
    except OSError:  # nobody can say: the next one looks again
        lock.release()
    else:
        lock.release()


def _age(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:  # landed in another Blender since it was listed
        return 0


def _key(file: str) -> str:
    return hashlib.sha256(file.encode(errors="surrogateescape")).hexdigest()[:16]


def _unsaved(session: str, scene_uid: str) -> str:
    return f"session {session}, scene {scene_uid}"


def _notes(data: Path, file: OpenFile) -> Iterator[Path]:
    files = [_unsaved(SESSION, str(uid)) for uid in file.scenes]
    if file.blend:
        files.append(file.blend)
    for each in files:
        yield from (data / _FOLDER).glob(f"{_key(each)}-*.json")


def _read(path: Path) -> Pending:
    value = read_json(path, error=StorageError, largest=_LARGEST)
    fields = Fields.of(value, place=f"The note '{path}'", error=StorageError)
    # What earlier notes do not have; they were written once the backend had the job.
    earlier = {"view": "", "server": "", "store": "", "model": "", "sent": "yes"}
    fields = dataclasses.replace(fields, values={**earlier, **fields.values})
    return Pending(
        **{name: fields.text(name, most=MOST_LETTERS) for name in Pending.__dataclass_fields__}
    )


def _unwritable(path: Path, reason: OSError) -> StorageError:
    return StorageError(
        f"'{path.parent}' cannot be written ({reason.strerror or reason}); free some space or"
        " choose another data folder in the preferences."
    )
