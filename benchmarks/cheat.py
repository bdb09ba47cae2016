"""The cheat: a smooth fill with noise painted on the world, as sharp as the truth.

It says nothing true about any hole, but it is neither blurred nor unsteady: a metric that it wins
measures nothing but sharpness and steadiness. The noise is a function of the point in the world
alone: values on a lattice, hashed from its whole coordinates (Perlin 1985, "value noise"), whose
cells are as large as a pixel of the still is at the point's distance, and two, four, ... 32 times
as large, equally strong: the 1/f amplitudes of natural pictures (Field 1987).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from backend.geometry import camera_to_world, camera_to_world_cv, pixel_centres
from backend.score.picture import luma
from backend.wire import Camera

from .rivals import to_bytes

OCTAVES = 6  # measured: each one more takes it nearer to the truth's patches, at 0.1 dB less
SKY = 1e4  # metres: where the sky is painted on
_TABLE = np.random.default_rng(11).standard_normal(1 << 14).astype(np.float32)
_PRIMES = np.array([73856093, 19349663, 83492791], np.int64)  # Teschner et al. 2003


def world_points(depth: np.ndarray, camera: Camera, still: Camera) -> np.ndarray:
    """Return the world points (H, W, 3) of a map of planar depth; the sky is far from the still."""
    pixels = pixel_centres(depth.shape[1], depth.shape[0])
    x = (pixels[..., 0] - camera.cx) / camera.fl_x
    y = (pixels[..., 1] - camera.cy) / camera.fl_y
    pose = camera_to_world_cv(camera)
    rays = np.stack([x, y, np.ones_like(x)], axis=-1) @ pose[:3, :3].T
    hit = np.isfinite(depth)[..., None]
    sky = camera_to_world(still)[:3, 3] + SKY * rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    return np.where(hit, pose[:3, 3] + rays * np.where(hit, depth[..., None], 1.0), sky)


def world_noise(points: np.ndarray, still: Camera, *, octaves: int = OCTAVES) -> np.ndarray:
    """Return noise (N,) float32 of about unit variance at world points (N, 3).

    Args:
        points: In metres.
        still: The camera whose pixels give the size of the finest cells.
        octaves: How many sizes of cells, each twice as large as the one before.
    """
    away = np.linalg.norm(points - camera_to_world(still)[:3, 3], axis=-1)
    level = np.log2(np.maximum(away, 1e-3) / still.fl_x)
    lower = np.floor(level)
    share = level - lower
    total = np.zeros(len(points), np.float32)
    for octave in range(octaves):
        fine = _lattice_noise(points, lower + octave)
        coarse = _lattice_noise(points, lower + octave + 1)
        total += fine * np.sqrt(1 - share) + coarse * np.sqrt(share)
    return total / np.float32(np.sqrt(octaves))


def _lattice_noise(points: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Return noise (N,) linear between the corners of cells of 2**level metres a side."""
    place = points / np.exp2(level)[:, None]
    corner = np.floor(place)
    inside = (place - corner).astype(np.float32)
    corner = corner.astype(np.int64)
    seed = level.astype(np.int64) * 2654435761
    total = np.zeros(len(points), np.float32)
    for number in range(8):
        step = np.array([number & 1, number >> 1 & 1, number >> 2 & 1])
        weight = np.where(step, inside, 1 - inside).prod(axis=1)
        hashed = np.bitwise_xor.reduce((corner + step) * _PRIMES, axis=1) ^ seed
        hashed ^= hashed >> 13
        total += weight * _TABLE[hashed * 1274126177 >> 7 & (len(_TABLE) - 1)]
    return total


def detail(image: np.ndarray) -> np.ndarray:
    """Return |Laplacian| (H, W) of the luma of (H, W, 3) uint8, as the score's sharpness has it."""
    grey = luma(image.astype(np.float32) / 255)
    return abs(cv2.Laplacian(grey, cv2.CV_32F, ksize=1, borderType=cv2.BORDER_REPLICATE))


def sharpen_with_noise(
    filled: Sequence[np.ndarray],
    noise: Sequence[np.ndarray],
    *,
    regions: Sequence[np.ndarray],
    wanted: float,
) -> tuple[list[np.ndarray], float]:
    """Add noise until the frames are as sharp as wanted.

    Args:
        filled: Frames (H, W, 3) uint8.
        noise: (H, W) float32 for each, 0 where nothing may change.
        regions: (H, W) bool for each: the pixels whose sharpness counts.
        wanted: Mean |Laplacian| over the pixels of all regions.

    Returns:
        The frames, and the noise's standard deviation as a share of white.

    Raises:
        ValueError: no amplitude up to white itself makes them as sharp.
    """

    def noisy(amplitude: float) -> list[np.ndarray]:
        return [
            to_bytes(image / 255.0 + amplitude * values[..., None])
            for image, values in zip(filled, noise, strict=True)
        ]

    def sharpness(frames: Sequence[np.ndarray]) -> float:
        parts = [detail(frame)[region] for frame, region in zip(frames, regions, strict=True)]
        return float(np.concatenate(parts).mean())

    low, high = 0.0, 1.0
    if not sharpness(noisy(low)) <= wanted <= sharpness(noisy(high)):
        raise ValueError(f"noise cannot make these frames as sharp as {wanted * 255:.2f} levels")
    for _ in range(14):  # to a hundredth of an 8-bit level
        middle = (low + high) / 2
        low, high = (middle, high) if sharpness(noisy(middle)) < wanted else (low, middle)
    return noisy(high), high
