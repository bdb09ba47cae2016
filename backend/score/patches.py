"""Does it look like the scene, wherever things stand: statistics of small patches.

The sliced Wasserstein distance (Rabin et al. 2011; on image patches: Karras et al. 2018) between
the 7x7 luma patches of the take and of the truth, their mean removed, at full and at half size.
Patches lie wholly inside the region. The same places are taken from both, at most 40,000 in all,
drawn with a fixed seed; each set is projected on 128 fixed random directions of unit length, and
the mean absolute difference of the sorted projections is averaged. The unit is 8-bit levels; 0 is
the same statistics. Blur and noise both raise it, a shift of the picture hardly does.
"""

from __future__ import annotations

import cv2
import numpy as np

from .picture import luma
from .values import REGIONS, Masks, Regional

SIDE = 7
MOST = 40_000
LEAST = 100  # patches; fewer say nothing about statistics
DIRECTIONS = 128
SEED = 7


class PatchStatistics:
    """Collects patches of the frames, at one scale, and compares the two sets."""

    def __init__(self, *, frames: int, halved: bool) -> None:
        """Prepare for `frames` frames; `halved` looks at half the size."""
        self._most = max(LEAST, MOST // frames)
        self._halved = halved
        self._random = np.random.default_rng(SEED)
        self._take: dict[str, list[np.ndarray]] = {region: [] for region in REGIONS}
        self._truth: dict[str, list[np.ndarray]] = {region: [] for region in REGIONS}

    def add(self, take: np.ndarray, truth: np.ndarray, masks: Masks) -> None:
        """Draw patches from one frame (H, W, 3) float32 and its truth."""
        pictures = luma(take), luma(truth)
        if self._halved:
            pictures = tuple(_half(picture) for picture in pictures)
        for region, mask in masks.items():
            usable = _half(mask.astype(np.float32)) == 1 if self._halved else mask
            places = self._draw(usable)
            self._take[region].append(_patches(pictures[0], places))
            self._truth[region].append(_patches(pictures[1], places))

    def distance(self) -> Regional:
        """Return the distance by region in 8-bit levels, None with fewer than 100 patches."""
        directions = np.random.default_rng(SEED).normal(size=(SIDE * SIDE, DIRECTIONS))
        directions -= directions.mean(axis=0)
        directions = (directions / np.linalg.norm(directions, axis=0)).astype(np.float32)
        values: dict[str, float | None] = {}
        for region in REGIONS:
            if sum(map(len, self._take[region])) < LEAST:
                continue
            take = np.sort(np.concatenate(self._take[region]) @ directions, axis=0)
            truth = np.sort(np.concatenate(self._truth[region]) @ directions, axis=0)
            values[region] = float(abs(take - truth).mean(dtype=np.float64) * 255)
        return Regional.of(values)

    def _draw(self, usable: np.ndarray) -> np.ndarray:
        """Return the top left corners (N, 2) of drawn patches: row, column."""
        whole = cv2.erode(
            usable.astype(np.uint8),
            np.ones((SIDE, SIDE), np.uint8),
            borderType=cv2.BORDER_CONSTANT,
            borderValue=0,
        )
        places = np.argwhere(whole) - SIDE // 2
        if len(places) > self._most:
            places = self._random.choice(places, self._most, replace=False, shuffle=False)
        return places


def _half(picture: np.ndarray) -> np.ndarray:
    """Return the means of 2x2 pixels; an odd last row or column is left out."""
    height, width = (side // 2 for side in picture.shape)
    even = picture[: 2 * height, : 2 * width]
    return even.reshape(height, 2, width, 2).mean(axis=(1, 3))


def _patches(picture: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return patches (N, 49) float32 with their mean removed."""
    if not len(places):
        return np.empty((0, SIDE * SIDE), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(picture, (SIDE, SIDE))
    patches = windows[places[:, 0], places[:, 1]].reshape(-1, SIDE * SIDE)
    return patches - patches.mean(axis=1, keepdims=True)
