"""Where rays start and go: a camera's, and the parallel ones of a light."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ...wire import Camera
from .atlas import Atlas
from .shapes import Kind, Material, Shape, hit

_CV_TO_GL = np.diag([1.0, -1.0, -1.0])
Window = tuple[slice, slice, slice]


@dataclass(frozen=True, slots=True)
class View:
    """A picture's rays.

    Attributes:
        position: (3,) of the camera, or a point in the middle of a light's first plane.
        rotation: (3, 3), columns are right, down and forward in the world.
        focal: Pixels; for parallel rays pixels a metre.
        centre: (cx, cy) pixels.
        size: (width, height) pixels.
        parallel: Whether all rays go forward.
    """

    position: np.ndarray
    rotation: np.ndarray
    focal: float
    centre: tuple[float, float]
    size: tuple[int, int]
    parallel: bool = False

    def camera(self, turn: np.ndarray) -> Camera:
        """Return the wire's camera, with the whole world turned by `turn` (3, 3)."""
        matrix = np.eye(4)
        matrix[:3, :3] = turn @ self.rotation @ _CV_TO_GL
        matrix[:3, 3] = turn @ self.position
        rows = tuple(tuple(float(value) for value in row) for row in matrix)
        return Camera(self.focal, self.focal, *self.centre, rows)

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return pixels (N, 2) and depth (N,) of world points (N, 3) in front of it."""
        local = (points - self.position) @ self.rotation
        depth = local[:, 2]
        scale = self.focal if self.parallel else self.focal / np.maximum(depth, 1e-9)[:, None]
        return local[:, :2] * scale + np.array(self.centre), depth

    def window(self, shape: Shape) -> Window | None:
        """Return the pixels that a shape may cover, None if it is out of the picture."""
        width, height = self.size
        everything = (slice(None), slice(0, height), slice(0, width))
        if shape.kind == Kind.ROOM:
            return everything
        pixels, depth = self.project(shape.corners())
        if not self.parallel:
            if (depth < 0.02).all():
                return None
            if (depth < 0.02).any():
                return everything
        low = np.floor(pixels.min(0) - 1).clip(0, self.size).astype(int)
        high = np.ceil(pixels.max(0) + 1).clip(0, self.size).astype(int)
        if (high <= low).any():
            return None
        return (slice(None), slice(low[1], high[1]), slice(low[0], high[0]))


@dataclass(frozen=True, slots=True)
class Hits:
    """What rays meet first.

    Attributes:
        origin: (3, 1, 1, 1) or (3, S, H, W).
        direction: (3, S, H, W) or (3, 1, 1, 1); its forward part is 1, so that depth is planar.
        depth: (S, H, W), inf where nothing is met.
        number: (S, H, W) int16, place in the scene's shapes, -1 for none.
    """

    origin: torch.Tensor
    direction: torch.Tensor
    depth: torch.Tensor
    number: torch.Tensor


def trace(
    view: View,
    shapes: Sequence[Shape],
    materials: Sequence[Material],
    atlas: Atlas,
    *,
    offsets: Sequence[tuple[float, float]] = ((0.0, 0.0),),
    device: torch.device,
) -> Hits:
    """Find the first shape on every ray.

    Args:
        view: The rays.
        shapes: What they may meet.
        materials: The scene's.
        atlas: The scene's.
        offsets: (S) places from each pixel's centre, in pixels.
        device: Where to compute.
    """
    width, height = view.size
    shift = torch.tensor(offsets, dtype=torch.float32, device=device)
    u = torch.arange(width, device=device) + (0.5 - view.centre[0])
    v = torch.arange(height, device=device) + (0.5 - view.centre[1])
    x = (u[None, None, :] + shift[:, 0, None, None]) / view.focal
    y = (v[None, :, None] + shift[:, 1, None, None]) / view.focal
    right, down, forward = torch.from_numpy(view.rotation.T).to(device, torch.float32)[
        ..., None, None, None
    ]
    position = torch.from_numpy(view.position).to(device, torch.float32)[:, None, None, None]
    plane = right * x + down * y
    if view.parallel:
        origin, direction = position + plane, forward
    else:
        origin, direction = position, plane + forward
    depth = torch.full((len(offsets), height, width), torch.inf, device=device)
    number = torch.full(depth.shape, -1, dtype=torch.int16, device=device)
    for place, shape in enumerate(shapes):
        window = view.window(shape)
        if window is None:
            continue
        turn = torch.from_numpy(shape.rotation.T).to(device, torch.float32)
        centre = torch.from_numpy(shape.centre).to(device, torch.float32)[:, None]
        begin = origin if not view.parallel else origin[:, *window]
        way = direction if view.parallel else direction[:, *window]
        met = hit(
            shape,
            turn @ (begin.reshape(3, -1) - centre),
            turn @ way.reshape(3, -1),
            material=materials[shape.materials[2]],
            atlas=atlas,
        )
        there = depth[window]
        met = met.view(there.shape)
        nearer = met < there
        there.copy_(torch.minimum(met, there))
        number[window].masked_fill_(nearer, place)
    return Hits(origin, direction, depth, number)
