"""A still made ready to be projected: its picture, its inverse depth, its slopes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from ..wire import Camera


@dataclass(frozen=True, slots=True)
class Source:
    """One still on a device.

    Attributes:
        camera: Its camera, in pixels of the shot's size.
        picture: (3, h, w) display values 0 to 1 at full resolution; any size with the shot's aspect.
        surface: (4, H, W) at the shot's size: inverse depth, its slope a pixel in x and in y, and
            how far a point may be off to count as this surface.
    """

    camera: Camera
    picture: torch.Tensor
    surface: torch.Tensor

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the shot."""
        return self.surface.shape[2], self.surface.shape[1]


def prepare_source(
    pixels: np.ndarray, depth: np.ndarray, camera: Camera, *, device: torch.device
) -> Source:
    """Make a still ready.

    Args:
        pixels: (h, w, 3) float32 display values 0 to 1.
        depth: (H, W) planar depth of the same view, +inf where nothing is hit.
        camera: Its camera, in pixels of (W, H).
        device: Where to compute.
    """
    picture = torch.from_numpy(pixels).to(device).permute(2, 0, 1).contiguous()
    return Source(camera, picture, describe_surface(inverse_depth(depth, device=device)))


def inverse_depth(depth: np.ndarray, *, device: torch.device) -> torch.Tensor:
    """Return 1 / depth (H, W) on the device; +inf becomes 0."""
    return torch.from_numpy(np.ascontiguousarray(depth)).to(device).reciprocal_()


RELATIVE_TOLERANCE = 0.004  # of the inverse depth: well above float32 and half floats in EXR
SLOPE_TOLERANCE = 0.25  # of a pixel's own slope: curvature inside a pixel


def describe_surface(inverse: torch.Tensor) -> torch.Tensor:
    """Return inverse depth, its slopes and its tolerance (4, H, W).

    The slope is the smaller of the two one-sided differences where they agree in sign, else 0
    (minmod): at a silhouette that is the slope on the pixel's own side of the edge.
    """
    slope_x, slope_y = _minmod(inverse, axis=1), _minmod(inverse, axis=0)
    tolerance = RELATIVE_TOLERANCE * inverse
    tolerance += SLOPE_TOLERANCE * (slope_x.abs() + slope_y.abs())
    return torch.stack([inverse, slope_x, slope_y, tolerance])


def _minmod(values: torch.Tensor, *, axis: int) -> torch.Tensor:
    steps = torch.diff(values, dim=axis)
    pad = (1, 0) if axis == 1 else (0, 0, 1, 0)
    mirrored = (0, 1) if axis == 1 else (0, 0, 0, 1)
    before = F.pad(steps, pad)
    after = F.pad(steps, mirrored)
    smaller = torch.where(before.abs() < after.abs(), before, after)
    return torch.where(before * after > 0, smaller, torch.zeros_like(smaller))
