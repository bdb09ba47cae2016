"""Paths inside a shot or an archive, as every system can keep them.

The sender may not know where the receiver runs, so the rules are those of Linux, macOS and
Windows together.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from .errors import ShotError
from .fields import quoted

MAX_PATH = 1024  # bytes
MAX_FOLDERS = 32
_MAX_PART = 255  # bytes of one name in a path, as file systems have it
# Names that are no plain files on Windows.
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def check_path(value: object, *, place: str) -> str:
    """Return `value` as a safe relative path inside a shot.

    Raises:
        ShotError: it is absolute, leaves the folder, or uses anything but `/`.
    """
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_PATH:
        raise ShotError(
            f"{place} must be the path of a file inside the shot's folder, not {quoted(value)}."
        )
    parts = value.split("/")
    odd = any(_odd(character) for character in value) or any(_unusable(part) for part in parts)
    if odd or len(value.encode()) > MAX_PATH or len(parts) > MAX_FOLDERS:
        raise ShotError(
            f"{place} must be a relative path inside the shot's folder, written with '/',"
            f" not {quoted(value)}."
        )
    return value


def _odd(character: str) -> bool:
    """Return whether a character has no place in a file name on some system (`:` is a drive)."""
    return character in '\\:*?"<>|\x7f' or ord(character) < 32 or "\ud800" <= character <= "\udfff"


def _unusable(part: str) -> bool:
    """Return whether a path's part is empty, a folder link, too long, or no file on Windows."""
    if part != part.rstrip(". ") or not part or _RESERVED.fullmatch(part):
        return True
    return len(part.encode()) > _MAX_PART


def check_distinct(paths: Iterable[str]) -> None:
    """Refuse paths that some file system cannot keep apart or hold together.

    Raises:
        ShotError: two are the same but for case or composition, or a file stands where another
            path has a folder.
    """
    files: dict[str, str] = {}
    for path in paths:
        if folded(path) in files:
            raise ShotError(
                f"The shot's files '{files[folded(path)]}' and '{path}' cannot be told apart on"
                " every system; rename one."
            )
        files[folded(path)] = path
    for path in files.values():
        above = folded(path).split("/")[:-1]
        for depth in range(1, len(above) + 1):
            if "/".join(above[:depth]) in files:
                raise ShotError(
                    f"The shot names '{path}', but a file of the shot stands where its folder"
                    " must; rename one."
                )


def folded(path: str) -> str:
    """Return `path` as a file system that ignores case and composition sees it."""
    return unicodedata.normalize("NFC", path).casefold()
