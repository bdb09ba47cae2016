"""A file or folder that is there in full or not at all."""

from __future__ import annotations

import contextlib
import errno
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from ..errors import ExportError, StorageError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def written_whole(target: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield the path to write to; what is there when the block ends becomes `target`.

    Whatever ends the block early leaves `target` as it was and nothing beside it.

    Args:
        target: A file, or a folder, that is not there yet (an empty folder is none).
        overwrite: Whether a file that is there is replaced.

    Raises:
        ExportError: something is at `target` already.
        StorageError: its folder is missing or cannot be written.
    """
    check_target(target, overwrite=overwrite)
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        yield part
        check_target(target, overwrite=overwrite)
        if target.is_dir():
            target.rmdir()  # Windows renames onto no folder, not even an empty one
        part.replace(target)
    except OSError as reason:
        _remove(part)
        raise storage_error(target, reason) from reason
    except BaseException:
        _remove(part)
        raise


def check_target(target: Path, *, overwrite: bool = False) -> None:
    """Refuse a target that is there already or can never be.

    Raises:
        ExportError, StorageError: see `written_whole`.
    """
    if not target.parent.is_dir():
        raise StorageError(
            f"The folder '{target.parent}' is not there; make it first or choose another one."
        )
    try:
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


def _remove(part: Path) -> None:
    if part.is_dir():
        shutil.rmtree(part, ignore_errors=True)
        return
    with contextlib.suppress(OSError):  # what the disk refuses to remove is hidden and harmless
        part.unlink(missing_ok=True)
