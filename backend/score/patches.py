"""Does it look like the scene, wherever things stand: statistics of small patches.

The sliced Wasserstein distance (Rabin et al. 2011; on image patches: Karras et al. 2018) between
the 7x7 luma patches of the take and of the truth, their mean removed, at full and at half size.
Patches lie wholly inside the region. The same places are taken from both, at most 40,000 in all,
drawn with a fixed seed; each set is projected on 128 fixed random directions of unit length, and
the mean absolute difference of the sorted projections is averaged. The unit is 8-bit levels; 0 is
the same statistics. Blur and noise both raise it, a shift of the picture hardly does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from .values import REGIONS, Masks, Regional

SIDE = 7
MOST = 40_000
LEAST = 100  # patches; fewer say nothing about statistics
DIRECTIONS = 128
SEED = 7

PatchSets = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""Patches (N, 49) of the take and of the truth, from the same places, by region."""


def draw_patches(
    take: np.ndarray, truth: np.ndarray, masks: Masks, *, most: int, seed: int
) -> PatchSets:
    """Draw at most `most` patches of each region from the luma (H, W) of a frame and its truth."""
    random = np.random.default_rng([SEED, seed])
    sets = {}
    for region, mask in masks.items():
        places = _corners(mask)
        if len(places) > most:
            places = random.choice(places, most, replace=False, shuffle=False)
        sets[region] = _patches(take, places), _patches(truth, places)
    return sets


def patch_distance(frames: Sequence[PatchSets]) -> Regional:
    """Return the distance of all frames by region in 8-bit levels, None with too few patches."""
    directions = np.random.default_rng(SEED).normal(size=(SIDE * SIDE, DIRECTIONS))
    directions -= directions.mean(axis=0)
    directions = (directions / np.linalg.norm(directions, axis=0)).astype(np.float32)
    values: dict[str, float | None] = {}
    for region in REGIONS:
        sets = [frame[region] for frame in frames if region in frame]
        if sum(len(take) for take, _ in sets) < LEAST:
            continue
        # One direction a row: sorting runs along memory.
        take, truth = (
            np.sort(directions.T @ np.concatenate(clip).T, axis=1)
            for clip in zip(*sets, strict=True)
        )
        values[region] = float(abs(take - truth).mean(dtype=np.float64) * 255)
    return Regional.of(values)


def halve(picture: np.ndarray) -> np.ndarray:
    """Return the means of 2x2 pixels of a map (H, W); an odd last row or column is left out."""
    height, width = (side // 2 for side in picture.shape)
    even = picture[: 2 * height, : 2 * width]
    return even.reshape(height, 2, width, 2).mean(axis=(1, 3), dtype=np.float32)


def halve_masks(masks: Masks) -> Masks:
    """Return regions at half size: a pixel is in one when all four of it are."""
    return {region: halve(mask) == 1 for region, mask in masks.items()}


def _corners(mask: np.ndarray) -> np.ndarray:
    """Return the top left corners (N, 2), row and column, of all patches inside a region."""
    if min(mask.shape) < SIDE:
        return np.empty((0, 2), np.intp)
    inside = cv2.erode(
        mask.astype(np.uint8),
        np.ones((SIDE, SIDE), np.uint8),
        borderType=cv2.BORDER_CONSTANT,
        borderValue=0,
    )
    return np.argwhere(inside) - SIDE // 2


def _patches(picture: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Return patches (N, 49) float32 with their mean removed."""
    if not len(corners):  # a picture smaller than a patch has no windows
        return np.empty((0, SIDE * SIDE), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(picture, (SIDE, SIDE))
    patches = windows[corners[:, 0], corners[:, 1]].reshape(-1, SIDE * SIDE)
    return patches - patches.mean(axis=1, keepdims=True)
