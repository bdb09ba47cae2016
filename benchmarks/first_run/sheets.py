"""Contact sheets of a shot's takes, beside the truth and what the model was shown."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from backend import media
from backend.score.footage import Footage
from backend.score.regions import UNSEEN_PIXEL
from backend.take import SHOWN, frame_name
from backend.wire import read_shot

from ..pictures import SIDE, largest_hole, sheet
from ..takes import read_frame
from .shots import RunShot

CELL = 256  # pixels of a picture's width in the sheet


def draw_sheet(shot: RunShot, takes: dict[str, Path], file: Path, *, columns: int = 4) -> None:
    """Write a PNG: the truth and each take in a row, at frames spread over the way.

    What a model was shown comes below its take, unless another one was shown the very same.
    """
    source, indices = read_shot(shot.shot), shot.indices
    spread = np.linspace(0, len(indices) - 1, min(columns, len(indices))).round().astype(int)
    frames = [source.frame(indices[at]) for at in spread]
    size = _cell_size(source.size)
    rows, drawn = [], set()
    for name, take in {"truth": shot.truth, **takes}.items():
        rows.append((name, {f"frame {frame}": _cell(read_frame(take, frame)) for frame in frames}))
        shown = {f"frame {frame}": take / SHOWN / frame_name(frame) for frame in frames}
        if not all(path.is_file() for path in shown.values()):
            continue
        content = tuple(path.read_bytes() for path in shown.values())
        if content not in drawn:
            drawn.add(content)
            cells = {
                column: cv2.resize(_read(path), size, interpolation=cv2.INTER_AREA)
                for column, path in shown.items()
            }
            rows.append((f"{name}: what the model was shown", cells))
    _write(file, sheet(rows))


def draw_holes(shot: RunShot, takes: dict[str, Path], file: Path) -> None:
    """Write a PNG: the square with the most unseen pixels, at full size, of the truth and takes."""
    source = read_shot(shot.shot)
    footage = Footage(shot.shot, shot.truth, truth=shot.truth)
    labels = {index: footage.labels(index) for index in shot.indices}
    unseen = {index: each == UNSEEN_PIXEL for index, each in labels.items() if each is not None}
    if not unseen:
        return
    side = min(SIDE, *source.size)
    index, box = largest_hole(unseen, side=side)
    frame = source.frame(index)
    rows = [
        (name, {f"frame {frame}": _enlarged(read_frame(take, frame)[box])})
        for name, take in {"truth": shot.truth, **takes}.items()
    ]
    _write(file, _beside(rows))


def _beside(rows: list[tuple[str, dict[str, np.ndarray]]]) -> np.ndarray:
    """Return one row of pictures, each under its name."""
    cells = {name: next(iter(crops.values())) for name, crops in rows}
    column = next(iter(rows[0][1]))
    return sheet([(f"most unseen, {column}", cells)])


def _enlarged(crop: np.ndarray) -> np.ndarray:
    times = max(1, CELL // crop.shape[1])
    return crop.repeat(times, axis=0).repeat(times, axis=1)


def _cell_size(size: tuple[int, int]) -> tuple[int, int]:
    return CELL, max(1, round(CELL * size[1] / size[0]))


def _cell(image: np.ndarray) -> np.ndarray:
    size = _cell_size(image.shape[1::-1])
    shrinks = size[0] < image.shape[1]
    way = cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST
    return cv2.resize(image, size, interpolation=way)


def _read(path: Path) -> np.ndarray:
    return media.to_8bit(media.read_still(path).pixels)


def _write(file: Path, page: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(media.encode_png(page))
