"""Display values as Y'CbCr planes: BT.709, limited range, 8 or 10 bits, 4:2:0, 4:2:2 or 4:4:4.

Sources: ITU-R BT.709-6, 3 (signal format: the coefficients and 10-bit levels); H.264 (08/2021),
E.2.1 and figure E-1: unless a stream says otherwise, chroma lies on the left one of the two
columns it stands for, and in 4:2:0 between the two rows.
"""

from __future__ import annotations

import cv2
import numpy as np

_KR, _KB = 0.2126, 0.0722


def to_planes(pixels: np.ndarray, *, bits: int, across: int, down: int) -> tuple[np.ndarray, ...]:
    """Return the planes Y', Cb, Cr of a picture.

    Args:
        pixels: (H, W, 3) float32, R'G'B' 0 to 1; H and W multiples of `down` and `across`.
        bits: Bits a sample, 8 or 10.
        across: Columns that one chroma sample stands for, 1 or 2.
        down: Rows that it stands for, 1 or 2.

    Returns:
        (H, W), (H / down, W / across) twice; uint8 for 8 bits, else little-endian uint16.
    """
    planes = cv2.transform(np.clip(pixels, 0, 1), _matrix(bits))
    luma, blue, red = cv2.split(planes)
    kind = np.uint8 if bits == 8 else np.dtype("<u2")
    chroma = (_thin(plane, across=across, down=down) for plane in (blue, red))
    return tuple(np.rint(plane).astype(kind) for plane in (luma, *chroma))


def to_even(pixels: np.ndarray) -> np.ndarray:
    """Return the picture with its last column and row doubled where their number is odd."""
    height, width = pixels.shape[:2]
    return np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def _matrix(bits: int) -> np.ndarray:
    """Return (3, 4) float32: what takes R'G'B' 1 to Y'CbCr in code values."""
    kg = 1 - _KR - _KB
    luma = np.array([_KR, kg, _KB])
    blue = (np.array([0.0, 0.0, 1.0]) - luma) / (2 * (1 - _KB))
    red = (np.array([1.0, 0.0, 0.0]) - luma) / (2 * (1 - _KR))
    unit = 2 ** (bits - 8)
    rows = [(219 * luma, 16), (224 * blue, 128), (224 * red, 128)]
    return unit * np.array([[*row, offset] for row, offset in rows], np.float32)


def _thin(plane: np.ndarray, *, across: int, down: int) -> np.ndarray:
    if across == 2:
        left = np.concatenate((plane[:, :1], plane[:, 1:-1:2]), axis=1)
        plane = (left + 2 * plane[:, 0::2] + plane[:, 1::2]) / 4
    if down == 2:
        plane = (plane[0::2] + plane[1::2]) / 2
    return plane
