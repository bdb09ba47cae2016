"""What a scene gives to the training: one frame as the projection makes it, and the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Example:
    """One frame of a shot, with its still already projected into it.

    Attributes:
        filled: (3, H, W) uint8 display values: the projection's frame, its holes filled by it and
            then by `spread_surfaces`.
        truth: (3, H, W) uint8: what a camera sees there.
        generated: (H, W) uint8: 255 is unseen, between is a share.
        inverse: (H, W) float32: inverse depth divided by the largest `nearest_inverse` of the
            shot; 0 is the sky.
    """

    filled: np.ndarray
    truth: np.ndarray
    generated: np.ndarray
    inverse: np.ndarray
