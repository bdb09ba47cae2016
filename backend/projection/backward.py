"""Frames whose depth is known: every pixel is lifted, found in a still and checked there."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from ..geometry import pixel_transfer
from ..wire import Camera
from .sampling import MINIFIED, sample, sample_area, sample_surface
from .source import Source
from .surface import JUMP

EDGE_TRUST = 0.5  # how much a colour from beside a silhouette counts against a clean one


@dataclass(frozen=True, slots=True)
class View:
    """What one still shows of a frame.

    Attributes:
        colour: (3, H, W); meaningless where not seen.
        seen: (H, W) bool.
        quality: (H, W) how well it shows it, 0 to 1.
        mixed: (H, W) bool: a silhouette here as there, as softly as the still's own.
    """

    colour: torch.Tensor
    seen: torch.Tensor
    quality: torch.Tensor
    mixed: torch.Tensor

    def without(self, gone: torch.Tensor) -> View:
        """Return the same view with the pixels `gone` (H, W) bool not seen."""
        return replace(self, seen=self.seen & ~gone)


@dataclass(frozen=True, slots=True)
class Places:
    """Which pixels of a frame are asked for, where it is not all of them.

    Attributes:
        u: (h, w), or what broadcasts to it: their centres, to the right.
        v: The same, down.
        size: Width and height of the frame.
    """

    u: torch.Tensor
    v: torch.Tensor
    size: tuple[int, int]

    @classmethod
    def whole(cls, map_: torch.Tensor) -> Places:
        """Return all pixels of a map (H, W)."""
        height, width = map_.shape
        u = torch.arange(width, device=map_.device, dtype=torch.float32) + 0.5
        v = torch.arange(height, device=map_.device, dtype=torch.float32)[:, None] + 0.5
        return cls(u, v, (width, height))

    @classmethod
    def listed(cls, cells: torch.Tensor, size: tuple[int, int]) -> Places:
        """Return the pixels with the numbers `cells` (N,), counted row by row, as (1, N)."""
        row = torch.div(cells, size[0], rounding_mode="floor")
        return cls((cells - row * size[0] + 0.5)[None], (row + 0.5)[None], size)


@dataclass(frozen=True, slots=True)
class Transfer:
    """Where the pixels of one camera lie in another.

    Attributes:
        x: (H, W) pixels of the other camera.
        y: (H, W).
        inverse: (H, W) inverse depth there.
        inside: (H, W) bool: in front of it and inside its picture.
        scale: (H, W) depth here divided by depth there.
    """

    x: torch.Tensor
    y: torch.Tensor
    inverse: torch.Tensor
    inside: torch.Tensor
    scale: torch.Tensor


def transfer_pixels(
    surface: torch.Tensor, camera: Camera, other: Camera, places: Places | None = None
) -> Transfer:
    """Move pixels of `camera` into `other` (`geometry.pixel_transfer`).

    Args:
        surface: (4, h, w) of `describe_surface`, seen from `camera`.
        camera: Camera of the pixels.
        other: Camera they are looked for in, of the same size.
        places: Where the pixels of `surface` are; None where it is the whole frame.
    """
    inverse = surface[0]
    places = places or Places.whole(inverse)
    u, v, (width, height) = places.u, places.v, places.size
    a, b = (matrix.tolist() for matrix in pixel_transfer(camera, other))
    h = [torch.add(a[i][0] * u + (a[i][1] * v + a[i][2]), inverse, alpha=b[i]) for i in range(3)]
    front = h[2] > 1e-6
    scale = torch.where(front, h[2], 1.0).reciprocal_()
    x, y = h[0] * scale, h[1] * scale
    inside = front & (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return Transfer(x, y, inverse * scale, inside, scale)


def jacobian_of(
    moved: Transfer, surface: torch.Tensor, camera: Camera, other: Camera
) -> torch.Tensor:
    """Return (4, H, W) dx/du, dx/dv, dy/du, dy/dv of a transfer, along the surface."""
    a, b = (matrix.tolist() for matrix in pixel_transfer(camera, other))
    columns = []
    for place, row in ((moved.x, 0), (moved.y, 1)):
        for axis, slope in ((0, surface[1]), (1, surface[2])):
            # The quotient rule for h[row] / h[2], whose parts have the slopes a + b * slope.
            top = slope * b[row] + a[row][axis]
            bottom = slope * b[2] + a[2][axis]
            columns.append(top.sub_(bottom.mul_(place)).mul_(moved.scale))
    return torch.stack(columns)


def cells_of(moved: Transfer, size: tuple[int, int]) -> torch.Tensor:
    """Return the numbers (h, w) of the pixels that contain the points, counted row by row."""
    column = moved.x.clamp(0, size[0] - 1).to(torch.int64)
    return moved.y.clamp(0, size[1] - 1).to(torch.int64) * size[0] + column


def visible(surface: torch.Tensor, moved: Transfer) -> torch.Tensor:
    """Return where (h, w) the points of `moved` are the surface that the other camera shows there.

    The pixel that contains the point answers: its inverse depth, carried to the exact position
    along its own slope (exact on planes), must agree.

    Args:
        surface: (4, H, W) of `describe_surface`, seen from the other camera.
        moved: Points in that camera.
    """
    height, width = surface.shape[1:]
    column = moved.x.clamp(0, width - 1).to(torch.int64)
    row = moved.y.clamp(0, height - 1).to(torch.int64)
    there = surface.flatten(1)[:, (row * width + column).flatten()].view(4, *row.shape)
    expected = there[0] + there[1] * (moved.x - column - 0.5) + there[2] * (moved.y - row - 0.5)
    return moved.inside & ((expected - moved.inverse).abs() <= there[3])


def shows(source: Source, surface: torch.Tensor, camera: Camera, places: Places) -> torch.Tensor:
    """Return which (h, w) of the pixels `places` a source shows and offers; see `look_up`."""
    moved = transfer_pixels(surface, camera, source.camera, places)
    return _seen(source, moved, cells_of(moved, source.size))


def look_up(
    source: Source,
    surface: torch.Tensor,
    silhouette: torch.Tensor,
    camera: Camera,
    places: Places | None = None,
) -> View:
    """Return what `source` shows of a frame, or of some of its pixels.

    Args:
        source: The still.
        surface: (4, h, w) of `describe_surface`, of the frame.
        silhouette: (h, w) bool of `edges`, of the frame.
        camera: The frame's camera.
        places: Where the pixels of `surface` are; None where it is the whole frame.
    """
    moved = transfer_pixels(surface, camera, source.camera, places)
    own = cells_of(moved, source.size)
    seen = _seen(source, moved, own)
    width = source.size[0]
    edge = source.near_edge.flatten()[own] & seen
    colour = sample(source.picture, moved.x, moved.y, size=source.size)
    jacobian = jacobian_of(moved, surface, camera, source.camera)
    area = (jacobian[0] * jacobian[3] - jacobian[1] * jacobian[2]).abs_()
    density = area.sqrt_().mul_(source.picture.shape[2] / width)
    flat = colour.flatten(1)
    small = torch.nonzero((seen & (density > MINIFIED)).flatten())[:, 0]
    flat[:, small] = sample_area(
        source.picture,
        moved.x.flatten()[small],
        moved.y.flatten()[small],
        jacobian=jacobian.flatten(1)[:, small],
        size=source.size,
    )
    beside = torch.nonzero((edge & ~silhouette).flatten())[:, 0]
    flat[:, beside] = sample_surface(
        source.pure,
        source.surface,
        moved.x.flatten()[beside],
        moved.y.flatten()[beside],
        moved.inverse.flatten()[beside],
        tolerance=JUMP,
    )
    quality = density.clamp_(0, 1) * torch.where(edge, EDGE_TRUST, 1.0)
    return View(colour, seen, quality, edge & silhouette)


def _seen(source: Source, moved: Transfer, cells: torch.Tensor) -> torch.Tensor:
    seen = visible(source.surface, moved)
    return seen if source.offered is None else seen & source.offered.flatten()[cells]
