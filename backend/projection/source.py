"""A still made ready to be projected.

A renderer mixes the colours of both sides into the pixels along a silhouette. Carried to another
view, where the two sides part, such a pixel would draw a line of the wrong colour: the halo every
naive projection has. So along silhouettes each pixel gets the colour of its own side, taken from
the nearest pixels of the same surface that are not mixed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from ..wire import Camera
from .surface import JUMP, describe_surface, edges, grow, inverse_depth

REACH = 2  # how far clean pixels of the same surface are looked for


@dataclass(frozen=True, slots=True)
class Source:
    """One still on a device.

    Attributes:
        camera: Its camera, in pixels of the shot's size.
        picture: (3, h, w) display values 0 to 1 at full resolution, whatever that is.
        pure: (3, H, W) at the shot's size, along silhouettes with the colour of one side only.
        surface: (4, H, W) of `describe_surface`.
        near_edge: (H, W) bool: within reach of a sample across a silhouette.
        offered: (H, W) bool: pixels that other frames may take; None for all of them.
    """

    camera: Camera
    picture: torch.Tensor
    pure: torch.Tensor
    surface: torch.Tensor
    near_edge: torch.Tensor
    offered: torch.Tensor | None = None

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
    surface = describe_surface(inverse_depth(depth, device=device))
    picture = torch.from_numpy(pixels).to(device).permute(2, 0, 1).contiguous()
    return make_source(picture, surface, camera)


def make_source(
    picture: torch.Tensor,
    surface: torch.Tensor,
    camera: Camera,
    *,
    offered: torch.Tensor | None = None,
) -> Source:
    """Make a picture (3, h, w) ready whose surface (4, H, W) is known; see `Source`."""
    mixed = edges(surface)
    return Source(
        camera=camera,
        picture=picture,
        pure=_unmix(resize(picture, surface.shape[1:]), surface, mixed),
        surface=surface,
        near_edge=grow(mixed, 1),
        offered=offered,
    )


def resize(picture: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return the picture (C, h, w) at (height, width): area mean down, bicubic up."""
    if picture.shape[1:] == tuple(size):
        return picture
    if picture.shape[1] > size[0]:
        return functional.interpolate(picture[None], size=tuple(size), mode="area")[0]
    larger = functional.interpolate(
        picture[None], size=tuple(size), mode="bicubic", align_corners=False
    )
    return larger[0].clamp_(0, 1)


def _unmix(picture: torch.Tensor, surface: torch.Tensor, mixed: torch.Tensor) -> torch.Tensor:
    """Return the picture with the colour of its own surface on every mixed pixel.

    Where a surface has no clean pixel in reach (a wire, a leaf) its pixels stay as they are.
    """
    rows, columns = torch.nonzero(mixed, as_tuple=True)
    padded = functional.pad(
        torch.cat([picture, surface[:3], (~mixed)[None].to(picture.dtype)]), (REACH,) * 4
    )
    own = surface[0, rows, columns]
    colour = torch.zeros(3, len(rows), dtype=picture.dtype, device=picture.device)
    total = torch.zeros_like(own)
    for down in range(-REACH, REACH + 1):
        for right in range(-REACH, REACH + 1):
            there = padded[:, rows + (REACH + down), columns + (REACH + right)]
            expected = there[3] - there[4] * right - there[5] * down
            same = (expected - own).abs() <= JUMP * torch.maximum(own, there[3])
            share = same * there[6] / (right * right + down * down + 0.1)
            colour += there[:3] * share
            total += share
    found = total > 0
    result = picture.clone()
    result[:, rows[found], columns[found]] = colour[:, found] / total[found]
    return result
