"""Frames whose depth is known: every pixel is lifted, found in a still and checked there."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..geometry import pixel_transfer
from ..wire import Camera
from .sampling import sample
from .source import Source


@dataclass(frozen=True, slots=True)
class View:
    """What one still shows of a frame.

    Attributes:
        colour: (3, H, W); meaningless where not seen.
        seen: (H, W) bool.
        quality: (H, W) how well it shows it: still pixels per frame pixel, 1 is even.
    """

    colour: torch.Tensor
    seen: torch.Tensor
    quality: torch.Tensor


@dataclass(frozen=True, slots=True)
class Transfer:
    """Where the pixels of one camera lie in another.

    Attributes:
        x: (H, W) pixels of the other camera.
        y: (H, W).
        inverse: (H, W) inverse depth there.
        inside: (H, W) bool: in front of it and inside its picture.
    """

    x: torch.Tensor
    y: torch.Tensor
    inverse: torch.Tensor
    inside: torch.Tensor


def transfer_pixels(inverse: torch.Tensor, camera: Camera, other: Camera) -> Transfer:
    """Move every pixel of `camera`, whose inverse depth (H, W) is given, into `other`."""
    height, width = inverse.shape
    a, b = pixel_transfer(camera, other)
    u = torch.arange(width, device=inverse.device, dtype=torch.float32) + 0.5
    v = torch.arange(height, device=inverse.device, dtype=torch.float32)[:, None] + 0.5
    rows = [
        torch.add(
            float(a[i, 0]) * u + (float(a[i, 1]) * v + float(a[i, 2])), inverse, alpha=float(b[i])
        )
        for i in range(3)
    ]
    front = rows[2] > 1e-6
    scale = torch.where(front, rows[2], torch.ones_like(rows[2])).reciprocal_()
    x, y = rows[0] * scale, rows[1] * scale
    inside = front & (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return Transfer(x, y, inverse * scale, inside)


def visible(surface: torch.Tensor, moved: Transfer) -> torch.Tensor:
    """Return where (H, W) the points of `moved` are the surface that the still shows there.

    The still's pixel that contains the point answers: its inverse depth, carried to the exact
    position along its own slope (exact on planes), must agree.
    """
    height, width = surface.shape[1:]
    column = moved.x.clamp(0, width - 1).to(torch.int64)
    row = moved.y.clamp(0, height - 1).to(torch.int64)
    there = surface.flatten(1)[:, (row * width + column).flatten()].view(4, height, width)
    expected = there[0] + there[1] * (moved.x - column - 0.5) + there[2] * (moved.y - row - 0.5)
    return moved.inside & ((expected - moved.inverse).abs() <= there[3])


def look_up(source: Source, inverse: torch.Tensor, camera: Camera) -> View:
    """Return what `source` shows of the frame with this camera and inverse depth (H, W)."""
    moved = transfer_pixels(inverse, camera, source.camera)
    seen = visible(source.surface, moved)
    colour = sample(source.picture, moved.x, moved.y, size=source.size)
    return View(colour, seen, torch.ones_like(inverse))
