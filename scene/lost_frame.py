"""Which file of a take a frame of the scene shows, and whether it is gone."""

from __future__ import annotations

import re
from pathlib import Path

from ..backend.errors import TakeError
from ..backend.take import frame_name
from .strip_takes import find_take
from .targets.image import names_in

_NUMBER = re.compile(r"-?[0-9]{1,8}", re.ASCII)


def lost_file(first: Path, frame: int) -> str | None:
    """Return the name of the file that makes a frame of the scene black, as it is gone; or None.

    A scene shows frame f of a take at its own frame f, and the take's ends beyond them, as a take
    is placed (`targets.image.show_frames`). Blender finds all files by the first, which has to be
    there too. Cheap enough for a panel.

    Args:
        first: The take's first file of one kind.
        frame: The scene's frame.
    """
    if not _NUMBER.fullmatch(first.stem):
        return None
    shown = min(max(frame, int(first.stem)), _last(first))
    names = (first.name, frame_name(shown, first.suffix))
    return next((name for name in names if not (first.parent / name).is_file()), None)


def _last(first: Path) -> int:
    """Return a take's last frame: its record says it, or the last file that is there."""
    try:
        found = find_take(first.parent.parent)
    except TakeError:  # a damaged record says nothing; the pictures are shown all the same
        found = None
    if found is not None:
        return found.take.frame_start + found.take.frames - 1
    names = (Path(name) for name in names_in(first.parent))
    stems = (name.stem for name in names if name.suffix == first.suffix)
    return max((int(stem) for stem in stems if _NUMBER.fullmatch(stem)), default=int(first.stem))
