"""A coloured point cloud from pictures with known depth, as a binary PLY file."""

from __future__ import annotations

import numpy as np

from ..geometry import unproject
from ..wire import Camera

MOST = 100_000
_HEADER = """ply
format binary_little_endian 1.0
comment {comment}
element vertex {count}
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
end_header
"""
_VERTEX = np.dtype([("position", "<f4", 3), ("color", "u1", 3)])


class Points:
    """Gathers points, the same number of each picture, the same ones every time."""

    def __init__(self, pictures: int) -> None:
        """Take the number of pictures that have depth."""
        self._each = MOST // max(1, pictures)
        self._random = np.random.default_rng(0)
        self._parts: list[np.ndarray] = []

    def add(self, depth: np.ndarray, image: np.ndarray, camera: Camera) -> None:
        """Add points of a picture.

        Args:
            depth: (h, w) float32, planar metres, +inf for no hit.
            image: (H, W, 3) uint8, of the same view in any size.
            camera: In pixels of `depth`.
        """
        rows, columns = np.nonzero(np.isfinite(depth))
        chosen = self._random.permutation(len(rows))[: self._each]
        rows, columns = rows[chosen], columns[chosen]
        part = np.empty(len(rows), _VERTEX)
        part["position"] = unproject(depth, camera)[rows, columns]
        down, across = image.shape[0] / depth.shape[0], image.shape[1] / depth.shape[1]
        part["color"] = image[
            ((rows + 0.5) * down).astype(int), ((columns + 0.5) * across).astype(int)
        ]
        self._parts.append(part)

    def encode(self, comment: str) -> bytes | None:
        """Return the PLY file in metres, in the axes of the cameras' world; None without points."""
        points = np.concatenate(self._parts) if self._parts else np.empty(0, _VERTEX)
        if not len(points):
            return None
        header = _HEADER.format(
            comment=comment.encode("ascii", "replace").decode(), count=len(points)
        )
        return header.encode("ascii") + points.tobytes()
