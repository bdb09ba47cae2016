"""What the projection is measured against: other ways to sample, and other ways to fill."""

from __future__ import annotations

import cv2
import numpy as np


def push_pull(colour: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Fill holes with plain push-pull, which knows no depth.

    Args:
        colour: (H, W, 3) float, 0 to 1.
        seen: (H, W) bool.

    Returns:
        (H, W, 3) float.
    """
    levels = [(colour * seen[..., None], seen.astype(np.float64))]
    while max(levels[-1][1].shape) > 1:
        total, weight = levels[-1]
        pad = ((0, weight.shape[0] % 2), (0, weight.shape[1] % 2))
        weight = _sum_blocks(np.pad(weight, pad)[..., None])[..., 0]
        total = _sum_blocks(np.pad(total, (*pad, (0, 0))))
        most = np.maximum(weight, 1.0)
        levels.append((total / most[..., None], weight / most))
    filled = levels[-1][0]
    for total, weight in levels[-2::-1]:
        above = cv2.resize(filled, weight.shape[::-1], interpolation=cv2.INTER_LINEAR)
        filled = total + (1 - weight)[..., None] * above.reshape(total.shape)
    return filled


def telea(image: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Fill holes of (H, W, 3) uint8 by fast marching (Telea 2004), radius 3."""
    return cv2.inpaint(image, (~seen).astype(np.uint8), 3, cv2.INPAINT_TELEA)


def resample(picture: np.ndarray, x: np.ndarray, y: np.ndarray, *, kernel: str) -> np.ndarray:
    """Read (H, W, 3) float32 at pixel positions x, y (H, W): 'bilinear', 'bicubic', 'lanczos'."""
    flags = {
        "bilinear": cv2.INTER_LINEAR,
        "bicubic": cv2.INTER_CUBIC,
        "lanczos": cv2.INTER_LANCZOS4,
    }
    # OpenCV's pixel centres lie on whole numbers.
    return cv2.remap(
        picture,
        (x - 0.5).astype(np.float32),
        (y - 0.5).astype(np.float32),
        flags[kernel],
        borderMode=cv2.BORDER_REPLICATE,
    )


def to_bytes(picture: np.ndarray) -> np.ndarray:
    """Return (H, W, 3) uint8 of values 0 to 1."""
    return np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def _sum_blocks(values: np.ndarray) -> np.ndarray:
    height, width, channels = values.shape
    return values.reshape(height // 2, 2, width // 2, 2, channels).sum((1, 3))
