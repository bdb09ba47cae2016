"""Depth as nerfstudio reads it: millimetres, 0 where it is not known.

Sources: nerfstudio, `nerfstudio_dataparser.py` (`depth_unit_scale_factor` is 0.001 unless told
otherwise) and `data_utils.py`, `get_depth_image_from_path` (.npy, or an image of 16 bits); its
losses leave out pixels whose depth is 0, and take depth along the axis, not along the ray.
"""

from __future__ import annotations

import io

import cv2
import numpy as np

PNG, NPY, NONE = "png", "npy", "none"
KINDS = (PNG, NPY, NONE)
UNIT = 0.001  # metres
_MOST = 65535  # of a 16-bit PNG
_COARSE = 0.1  # metres; half a millimetre is half a percent of it


class DepthFiles:
    """Turns depth into files and keeps what is to be said about all of them."""

    def __init__(self, kind: str, size: tuple[int, int]) -> None:
        """Take the kind of file, `PNG` or `NPY`, and the depth's (W, H)."""
        self._kind = kind
        self._size = size
        self._unknown = 0
        self._pixels = 0
        self._far = 0
        self._least = np.inf

    def encode(self, depth: np.ndarray | None) -> bytes:
        """Return the file of (H, W) float32 metres, +inf for no hit; None for unknown depth."""
        if depth is None:
            self._unknown += 1
            depth = np.full(self._size[::-1], np.inf, np.float32)
        hit = np.isfinite(depth)
        values = np.where(hit, depth, 0) / UNIT
        self._pixels += depth.size
        self._least = min(self._least, float(np.min(depth)))
        if self._kind == NPY:
            stream = io.BytesIO()
            np.save(stream, values.astype(np.float32))
            return stream.getvalue()
        whole = np.where(hit, np.maximum(np.rint(values), 1), 0)
        far = whole > _MOST
        self._far += int(far.sum())
        whole[far] = 0
        return cv2.imencode(".png", whole.astype(np.uint16))[1].tobytes()

    def warnings(self) -> list[str]:
        """Return what is to be said, a sentence each."""
        said = []
        if self._unknown:
            said.append(
                f"The depth of {self._unknown} pictures is not known; their depth files are all 0."
            )
        if self._far:
            said.append(
                f"{self._far / self._pixels:.1%} of the depth lies beyond {_MOST * UNIT:.1f} m,"
                " farther than a 16-bit PNG in millimetres reaches, and is 0 (unknown) there; write"
                " depth as .npy to have it."
            )
        if self._kind == PNG and self._least < _COARSE:
            said.append(
                f"Things are as near as {self._least * 1000:.0f} mm, and depth in a PNG has whole"
                " millimetres; write it as .npy for exact values."
            )
        return said
