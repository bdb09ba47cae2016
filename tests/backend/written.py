"""Takes written with known content, for the tests of writing and of going on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from backend.models import find_card
from backend.reader import ShotReader
from backend.wire import read_shot
from backend.writer import TakeWriter

ROOT = Path(__file__).resolve().parents[2]
CARD = find_card("projection")
SETTINGS = {"fill": True}


def content(index: int, attempt: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(index + 100 * attempt)
    return {
        "image": rng.integers(0, 256, (40, 64, 3), dtype=np.uint8),
        "mask": np.full((40, 64), 51 * index, np.uint8),
        "depth": rng.uniform(1, 9, (40, 64)).astype(np.float32),
    }


def writer(folder: Path, shot: Path, **changes) -> TakeWriter:
    job = {"card": CARD, "settings": SETTINGS, "seed": 7, **changes}
    return TakeWriter(folder, ShotReader(shot), **job)


def write_all(folder: Path, shot: Path, **changes):
    with writer(folder, shot, **changes) as target:
        for index in range(read_shot(shot).frames):
            if index not in target.finished():
                target.frame(index, **content(index))
        return target.finish({"device": "cpu"})


def names(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
