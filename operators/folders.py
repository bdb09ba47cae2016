"""Folders of the user's own data, and numbered ones for takes."""

from __future__ import annotations

import itertools
from pathlib import Path

from ..backend.errors import StorageError
from ..backend.paths import make_private


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


def new_take_folder(takes: Path, label: str) -> Path:
    """Make an empty folder `<label>-<number>` in `takes` with the first free number; return it.

    Raises:
        StorageError: it cannot be made.
    """
    try:
        takes.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(1):
            folder = takes / f"{label}-{number:03d}"
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder
    except OSError as reason:
        raise StorageError(
            f"The folder for takes '{takes}' cannot be written ({reason.strerror or reason}); free"
            " some space or choose another one in the preferences."
        ) from reason
