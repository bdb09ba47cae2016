"""Colours of seen surfaces, spread over what continues them unseen: what the network starts from.

The projection fills a hole from all that is seen at its depth. Here a pixel takes the mean of what
is seen of its own plane, weighted by distance^-3 (Shepard, A two-dimensional interpolation function
for irregularly-spaced data, 1968). Inverse depth is linear in the pixels of a plane, so whether two
pixels share one needs no camera: each predicts the other's inverse depth along its own slopes.

Work is done at a fraction of the resolution: one seen pixel stands for each cell of the frame, and
of a hole every fourth pixel of every fourth row is asked; the rest lies between those.

A pixel's place is (5, ...): its inverse depth, the slopes of it to the right and down, row, column.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from ...projection.surface import describe_surface, grow

_CELL = 8  # pixels a side of a cell, at least
_CELLS = 104  # along the longer side of a frame, at most
_REACH = 12  # cells to each side of a pixel's own that it takes colours from
_SAME = 0.001  # relative difference of inverse depths up to which two pixels share a plane
_LEAST = 0.001  # inverse depth below which differences no longer count as relative
_POWER = 3.0  # of the distance, that weights fall with
_DOUBT = 2.0  # cells of its plane that together count as much as the projection's own fill
_EDGE = 0.5  # cells from what is seen at which the projection's own fill counts 1 / e
_RINGS = 4  # times `_EDGE`, from where on it counts the same
_AT_ONCE = 2048  # pixels that are asked together; some 100 MB


@dataclass(frozen=True, slots=True)
class _Samples:
    """What is seen, a sample a cell.

    Attributes:
        colour: (3, rows, columns) mean of the cell's seen pixels on the plane of the sample.
        place: (5, rows, columns) of the seen pixel that is nearest to the cell's middle.
        seen: (rows, columns) bool: whether there is one.
        cell: Pixels a side.
    """

    colour: torch.Tensor
    place: torch.Tensor
    seen: torch.Tensor
    cell: int


def spread_surfaces(
    filled: torch.Tensor, generated: torch.Tensor, inverse: torch.Tensor
) -> torch.Tensor:
    """Return the picture (3, H, W) with the broad colours of holes taken from their own planes.

    It stays as it is where nothing seen shares a hole's plane, and close to what is seen.

    Args:
        filled: (3, H, W) display values 0 to 1, holes filled by the projection.
        generated: (H, W) share of colour that no still shows, 0 to 1; where 0, nothing changes.
        inverse: (H, W) inverse depth divided by about the largest of the shot, 0 for the sky.
    """
    unseen = generated > 0
    if not bool(unseen.any()) or bool(unseen.all()):
        return filled
    cell = max(_CELL, -(-max(unseen.shape) // _CELLS))
    step = cell // 2
    places = _places(inverse)
    samples = _sample(filled, places, ~unseen, cell)
    change = torch.zeros_like(filled)
    rows, columns = torch.nonzero(unseen[step // 2 :: step, step // 2 :: step], as_tuple=True)
    rows, columns = rows * step + step // 2, columns * step + step // 2
    for y, x in zip(rows.split(_AT_ONCE), columns.split(_AT_ONCE), strict=True):
        mean, share = _ask(samples, places[:, y, x])
        change[:, y, x] = (mean - filled[:, y, x]) * share
    change = _between(change, places, unseen, step)
    near = torch.exp(-_distance(unseen, round(_RINGS * _EDGE * cell)) / (_EDGE * cell))
    return (filled + change * (1 - near) * generated).clamp(0, 1)


def _places(inverse: torch.Tensor) -> torch.Tensor:
    """Return the places (5, H, W) of all pixels."""
    height, width = inverse.shape
    rows = torch.arange(height, device=inverse.device, dtype=inverse.dtype)
    columns = torch.arange(width, device=inverse.device, dtype=inverse.dtype)
    grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))
    return torch.cat([describe_surface(inverse)[:3], grid])


def _alike(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return how much (...), 0 to 1, two places (5, ...) lie on one plane."""
    down, right = second[3] - first[3], second[4] - first[4]
    step = second[0] - first[0]
    there = (step - first[1] * right - first[2] * down).square()
    back = (step - second[1] * right - second[2] * down).square()
    unit = _SAME * torch.maximum(first[0], second[0]).clamp_min(_LEAST)
    return torch.exp((there + back) / (-2 * unit.square()))


def _sample(filled: torch.Tensor, places: torch.Tensor, seen: torch.Tensor, cell: int) -> _Samples:
    """Choose a seen pixel of every cell, and average what is seen of its plane there."""
    planes = torch.cat([filled, places, seen[None].to(filled.dtype)])
    height, width = seen.shape
    planes = functional.pad(planes, (0, -width % cell, 0, -height % cell))
    rows, columns = planes.shape[1] // cell, planes.shape[2] // cell
    cells = planes.view(-1, rows, cell, columns, cell).transpose(2, 3).flatten(3)
    middle = torch.arange(cell, device=filled.device) - (cell - 1) / 2
    away = (middle[:, None].square() + middle.square()).flatten()
    nearest = torch.where(cells[-1] > 0, away, torch.inf).argmin(-1, keepdim=True)
    chosen = cells.gather(-1, nearest.expand(len(cells), -1, -1, -1))
    weight = _alike(chosen[3:8], cells[3:8]) * cells[-1]
    colour = (cells[:3] * weight).sum(-1) / weight.sum(-1).clamp_min(1e-6)
    return _Samples(colour, chosen[3:8, ..., 0], chosen[-1, ..., 0] > 0, cell)


def _ask(samples: _Samples, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the colours (3, N) of the planes that places (5, N) lie on, and their share (N,)."""
    border = (_REACH,) * 4
    seen = functional.pad(samples.seen, border).flatten()
    width = samples.seen.shape[1] + 2 * _REACH
    reach = torch.arange(2 * _REACH + 1, device=places.device)
    window = (reach[:, None] * width + reach).flatten()
    corner = (places[3] // samples.cell * width + places[4] // samples.cell).to(torch.int64)
    cells = corner[:, None] + window
    near = functional.pad(samples.place, border).flatten(1)[:, cells]
    colours = functional.pad(samples.colour, border).flatten(1)[:, cells]
    alike = _alike(places[:, :, None], near) * seen[cells]
    away = (near[3:] - places[3:, :, None]).square().sum(0).clamp_min(1)
    weight = alike * away.pow(-_POWER / 2)
    total, support = weight.sum(1), alike.sum(1)
    known = total > torch.finfo(total.dtype).tiny
    mean = (colours * weight).sum(2) / torch.where(known, total, 1)
    return mean, torch.where(known, support / (support + _DOUBT), 0)


def _between(
    change: torch.Tensor, places: torch.Tensor, unseen: torch.Tensor, step: int
) -> torch.Tensor:
    """Return what (3, H, W) was asked at every `step`-th unseen pixel for all of them.

    Bilinear between the four around each, the ones on its own plane before all.
    """
    total = torch.zeros_like(places[0])
    result = torch.zeros_like(change)
    for down in (0, 1):
        y, across = _lattice(unseen.shape[0], step, down, change)
        for right in (0, 1):
            x, along = _lattice(unseen.shape[1], step, right, change)
            around = (slice(None), y[:, None], x)
            weight = _alike(places, places[around]) + 1e-6
            weight = weight * across[:, None] * along * unseen[around[1:]]
            total += weight
            result += change[around] * weight
    return result / total.clamp_min(1e-9)


def _lattice(
    length: int, step: int, after: int, like: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the asked row (or column) before or after each, and its weight; both (length,)."""
    each = torch.arange(length, device=like.device)
    asked = ((each - step // 2).div(step, rounding_mode="floor") + after) * step + step // 2
    weight = 1 - (each - asked).abs().to(like.dtype) / step
    return asked.clamp(0, length - 1), weight * ((asked >= 0) & (asked < length))


def _distance(unseen: torch.Tensor, most: int) -> torch.Tensor:
    """Return the chessboard distance (H, W) of unseen pixels from what is seen, up to a most."""
    distance = torch.zeros(unseen.shape, device=unseen.device)
    seen = ~unseen
    for _ in range(most):
        distance += ~seen
        seen = grow(seen, 1)
    return distance
