"""Folders of the user's own data, and numbered ones for takes. Nothing here touches bpy."""

from __future__ import annotations

import itertools
import logging
import re
import shutil
import tempfile
import time
from pathlib import Path

from ..backend.errors import StorageError
from ..backend.paths import make_private

log = logging.getLogger(__name__)

USED_NAMES = ".used-names"
"""File in a folder for takes: the names that takes there have ever had, one a line."""
ABANDONED_SECONDS = 24 * 3600.0


def private_folder(data: Path, name: str) -> Path:
    """Return a folder inside the data folder; what has to be made is for the user alone.

    Raises:
        StorageError: it cannot be made.
    """
    try:
        # One by one: only the last folder of a path that is made gets its mode.
        return make_private(make_private(data) / name)
    except OSError as reason:
        raise StorageError(
            f"The data folder '{data}' cannot be written ({reason.strerror or reason}); free some"
            " space or choose another one in the preferences."
        ) from reason


def check_takes_folder(takes: Path) -> None:
    """Find out whether takes can be put into a folder, without making it.

    Raises:
        StorageError: they cannot, as far as can be known before there is one.
    """
    try:
        existing = next((each for each in (takes, *takes.parents) if each.exists()), takes)
        # Rights alone say too little: of a share on a server, or of Windows' folders.
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as reason:
        raise _unwritable(takes, reason) from reason


def new_take_folder(takes: Path, label: str) -> Path:
    """Make an empty folder `<label>-<number>` in `takes`; return it.

    No number is used a second time, also when its take was removed: strips and images in files that
    are not open go on naming the old one.

    Raises:
        StorageError: it cannot be made.
    """
    try:
        takes.mkdir(parents=True, exist_ok=True)
        used = {path.name for path in takes.iterdir()} | _names_used(takes)
        numbers = (_number(name, label) for name in used)
        for number in itertools.count(max(numbers, default=0) + 1):
            folder = takes / f"{label}-{number:03d}"
            # Noted first: two Blenders can note the same name, but only one makes the folder.
            with (takes / USED_NAMES).open("a", encoding="utf-8") as stream:
                stream.write(f"{folder.name}\n")
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder
    except OSError as reason:
        raise _unwritable(takes, reason) from reason


def _names_used(takes: Path) -> set[str]:
    try:
        return set((takes / USED_NAMES).read_text(encoding="utf-8", errors="replace").splitlines())
    except FileNotFoundError:
        return set()


def _number(name: str, label: str) -> int:
    """Return the number in a folder's name, 0 where it is of another label."""
    found = re.fullmatch(rf"{re.escape(label)}-([0-9]{{3,9}})", name)
    return int(found[1]) if found else 0


def sweep(data: Path, *, older_than: float = ABANDONED_SECONDS) -> None:
    """Remove what Blenders that crashed have left in the data folder; may take long.

    Those are captures that were under way and archives that were to be sent, untouched for
    `older_than` seconds. What the disk refuses stays until the next time.
    """
    latest = time.time() - older_than
    for path in (*(data / "captures").glob("*.partial"), *(data / "outbox").glob("*")):
        try:
            inside = [path, *path.rglob("*")]
            if max(each.lstat().st_mtime for each in inside) >= latest:
                continue
            log.info("removing %s, which was left behind", path)
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        except FileNotFoundError:
            continue  # its own Blender is at work on it or has removed it
        except OSError as reason:
            log.warning("%s was left behind and cannot be removed: %s", path, reason)


def _unwritable(takes: Path, reason: OSError) -> StorageError:
    return StorageError(
        f"The folder for takes '{takes}' cannot be written ({reason.strerror or reason}); free"
        " some space or choose another one in the preferences."
    )
