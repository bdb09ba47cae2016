"""A file or folder that is there in full or not at all."""

from __future__ import annotations

import contextlib
import errno
import logging
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from ..errors import ExportError, StorageError
from ..locks import FileLock

log = logging.getLogger(__name__)

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Beside the target, and of a length of its own: the target's name can be as long as names may be.
# A folder, so that what locks it is inside and goes with it.
_PART = ".depthshot-{}.part"
_LOCK = "lock"
_INSIDE = "export"
# Younger ones may just be made and not locked yet.
_ABANDONED_SECONDS = 60.0


@contextlib.contextmanager
def written_whole(target: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield the path to write to; what is there when the block ends becomes `target`.

    Whatever ends the block early leaves `target` as it was and nothing beside it. What a process
    that was killed has left in the folder is removed first.

    Args:
        target: A file, or a folder, that is not there yet (an empty folder is none).
        overwrite: Whether a file that is there is replaced.

    Raises:
        ExportError: something is at `target` already.
        StorageError: its folder is missing or cannot be written.
    """
    check_target(target, overwrite=overwrite)
    _sweep(target.parent)
    part = target.with_name(_PART.format(uuid.uuid4().hex[:8]))
    lock = FileLock(part / _LOCK)
    try:
        part.mkdir()
        lock.take()  # a share that knows no locks has none to take, and is not swept either
        yield part / _INSIDE
        check_target(target, overwrite=overwrite)
        if target.is_dir():
            target.rmdir()  # Windows renames onto no folder, not even an empty one
        (part / _INSIDE).replace(target)
    except OSError as reason:
        raise storage_error(target, reason) from reason
    finally:
        lock.release()
        _remove(part)


def check_target(target: Path, *, overwrite: bool = False) -> None:
    """Refuse a target that is there already or can never be.

    Raises:
        ExportError, StorageError: see `written_whole`.
    """
    try:
        if not target.parent.is_dir():
            raise StorageError(
                f"The folder '{target.parent}' is not there; make it first or choose another one."
            )
        used = target.is_symlink() or (
            any(target.iterdir()) if target.is_dir() else target.exists() and not overwrite
        )
    except OSError as reason:
        raise storage_error(target, reason) from reason
    if used:
        raise ExportError(f"'{target}' is there already; choose another name or remove it.")


def storage_error(target: Path, reason: OSError) -> StorageError:
    """Return what to say when `target` cannot be written."""
    way_out = "free some space" if reason.errno in _FULL else "choose a folder that can be written"
    return StorageError(
        f"'{target}' cannot be written ({reason.strerror or reason}); {way_out} and export again."
    )


def _sweep(folder: Path) -> None:
    """Remove the parts of exports that were killed; nobody holds their locks any more."""
    try:
        for part in sorted(folder.glob(_PART.format("*"))):
            if time.time() - part.lstat().st_mtime < _ABANDONED_SECONDS or part.is_symlink():
                continue
            lock = FileLock(part / _LOCK)
            if lock.take():
                lock.release()  # Windows removes no file that is open
                log.info("removing %s, which a killed export has left", part)
                _remove(part)
    except OSError as reason:  # another export has removed it, or only its owner may
        log.warning("what exports have left in %s cannot be removed: %s", folder, reason)


def _remove(part: Path) -> None:
    # What the disk refuses to remove is hidden, and the next export tries again.
    shutil.rmtree(part, ignore_errors=True)
