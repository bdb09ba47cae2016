"""The scenes that a draft is measured on, each a shot with true frames and its scoring ground."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np

from backend.bundle import shot_hash
from backend.reader import ShotReader
from backend.score.footage import Footage
from backend.score.regions import UNSEEN_PIXEL
from backend.take import frame_name

from .shots import imported_shot

ROOT = Path(__file__).parents[1]
IMPORTED = "courtyard"  # the scene that also comes as an imported still
# What is kept is made again when one of these changes.
CODE = (
    "backend/*.py",
    "backend/models/*.py",
    "backend/models/*/__init__.py",
    "backend/models/*/cards.py",
    "backend/models/*/latents.py",
    "backend/models/video/options.py",
    "backend/models/projection/*.py",
    "backend/projection/*.py",
    "backend/score/*.py",
    "benchmarks/cheat.py",
    "benchmarks/classical.py",
    "benchmarks/rivals.py",
    "benchmarks/scenes.py",
    "benchmarks/shots.py",
    "benchmarks/takes.py",
    "tests/analytic.py",
)


@dataclass(frozen=True)
class EvalScene:
    """One scene.

    Attributes:
        name: What the tables call it.
        shot: What is generated from.
        known: The shot with everything known, which the score measures with.
        truth: Folder of the true frames.
        base: Where what is made for this scene may be kept, whatever the code.
        most: At most so many true frames are used, from the end of the way.
        only: If given, the indices of the true frames that are used.
    """

    name: str
    shot: Path
    known: Path
    truth: Path
    base: Path
    most: int | None = None
    only: tuple[int, ...] = ()

    @cached_property
    def cache(self) -> Path:
        """Folder for what is made for these very frames with this very code."""
        parts = [
            *(shot_hash(folder).encode() for folder in (self.shot, self.known)),
            *(
                (self.truth / "frames" / frame_name(self.frame(index))).read_bytes()
                for index in self.indices
            ),
            *(
                part
                for pattern in CODE
                for file in sorted(ROOT.glob(pattern))
                for part in (file.relative_to(ROOT).as_posix().encode(), file.read_bytes())
            ),
        ]
        kept = self.base / sha256(b"".join(parts)).hexdigest()[:12]
        kept.mkdir(parents=True, exist_ok=True)
        return kept

    @property
    def imported(self) -> bool:
        """Whether only the still's depth is given to the models."""
        return self.shot != self.known

    @cached_property
    def reader(self) -> ShotReader:
        """The shot with everything known."""
        return ShotReader(self.known)

    @cached_property
    def indices(self) -> tuple[int, ...]:
        """Indices of the frames that are measured: those with a truth, the still's left out."""
        still = {still.index for still in self.reader.shot.stills}
        first = self.reader.shot.frame_start
        files = (self.truth / "frames").glob("*.png")
        present = sorted({int(file.stem) - first for file in files} - still)
        if not present:
            raise ValueError(f"'{self.truth}' has no true frames; render some first")
        if self.only:
            return tuple(index for index in present if index in self.only)
        return tuple(present if self.most is None else present[-self.most :])

    @cached_property
    def unseen(self) -> dict[int, np.ndarray]:
        """The unseen pixels (H, W) bool of every measured frame, as the score labels them."""
        kept = self.cache / "unseen.npz"
        if not kept.is_file():
            footage = Footage(self.known, self.truth, truth=self.truth)
            masks = {str(i): footage.labels(i) == UNSEEN_PIXEL for i in self.indices}
            content = BytesIO()
            np.savez_compressed(content, **masks)
            keep(kept, content.getvalue())
        with np.load(kept) as masks:
            return {index: masks[str(index)] for index in self.indices}

    @property
    def share(self) -> float:
        """Mean unseen share of the measured frames."""
        return float(np.mean([mask.mean() for mask in self.unseen.values()]))

    def frame(self, index: int) -> int:
        """Return the Blender frame of an index."""
        return self.reader.shot.frame(index)


def keep(path: Path, content: bytes) -> None:
    """Write a file that is kept: whole, or not at all where the run is killed meanwhile."""
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    part.replace(path)


def find_scenes(
    folder: Path, cache: Path, *, names: Sequence[str] = (), most: int | None = None
) -> list[EvalScene]:
    """Return the scenes in a folder that `blender_shots.py` wrote, and the imported still's.

    Args:
        folder: Holds `<scene>/shot` and `<scene>/truth`.
        cache: Holds what may be kept between runs; nobody else may write there meanwhile.
        names: Which to take; all when empty.
        most: Use at most so many true frames a scene.

    Raises:
        ValueError: there are none, or one of the names is none of them.
    """
    places = sorted(path.parent for path in folder.glob("*/shot") if (path / "shot.json").is_file())
    scenes = []
    for place in places:
        shot, truth = place / "shot", place / "truth"
        scenes.append(EvalScene(place.name, shot, shot, truth, cache / place.name, most))
        if place.name == IMPORTED:
            name = f"{place.name}-imported"
            imported = cache / name / "shot"
            shutil.rmtree(imported, ignore_errors=True)  # it may be that of an earlier render
            imported.parent.mkdir(parents=True, exist_ok=True)
            imported_shot(shot, imported)
            scenes.append(EvalScene(name, imported, shot, truth, cache / name, most))
    known = [scene.name for scene in scenes]
    if not scenes:
        raise ValueError(f"'{folder}' holds no scene; make them with benchmarks/blender_shots.py")
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ValueError(f"there is no scene {', '.join(unknown)}; there are: {', '.join(known)}")
    return [scene for scene in scenes if not names or scene.name in names]
