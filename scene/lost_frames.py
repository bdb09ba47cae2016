"""Frames of a take on disk that a range of the scene's frames shows, and those that are gone."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..backend.errors import TakeError
from ..backend.take import frame_name
from .strip_takes import find_take
from .targets.image import names_in

_NUMBER = re.compile(r"-?[0-9]{1,8}", re.ASCII)
# A folder that has changed just now may change again within the same tick of its date.
_TICK_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class LostFrames:
    """What is gone of the frames that are shown.

    Attributes:
        first: Name of the first file that is gone.
        count: How many are gone.
        shown: How many are needed.
    """

    first: str
    count: int
    shown: int


def lost_frames(first: Path, frames: range) -> LostFrames | None:
    """Return what is gone of a take's files that frames of a scene show; None where all are there.

    A scene shows frame f of a take at its own frame f, and the take's ends beyond them, as a take
    is placed (`targets.image.show_frames`). How long it is says its record; without one, the last
    file that is there.

    Cheap enough for a panel: the folder is listed again only when it has changed.

    Args:
        first: The take's first file of one kind.
        frames: The scene's frames.
    """
    if not _NUMBER.fullmatch(first.stem):
        return None
    folder = first.parent
    try:
        changed = folder.stat()
    except OSError:  # all is gone
        names = _names(first, frames, there=frozenset())
        return LostFrames(names[0], len(names), len(names))
    if time.time() - changed.st_mtime < _TICK_SECONDS:
        return _look(first, frames)
    return _look_once(first, frames, changed.st_mtime_ns)


@lru_cache(maxsize=256)
def _look_once(first: Path, frames: range, _changed: int) -> LostFrames | None:
    return _look(first, frames)


def _look(first: Path, frames: range) -> LostFrames | None:
    there = names_in(first.parent)
    names = _names(first, frames, there=there)
    gone = [name for name in names if name not in there]
    return LostFrames(gone[0], len(gone), len(names)) if gone else None


def _names(first: Path, frames: range, *, there: frozenset[str]) -> list[str]:
    """Return the names of a take's files that frames of a scene show.

    The first is among them in any case: Blender finds the others by it.
    """
    start = int(first.stem)
    last = max(start, _last(first, there))
    low, high = (min(max(frame, start), last) for frame in (frames[0], frames[-1]))
    names = [frame_name(number, first.suffix) for number in range(low, high + 1)]
    return names if low == start else [first.name, *names]


def _last(first: Path, there: frozenset[str]) -> int:
    try:
        found = find_take(first.parent.parent)
    except TakeError:  # a damaged record says nothing; the pictures are shown all the same
        found = None
    if found is not None:
        return found.take.frame_start + found.take.frames - 1
    stems = (Path(name).stem for name in there if Path(name).suffix == first.suffix)
    return max((int(stem) for stem in stems if _NUMBER.fullmatch(stem)), default=int(first.stem))
