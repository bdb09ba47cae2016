"""A picture of what seeds do in holes: one row a scene, cropped round a large hole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from .classical import PROJECTION, classical_take
from .drafts import draft_take, load_drafts
from .scenes import EvalScene
from .takes import read_frame

SIDE = 160  # pixels of a crop; larger ones of five scenes would need a poor JPEG
GAP, BAND = 6, 26
MOST_BYTES = 150_000
SEEDS = (0, 1, 2)


def draw_seeds(scenes: Sequence[EvalScene], weights: Path | None, out: Path) -> str:
    """Write truth, projection, expectation and three samples beside each other as a JPEG.

    Args:
        scenes: One row each.
        weights: Folder of the draft's weights, None for those in use.
        out: The file; made or replaced.

    Returns:
        One sentence: what lies where.
    """
    model = load_drafts(weights).trained
    rows = []
    for scene in scenes:
        index, box = largest_hole(scene.unseen, side=SIDE)
        one = replace(scene, only=(index,))
        takes = {"truth": one.truth, "projection": classical_take(one, PROJECTION)}
        takes["mean"] = draft_take(model, one, "mean", settings={"mean": True})
        for seed in SEEDS:
            takes[f"seed {seed}"] = draft_take(model, one, f"seed-{seed}", seed=seed)
        crops = {name: read_frame(take, one.frame(index))[box] for name, take in takes.items()}
        rows.append((f"{scene.name}, frame {one.frame(index)}", crops))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(small_jpeg(sheet(rows)))
    columns = " | ".join(rows[0][1])
    return f"'{out}': {columns}; " + "; ".join(name for name, _ in rows)


def largest_hole(unseen: dict[int, np.ndarray], *, side: int) -> tuple[int, tuple[slice, slice]]:
    """Return the frame, and the square in it, with the most unseen pixels.

    Args:
        unseen: (H, W) bool by index.
        side: Length of the square; smaller pictures are taken whole.
    """
    best = (-1.0, 0, (slice(0), slice(0)))
    for index, mask in unseen.items():
        high, wide = (min(side, length) for length in mask.shape)
        sums = cv2.integral(mask.astype(np.uint8))
        inside = sums[high:, wide:] - sums[:-high, wide:] - sums[high:, :-wide]
        inside = inside + sums[:-high, :-wide]
        top, left = np.unravel_index(int(inside.argmax()), inside.shape)
        found = float(inside[top, left])
        if found > best[0]:
            best = (found, index, (slice(top, top + high), slice(left, left + wide)))
    return best[1], best[2]


def sheet(rows: Sequence[tuple[str, dict[str, np.ndarray]]]) -> np.ndarray:
    """Return a white page (H, W, 3) uint8 of named rows of named crops, all of one size."""
    high, wide = next(iter(rows[0][1].values())).shape[:2]
    columns = len(rows[0][1])
    page = np.full(
        (BAND + len(rows) * (BAND + high), columns * (wide + GAP) + GAP, 3), 255, np.uint8
    )
    for column, name in enumerate(rows[0][1]):
        _write(page, name, x=GAP + column * (wide + GAP), y=BAND - 8)
    for number, (name, crops) in enumerate(rows):
        top = BAND + number * (BAND + high)
        _write(page, name, x=GAP, y=top + BAND - 8)
        for column, crop in enumerate(crops.values()):
            left = GAP + column * (wide + GAP)
            page[top + BAND : top + BAND + high, left : left + wide] = crop
    return page


def small_jpeg(image: np.ndarray) -> bytes:
    """Return (H, W, 3) uint8 as a JPEG of at most `MOST_BYTES`, as good as that allows.

    Raises:
        ValueError: no quality makes it as small.
    """
    for quality in range(92, 20, -4):
        given = [cv2.IMWRITE_JPEG_QUALITY, quality]
        _, content = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), given)
        if content.nbytes <= MOST_BYTES:
            return content.tobytes()
    raise ValueError(f"a picture of {image.shape[1]} x {image.shape[0]} is too large for its limit")


def _write(page: np.ndarray, text: str, *, x: int, y: int) -> None:
    cv2.putText(page, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (40, 40, 40), 1, cv2.LINE_AA)
