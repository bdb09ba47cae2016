"""Examples side by side, for the eye."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .example import Example
from .make import make_examples


def contact_sheet(seeds: Sequence[int], *, size: int = 256, columns: int = 2) -> np.ndarray:
    """Return a picture (H, W, 3) uint8: filled, mask, truth, depth of each example.

    Args:
        seeds: Scenes.
        size: Pixels a side.
        columns: Examples of a scene, side by side.
    """
    rows = []
    for seed in seeds:
        examples = make_examples(seed, size=size)
        strips = [example_strip(example) for example in examples[:columns]]
        strips += [np.zeros((size, 4 * size, 3), np.uint8)] * (columns - len(strips))
        rows.append(np.concatenate(strips, axis=1))
    return np.concatenate(rows)


def example_strip(example: Example) -> np.ndarray:
    """Return (H, 4 W, 3) uint8: filled, mask, truth, depth."""
    mask = np.repeat(example.generated[..., None], 3, axis=2)
    grey = (255 * np.sqrt(example.inverse.clip(0, 1))).astype(np.uint8)
    depth = np.repeat(grey[..., None], 3, axis=2)
    return np.concatenate(
        [example.filled.transpose(1, 2, 0), mask, example.truth.transpose(1, 2, 0), depth], axis=1
    )
