"""What a map of inverse depth says about the surfaces in it: slopes, edges, facing."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from ..geometry import camera_to_world_cv
from ..wire import Camera

RELATIVE_TOLERANCE = 0.004  # of the inverse depth: well above float32, and half floats in EXR
SLOPE_TOLERANCE = 0.25  # of a pixel's own slope: curvature inside a pixel
NEAREST_DEPTH = 1e-6  # metres
JUMP = 0.03  # relative step of inverse depth between neighbours that parts two surfaces


def inverse_depth(depth: np.ndarray, *, device: torch.device) -> torch.Tensor:
    """Return 1 / depth (H, W) on the device; +inf becomes 0. The array is left as it is.

    Nothing is nearer than `NEAREST_DEPTH`: the reciprocal of a denormal number is infinite.
    """
    near = torch.from_numpy(np.ascontiguousarray(depth)).to(device)
    return near.reciprocal().clamp_max_(1 / NEAREST_DEPTH)


def describe_surface(inverse: torch.Tensor) -> torch.Tensor:
    """Return inverse depth, its slopes and its tolerance (4, H, W).

    The slope is the smaller of the two one-sided differences where they agree in sign, else 0
    (minmod): at a silhouette that is the slope on the pixel's own side of the edge. At the border
    of the map, where there is one difference, that between the next two pixels is the other.
    """
    slope_x, slope_y = _minmod(inverse, axis=1), _minmod(inverse, axis=0)
    tolerance = RELATIVE_TOLERANCE * inverse
    tolerance += SLOPE_TOLERANCE * (slope_x.abs() + slope_y.abs())
    return torch.stack([inverse, slope_x, slope_y, tolerance])


def edges(surface: torch.Tensor) -> torch.Tensor:
    """Return where (H, W) a pixel and one of its eight neighbours lie on different surfaces.

    Each of the two predicts the other along its own slope; a step beyond JUMP in both predictions
    is an edge. Creases are none: the surface goes on.

    Args:
        surface: (4, H, W) of `describe_surface`.
    """
    height, width = surface.shape[1:]
    result = torch.zeros(height, width, dtype=torch.bool, device=surface.device)
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        left = slice(max(0, -right), width - max(0, right))
        beside = slice(max(0, right), width - max(0, -right))
        first, second = surface[:, : height - down, left], surface[:, down:, beside]
        step = second[0] - first[0]
        off = torch.minimum(
            (step - first[1] * right - first[2] * down).abs(),
            (step - second[1] * right - second[2] * down).abs(),
        )
        apart = off > JUMP * torch.maximum(first[0], second[0])
        result[: height - down, left] |= apart
        result[down:, beside] |= apart
    return result


def grow(mask: torch.Tensor, by: int) -> torch.Tensor:
    """Return the mask (H, W) bool `by` pixels larger on every side."""
    side = 2 * by + 1
    rows = functional.max_pool2d(mask[None].float(), (1, side), stride=1, padding=(0, by))
    return functional.max_pool2d(rows, (side, 1), stride=1, padding=(by, 0))[0] > 0


def facing(surface: torch.Tensor, camera: Camera) -> torch.Tensor:
    """Return which world axis (H, W: 0, 1 or 2) each surface faces most.

    A plane n . p = 1 in camera coordinates has the inverse depth n . K^-1 (u, v, 1), so its slopes
    are n_x / fl_x and n_y / fl_y.

    Args:
        surface: (4, H, W) of `describe_surface`.
        camera: The camera of the map.
    """
    inverse, slope_x, slope_y = surface[:3]
    height, width = inverse.shape
    u = torch.arange(width, device=inverse.device) + (0.5 - camera.cx)
    v = torch.arange(height, device=inverse.device)[:, None] + (0.5 - camera.cy)
    forward = inverse - slope_x * u - slope_y * v
    rotation = camera_to_world_cv(camera)
    best = torch.full_like(inverse, -1.0)
    axis = torch.zeros(inverse.shape, dtype=torch.int64, device=inverse.device)
    for number in range(3):
        x, y, z = (float(entry) for entry in rotation[number, :3])
        along = (slope_x * (x * camera.fl_x) + slope_y * (y * camera.fl_y) + forward * z).abs()
        axis[along > best] = number
        best = torch.maximum(best, along)
    return axis


def _minmod(values: torch.Tensor, *, axis: int) -> torch.Tensor:
    size = values.shape[axis]
    if size == 1:
        return torch.zeros_like(values)
    steps = torch.diff(values, dim=axis)
    first, last = steps.narrow(axis, min(1, size - 2), 1), steps.narrow(axis, max(0, size - 3), 1)
    before, after = torch.cat([first, steps], dim=axis), torch.cat([steps, last], dim=axis)
    smaller = torch.where(before.abs() < after.abs(), before, after)
    return torch.where(before * after > 0, smaller, torch.zeros_like(smaller))
