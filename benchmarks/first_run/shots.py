"""The shots of a first run: those of a folder with their truth, or the made-up posts."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from backend.take import FRAMES, frame_name
from backend.wire import read_shot, write_shot

from ..posts import WAY
from ..posts_folder import write_posts
from ..shots import link_files

# What is in the pictures: a model that reads words does badly without.
WORDS = {
    "colonnade": "a stone colonnade in daylight, long shadows, the camera moves past the columns",
    "courtyard": "a sunny courtyard with plaster walls and plants, the camera moves slowly",
    "loft": "an interior of a bright loft with furniture and a lamp, the camera moves slowly",
    "woodland": "a woodland in soft daylight, trees and leaves, the camera moves slowly",
    "posts-side": "patterned posts before a patterned wall, the camera slides sideways",
    "posts-in": "patterned posts before a patterned wall, the camera moves forward",
    "posts-long": "patterned posts before a patterned wall, the camera slides sideways",
}
# Metres that the camera moves, and frames: one window, one window, two.
_POSTS = {
    "posts-side": (WAY, 81),
    "posts-in": ((0.1, 0.0, -1.2), 81),
    "posts-long": ((0.9, 0.05, 0.0), 121),
}
_SMALL = {81: 5, 121: 13}  # frames of a rehearsal
_SIZE, _SMALL_SIZE = (832, 480), (96, 64)


@dataclass(frozen=True, slots=True)
class RunShot:
    """One shot.

    Attributes:
        name: In the report.
        shot: Folder, with words.
        truth: Folder of the true frames.
    """

    name: str
    shot: Path
    truth: Path

    @property
    def indices(self) -> list[int]:
        """Indices of the true frames."""
        shot = read_shot(self.shot)
        return [
            index
            for index in range(shot.frames)
            if (self.truth / FRAMES / frame_name(shot.frame(index))).is_file()
        ]


def find_shots(given: Path | None, out: Path, *, small: bool) -> list[RunShot]:
    """Return the shots, made in `out` where they are not there yet.

    Args:
        given: Holds `<name>/shot` and `<name>/truth`, as `blender_shots` writes them; None for the
            posts.
        out: Where shots with words go.
        small: Few and small frames, of the posts.

    Raises:
        ValueError: there are none in `given`.
    """
    if given is None:
        return [_posts(name, out, small=small) for name in _POSTS]
    found = sorted(
        place.parent
        for place in given.glob("*/shot")
        if (place / "shot.json").is_file() and (place.parent / "truth" / FRAMES).is_dir()
    )
    if not found:
        raise ValueError(
            f"'{given}' holds no NAME/shot with NAME/truth; make them with"
            " benchmarks/blender_shots.py, or leave --shots out"
        )
    return [_with_words(place, out) for place in found]


def chosen(shots: Sequence[RunShot], names: str) -> list[RunShot]:
    """Return those that are named, with commas between; all for ""."""
    wanted = [name for name in names.split(",") if name]
    known = [shot.name for shot in shots]
    if unknown := sorted(set(wanted) - set(known)):
        raise ValueError(f"there is no shot {', '.join(unknown)}; there are: {', '.join(known)}")
    return [shot for shot in shots if not wanted or shot.name in wanted]


def _posts(name: str, out: Path, *, small: bool) -> RunShot:
    way, frames = _POSTS[name]
    place = out / name
    if not (place / "truth").is_dir():  # it is written last
        shutil.rmtree(place, ignore_errors=True)
        write_posts(
            place,
            size=_SMALL_SIZE if small else _SIZE,
            frames=_SMALL[frames] if small else frames,
            way=way,
            name=name,
            prompt=WORDS[name],
        )
    return RunShot(name, place / "shot", place / "truth")


def _with_words(place: Path, out: Path) -> RunShot:
    """Return a shot of a folder with words, where it has none of its own."""
    target = out / place.name / "shot"
    if not (target / "shot.json").is_file():
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        shot = read_shot(place / "shot")
        link_files(place / "shot", target, shot.files())
        write_shot(replace(shot, prompt=shot.prompt or WORDS.get(place.name, "")), target)
    return RunShot(place.name, target, place / "truth")
