"""The camera's path as SANA-WM takes it: OpenCV axes, metres, intrinsics of the given picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...geometry import camera_to_world_cv
from ..video.window import WindowFrame


def camera_path(
    frames: Sequence[WindowFrame], *, scale: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return camera-to-world (F, 4, 4) and fx, fy, cx, cy (F, 4) of a window, float32.

    Positions are taken from the first camera's, which the pipeline does as well, but in float32:
    far from the world's origin, that would shake the camera. The principal point of a lens without
    shift is half the picture's size on both sides (the pipeline's own example has it so).

    Args:
        frames: Of the window; their cameras are in pixels of the model's picture.
        scale: Multiplies the way.
    """
    poses = np.stack([camera_to_world_cv(frame.camera) for frame in frames])
    poses[:, :3, 3] = (poses[:, :3, 3] - poses[0, :3, 3]) * scale
    lenses = [
        (frame.camera.fl_x, frame.camera.fl_y, frame.camera.cx, frame.camera.cy) for frame in frames
    ]
    return poses.astype(np.float32), np.array(lenses, dtype=np.float32)
