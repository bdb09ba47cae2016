"""Stills that were rendered for captures that came to no end, so that the next one has them.

    <cache>/still-<hash>/still.png, kept.json       kept.json has its size, and its date is its use

Its layout is that of a kept capture (`kept`), so that it makes room as these do. Runs in the second
Blender: the standard library alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from pathlib import Path

_STILL = "still.png"
_SIZES = "kept.json"


def still_name(scene_hash: str, *, scene: str, frame: int, supersample: int) -> str:
    """Return the name of a still's folder: the same for what would be rendered the same."""
    parts = json.dumps([scene_hash, scene, frame, supersample]).encode()
    return f"still-{hashlib.sha256(parts).hexdigest()[:32]}"


def fetch_still(folder: Path, target: Path) -> bool:
    """Copy the still that is kept in `folder` to `target`; return whether there is one.

    It can go at any time, as when another Blender makes room; it is rendered then.
    """
    try:
        sizes = json.loads((folder / _SIZES).read_text(encoding="utf-8"))
        (folder / _SIZES).touch()
        shutil.copyfile(folder / _STILL, target)
        if sizes == {_STILL: target.stat().st_size}:
            return True
    except (OSError, ValueError):
        pass
    target.unlink(missing_ok=True)
    return False


def keep_still(still: Path, folder: Path, *, work: Path) -> None:
    """Keep a rendered still in `folder`, at once or not at all.

    Args:
        still: The file.
        folder: Where it is kept; nothing is done where that is there.
        work: A folder on the same disk that is removed when the capture ends.
    """
    made = work / folder.name
    made.mkdir()
    shutil.copyfile(still, made / _STILL)
    sizes = json.dumps({_STILL: still.stat().st_size})
    (made / _SIZES).write_text(sizes, encoding="utf-8")
    with contextlib.suppress(OSError):  # another Blender has kept the same
        made.rename(folder)


def drop_still(folder: Path) -> None:
    """Remove a kept still: the whole capture has it. What is left goes when room is made."""
    shutil.rmtree(folder, ignore_errors=True)
