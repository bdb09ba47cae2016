"""Optical flow measured from pictures: DIS (Kroeger et al. 2016, OpenCV), always the same bytes."""

from __future__ import annotations

import cv2
import numpy as np

LEAST_SIDE = 32  # below this DIS has no scale to work on


def measure_flow(first: np.ndarray, second: np.ndarray) -> np.ndarray | None:
    """Return the flow (H, W, 2) in pixels, y down, from `first` to `second`.

    Args:
        first: Luma (H, W), 0 to 1.
        second: The same of the other picture.

    Returns:
        None when the pictures are too small to measure in.
    """
    if min(first.shape) < LEAST_SIDE:
        return None
    estimator = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return estimator.calc(_grey(first), _grey(second), None)


def _grey(luma: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(luma, 0, 1) * 255).astype(np.uint8)
