"""Holes are filled from what is seen of the same kind of surface at their own depth.

Everything a hole lies on is known but its colour. So the picture is cut into slices of similar
depth that face the same way (a bilateral grid: Chen, Paris and Durand 2007, with depth and facing
for brightness), and each slice is filled on its own with a push-pull pyramid (Gortler et al., The
Lumigraph, 1996, 3.2). The floor behind a crate is filled from the floor, the wall behind a column
from the wall and never from the column, however large the hole is.

Slices lie at fixed depths, so they do not move with time.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from ..wire import Camera
from .surface import facing

STEP = 0.15  # thickness of a slice, as a share of its depth
SLICES = 80  # per facing
NEAREST = 0.05  # metres; with STEP and SLICES the farthest slice is at 7 km
CELL = 4  # pixels a side of the finest cells: 2 is no better, and four times the work
MOST_CELLS = 60_000  # in a slice; larger pictures get larger cells


def fill_holes(
    colour: torch.Tensor, seen: torch.Tensor, surface: torch.Tensor, camera: Camera
) -> torch.Tensor:
    """Return the picture (C, H, W) with every pixel that is not seen filled.

    Where nothing is seen at all it is black.

    Args:
        colour: (C, H, W) float32.
        seen: (H, W) bool.
        surface: (4, H, W) of `describe_surface`, of the whole frame, its holes too.
        camera: The frame's camera.
    """
    holes = torch.nonzero(~seen.flatten())[:, 0]
    if len(holes) == 0:
        return colour
    position = _slice_position(surface[0])
    position += facing(surface, camera) * SLICES
    wanted = position.flatten()[holes]
    lower = wanted.to(torch.int64)
    used = torch.zeros(3 * SLICES, dtype=torch.bool, device=seen.device)
    used[lower] = True
    used[lower + 1] = True
    row_of = torch.cumsum(used, 0) - 1  # a slice's place among those that holes ask for
    numbers = torch.nonzero(used)[:, 0]
    number = (position + 0.5).to(torch.int64)
    cell = CELL
    while seen.numel() > MOST_CELLS * cell**2:
        cell *= 2
    sums = _cut(colour, seen & used[number], row_of[number], rows=len(numbers), cell=cell)
    slices = _complete(sums, numbers)
    result = colour.flatten(1).clone()
    result[:, holes] = _read(
        slices,
        row_of[lower],
        wanted - lower,
        y=holes // seen.shape[1],
        x=holes % seen.shape[1],
        cell=cell,
    )
    return result.view_as(colour)


def fill_background(
    values: torch.Tensor, seen: torch.Tensor, inverse: torch.Tensor
) -> torch.Tensor:
    """Return values (C, H, W) with holes of unknown depth filled from the far side beside them.

    What opens up when a camera moves is background: a pixel counts by the square of its depth.

    Args:
        values: (C, H, W), colour or inverse depth or both.
        seen: (H, W) bool.
        inverse: (H, W) inverse depth where seen.
    """
    if bool(seen.all()) or not bool(seen.any()):
        return values
    middle = inverse[seen].median().clamp_min(1e-9)
    share = (middle / inverse.clamp_min(1e-12)).square_().clamp_(1e-3, 1) * seen
    return torch.where(seen, values, _push_pull(values[None], share[None, None])[0])


def _slice_position(inverse: torch.Tensor) -> torch.Tensor:
    """Return the slice (H, W) of each inverse depth as a float: 0 is the nearest."""
    ratio = (1 / NEAREST / inverse.clamp_min(1e-12)).log_().div_(STEP)
    return ratio.clamp_(0, SLICES - 1.01)


def _cut(
    colour: torch.Tensor, valid: torch.Tensor, row: torch.Tensor, *, rows: int, cell: int
) -> torch.Tensor:
    """Return sums of colour and count (rows, C + 1, h, w) of the valid pixels of each slice.

    One pixel of every cell at a time, so that no two write to the same place: the order of the sums
    is fixed.
    """
    channels, height, width = colour.shape
    grid = -(-height // cell), -(-width // cell)
    sums = colour.new_zeros(channels + 1, rows * grid[0] * grid[1])
    for top in range(cell):
        for left in range(cell):
            part = (slice(top, None, cell), slice(left, None, cell))
            y, x = torch.nonzero(valid[part], as_tuple=True)
            place = (row[part][y, x] * grid[0] + y) * grid[1] + x
            sums[:-1, place] += colour[:, *part][:, y, x]
            sums[-1, place] += 1
    return sums.view(channels + 1, rows, *grid).transpose(0, 1)


def _complete(sums: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """Fill every slice: (S, C + 1, h, w) of sums and counts to colours (S, C, h, w)."""
    counts = sums[:, -1:]
    colour = sums[:, :-1] / counts.clamp_min(1)
    return _push_pull(colour, counts.clamp_max(1), numbers)


def _push_pull(
    colour: torch.Tensor, weight: torch.Tensor, numbers: torch.Tensor | None = None
) -> torch.Tensor:
    """Return colours (S, C, h, w) completed where their weight (S, 1, h, w) is less than 1.

    Args:
        colour: (S, C, h, w).
        weight: (S, 1, h, w), 0 to 1.
        numbers: (S,) the slices' numbers, to fill a wholly empty slice from the others.
    """
    levels = [(colour, weight)]
    while max(levels[-1][1].shape[2:]) > 1:
        colour, weight = levels[-1]
        total = _halve(weight)
        levels.append((_halve(colour * weight) / total.clamp_min(1e-12), (4 * total).clamp_max(1)))
    filled, weight = levels.pop()
    if numbers is not None:
        filled = torch.lerp(_across(filled, weight, numbers), filled, weight)
    for colour, weight in reversed(levels):
        above = functional.interpolate(
            filled, scale_factor=2, mode="bilinear", align_corners=False
        )[:, :, : weight.shape[2], : weight.shape[3]]
        filled = torch.lerp(above, colour, weight)
    return filled


def _across(colour: torch.Tensor, weight: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """Return for each slice the mean colour (S, C, 1, 1) of the others, the nearest in depth first.

    It matters only for a slice of which nothing is seen anywhere.
    """
    apart = (numbers[:, None] - numbers[None, :]).abs()
    turned = numbers[:, None] // SLICES != numbers[None, :] // SLICES
    apart = torch.where(turned, (apart % SLICES).minimum(SLICES - apart % SLICES) + 2, apart)
    share = weight[None, :, 0, 0, 0] / (1.0 + apart) ** 4
    share = share / share.sum(1, keepdim=True).clamp_min(1e-12)
    return (share @ colour[:, :, 0, 0])[:, :, None, None]


def _read(
    slices: torch.Tensor,
    row: torch.Tensor,
    fraction: torch.Tensor,
    *,
    y: torch.Tensor,
    x: torch.Tensor,
    cell: int,
) -> torch.Tensor:
    """Return colours (C, N) of pixels: bilinear in the plane, linear between two slices."""
    _, channels, height, width = slices.shape
    table = slices.transpose(0, 1).reshape(channels, -1)
    result = table.new_zeros(channels, len(row))
    for near_y, share_y in _neighbours(y, cell, height):
        for near_x, share_x in _neighbours(x, cell, width):
            place = (row * height + near_y) * width + near_x
            both = torch.lerp(table[:, place], table[:, place + height * width], fraction)
            result += both * (share_y * share_x)
    return result


def _neighbours(
    position: torch.Tensor, cell: int, size: int
) -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    """Return the two cells around each pixel along one axis, and their shares."""
    exact = (position + 0.5) / cell - 0.5
    first = exact.floor()
    share = exact - first
    lower = first.to(torch.int64)
    return (lower.clamp(0, size - 1), 1 - share), ((lower + 1).clamp(0, size - 1), share)


def _halve(values: torch.Tensor) -> torch.Tensor:
    """Mean of cells of 2 x 2; an odd edge is padded with nothing."""
    height, width = values.shape[2:]
    if height % 2 or width % 2:
        values = functional.pad(values, (0, width % 2, 0, height % 2))
    rows = values[:, :, ::2] + values[:, :, 1::2]
    return (rows[..., ::2] + rows[..., 1::2]).mul_(0.25)
