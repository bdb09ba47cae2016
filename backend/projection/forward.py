"""Frames whose depth is not known: the stills' pixels are carried into them.

Two passes. First every sample leaves its inverse depth in the cell it falls into and the nearest
stays; then samples within a few per cent of it are added to the four cells around them, bilinearly.
The sums are whole numbers, whose order does not matter: the same bytes each time, also on a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from ..geometry import pixel_transfer
from ..wire import Camera
from .backward import Places
from .source import Source
from .surface import JUMP

SIDE = 2  # samples a still pixel's side, so that a surface twice as near still has no cracks
ONE = 2**24  # a whole of colour, in the sums
LEAST = 0.2  # share of a cell's samples without which it counts as a hole


@dataclass(frozen=True, slots=True)
class Splat:
    """What stills show of a frame without depth.

    Attributes:
        colour: (3, H, W); meaningless where not seen.
        seen: (H, W) bool.
        inverse: (H, W) inverse depth; the same.
    """

    colour: torch.Tensor
    seen: torch.Tensor
    inverse: torch.Tensor


def carry(sources: Sequence[Source], camera: Camera) -> Splat:
    """Return what the stills show of the frame with this camera."""
    width, height = sources[0].size
    device = sources[0].surface.device
    nearest = torch.full((height * width,), -1.0, device=device)
    for x, y, inverse, _, _ in _samples(sources, camera):
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        cell = (y[inside].to(torch.int64) * width) + x[inside].to(torch.int64)
        nearest.scatter_reduce_(0, cell, inverse[inside], "amax")
    sums = torch.zeros(5, height * width, dtype=torch.int64, device=device)
    largest = nearest.amax().clamp_min(1e-12)
    for x, y, inverse, spread, colour in _samples(sources, camera):
        values = torch.cat([colour, (inverse / largest)[None], torch.ones_like(inverse)[None]])
        left, top = (x - 0.5).floor(), (y - 0.5).floor()
        for row in (top, top + 1):
            for column in (left, left + 1):
                share = (1 - (y - row - 0.5).abs()) * (1 - (x - column - 0.5).abs())
                cell = (row.clamp(0, height - 1) * width + column.clamp(0, width - 1)).to(
                    torch.int64
                )
                front = inverse + spread >= nearest[cell] * (1 - JUMP)
                front &= (row >= 0) & (row < height) & (column >= 0) & (column < width)
                kept = (values[:, front] * share[front] * ONE).round().to(torch.int64)
                sums.index_add_(1, cell[front], kept)
    total = sums[4]
    seen = total > LEAST * SIDE**2 * ONE
    means = sums[:4].float() / total.clamp_min(1).float()
    means[3] *= largest
    means = means.view(4, height, width)
    return Splat(means[:3], seen.view(height, width), means[3])


def _samples(
    sources: Sequence[Source], camera: Camera
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Yield x, y, inverse depth, its change within a pixel (N,) and colour (3, N) in the frame."""
    for source in sources:
        a, b = (matrix.tolist() for matrix in pixel_transfer(source.camera, camera))
        surface, pure, places = _offered(source)
        inverse, slope_x, slope_y, _ = surface
        for number in range(SIDE**2):
            right = (number % SIDE + 0.5) / SIDE - 0.5
            down = (number // SIDE + 0.5) / SIDE - 0.5
            u, v = places.u + right, places.v + down
            here = (inverse + slope_x * right + slope_y * down).clamp_min(0)
            h = [a[i][0] * u + (a[i][1] * v + a[i][2]) + here * b[i] for i in range(3)]
            front = h[2] > 1e-6
            scale = h[2][front].reciprocal()
            yield (
                h[0][front] * scale,
                h[1][front] * scale,
                here[front] * scale,
                (slope_x.abs() + slope_y.abs())[front] * scale,
                pure[:, front],
            )


def _offered(source: Source) -> tuple[torch.Tensor, torch.Tensor, Places]:
    """Return the surface (4, h, w), the colours (3, h, w) and the places of what may be carried."""
    if source.offered is None:
        return source.surface, source.pure, Places.whole(source.surface[0])
    cells = torch.nonzero(source.offered.flatten())[:, 0]
    return (
        source.surface.flatten(1)[:, None, cells],
        source.pure.flatten(1)[:, None, cells],
        Places.listed(cells, source.size),
    )
