"""Where a surface point lies in another view, and whether that view shows it.

This is the scorer's own test, written apart from `projection` so that no model grades itself. It
needs the depth of both views and nothing else.

A pixel of known depth is moved to the other camera (`geometry.pixel_transfer`; inverse depth, so
that the sky is an ordinary value). There its inverse depth w is compared with that of the four
pixels around the place it lands on. Along any plane inverse depth is affine in the pixel
(Hartley and Zisserman, 13.1), so each of the four is carried on along its own slope to the place
itself; the slope is the smaller of the two one-sided differences, 0 where their signs differ, so
it never reaches across the edge of a surface. A difference counts above 0.5 % of w plus a quarter
of the slope. The four votes are weighted as in bilinear sampling:

    VISIBLE    more than half lie on the point's own surface
    HIDDEN     at least half lie in front of the point, or it lands outside the picture or behind
               the camera
    UNSURE     anything else: edges of thin things, the half pixel around the picture's border, and
               points in front of everything the other view shows (something moved there)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..geometry import inverse_depth, pixel_centres, pixel_transfer
from ..wire import Camera

UNSURE, VISIBLE, HIDDEN = 0, 1, 2

TOLERANCE = 0.005  # share of the inverse depth
SLOPE_TOLERANCE = 0.25  # share of the change of inverse depth from pixel to pixel
ROUNDING = 1e-3  # pixels; a camera that does not move lands on the border exactly


@dataclass(frozen=True, slots=True)
class Landing:
    """Where points land in a view.

    Attributes:
        u: Horizontal pixel coordinate (...), float64; NaN behind the camera.
        v: Vertical pixel coordinate (...), y down.
        inverse: Inverse depth (...) in that view; 0 for the sky, NaN behind the camera.
    """

    u: np.ndarray
    v: np.ndarray
    inverse: np.ndarray


@dataclass(frozen=True, slots=True)
class Surface:
    """The inverse depth (H, W) of a view and its slope along x and y, all float32."""

    inverse: np.ndarray
    slope_x: np.ndarray
    slope_y: np.ndarray

    @classmethod
    def of(cls, depth: np.ndarray) -> Surface:
        """Make the surface of planar depth (H, W), +inf where nothing is hit."""
        inverse = inverse_depth(depth.astype(np.float32))
        return cls(inverse, _slope(inverse, axis=1), _slope(inverse, axis=0))


def land(depth: np.ndarray, source: Camera, target: Camera, *, step: int = 1) -> Landing:
    """Return where the pixels of `source` land in `target`.

    Args:
        depth: Planar depth (H, W) of `source`, +inf where nothing is hit.
        source: Camera of the pixels.
        target: Camera of the view they land in.
        step: Take every `step`-th row and column only.
    """
    height, width = depth.shape
    pixels = pixel_centres(width, height)[::step, ::step]
    inverse = inverse_depth(depth[::step, ::step].astype(np.float64))
    a, b = pixel_transfer(source, target)
    x, y, z = np.moveaxis(pixels @ a[:, :2].T + a[:, 2] + inverse[..., None] * b, -1, 0)
    z = np.where(z > 0, z, np.nan)
    return Landing(x / z, y / z, inverse / z)


def visibility(landing: Landing, surface: Surface) -> np.ndarray:
    """Return VISIBLE, HIDDEN or UNSURE (uint8) for every landing point."""
    height, width = surface.inverse.shape
    x, y = landing.u - 0.5, landing.v - 0.5
    near = (x >= -1) & (x <= width) & (y >= -1) & (y <= height)  # False for NaN
    inside = (x >= -ROUNDING) & (x <= width - 1 + ROUNDING)
    inside &= (y >= -ROUNDING) & (y <= height - 1 + ROUNDING)
    result = np.where(near, UNSURE, HIDDEN).astype(np.uint8)

    chosen = np.flatnonzero(inside)
    x, y = x.ravel()[chosen], y.ravel()[chosen]
    inverse = landing.inverse.ravel()[chosen]
    left = np.clip(np.floor(x), 0, max(width - 2, 0)).astype(np.intp)
    top = np.clip(np.floor(y), 0, max(height - 2, 0)).astype(np.intp)
    same, front = np.zeros(len(chosen)), np.zeros(len(chosen))
    for across in (0, 1):
        for down in (0, 1):
            column, row = left + across, top + down
            weight = np.clip(1 - abs(x - column), 0, 1) * np.clip(1 - abs(y - row), 0, 1)
            place = np.minimum(row, height - 1) * width + np.minimum(column, width - 1)
            slope_x = surface.slope_x.ravel()[place]
            slope_y = surface.slope_y.ravel()[place]
            there = surface.inverse.ravel()[place]
            there = there + slope_x * (x - column) + slope_y * (y - row)
            allowed = TOLERANCE * np.maximum(there, inverse)
            allowed += SLOPE_TOLERANCE * (abs(slope_x) + abs(slope_y))
            difference = there - inverse
            same += weight * (abs(difference) <= allowed)
            front += weight * (difference > allowed)
    flat = result.reshape(-1)
    flat[chosen[same > 0.5]] = VISIBLE
    flat[chosen[front >= 0.5]] = HIDDEN
    return result


def sample(image: np.ndarray, landing: Landing) -> np.ndarray:
    """Return an image (H, W) or (H, W, C), bilinear, at every landing point; float32.

    Outside the picture the nearest border pixel is repeated; where a point lies behind the camera
    the value has no meaning.
    """
    at = np.nan_to_num(np.stack([landing.v - 0.5, landing.u - 0.5]))
    planes = np.moveaxis(np.atleast_3d(image), -1, 0)
    values = [
        ndimage.map_coordinates(plane, at, output=np.float32, order=1, mode="nearest")
        for plane in planes
    ]
    return values[0] if image.ndim == 2 else np.stack(values, axis=-1)


def wholly_inside(mask: np.ndarray, landing: Landing) -> np.ndarray:
    """Return where all pixels that bilinear sampling would use lie in `mask` (H, W) bool."""
    return sample(mask.astype(np.float32), landing) > 1 - ROUNDING


def _slope(values: np.ndarray, *, axis: int) -> np.ndarray:
    """Return the smaller one-sided difference along an axis, 0 where their signs differ."""
    if values.shape[axis] < 2:
        return np.zeros_like(values)
    steps = np.diff(values, axis=axis)
    first = np.take(steps, [0], axis=axis)
    last = np.take(steps, [-1], axis=axis)
    before = np.concatenate([first, steps], axis=axis)
    after = np.concatenate([steps, last], axis=axis)
    smaller = np.where(abs(before) < abs(after), before, after)
    return np.where(before * after > 0, smaller, np.float32(0))
