"""What is seen, asked for what continues it unseen: the same plane, nearer counting more.

Inverse depth is linear in the pixels of a plane, so whether two pixels share one needs no camera:
each predicts the other's inverse depth along its own slopes. Weights fall with distance^-3
(Shepard, A two-dimensional interpolation function for irregularly-spaced data, 1968).

Work is done at a fraction of the resolution: one known pixel stands for each cell of the frame, and
of what is unseen a pixel asks every half cell; the rest lies between those. An answer comes from no
farther than `_REACH` cells (about 100 pixels of a frame of 832x480), and fades before it ends.

A pixel's place is (5, ...): its inverse depth, the slopes of it to the right and down, row, column.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.nn import functional

from ...projection.surface import describe_surface

SAME = 0.001  # relative difference of inverse depths up to which two pixels share a plane
_LEAST = 0.001  # inverse depth below which differences no longer count as relative
_CELL = 8  # pixels a side of a cell, at least
_CELLS = 104  # along the longer side of a frame, at most
_REACH = 12  # cells to each side of a pixel's own that it is answered by
_FADE = 5  # cells, the last of them, over which an answer fades with its nearest sample
_POWER = 3.0  # of the distance, that weights fall with
_DOUBT = 2.0  # cells of its plane that together are half believed
_AT_ONCE = 2048  # pixels that ask together; some 100 MB


@dataclass(frozen=True, slots=True)
class Samples:
    """What is known, a sample a cell.

    Attributes:
        values: (C, rows, columns) mean over the cell's known pixels on the plane of the sample.
        place: (5, rows, columns) of the known pixel that is nearest to the cell's middle.
        known: (rows, columns) bool: whether there is one.
    """

    values: torch.Tensor
    place: torch.Tensor
    known: torch.Tensor


@dataclass(frozen=True, slots=True)
class Around:
    """Some of the pixels that ask, and the samples around each.

    Attributes:
        place: (5, N) of the pixels.
        near: (5, N, K) places of the samples.
        values: (C, N, K) of the samples.
        known: (N, K) bool: whether there is one.
    """

    place: torch.Tensor
    near: torch.Tensor
    values: torch.Tensor
    known: torch.Tensor

    @property
    def offset(self) -> torch.Tensor:
        """Rows and columns (2, N, K) from the samples to the pixels."""
        return self.place[3:, :, None] - self.near[3:]


class Planes:
    """A frame's planes, some of them unseen in part.

    Attributes:
        cell: Pixels a side of a cell.
        step: Pixels from one that asks to the next.
        asking: Rows and columns of the N pixels that ask.
    """

    def __init__(self, unseen: torch.Tensor, inverse: torch.Tensor) -> None:
        """Lay the cells out.

        Args:
            unseen: (H, W) bool, what asks.
            inverse: (H, W) inverse depth in any unit, 0 for the sky; below `_LEAST` of that unit
                planes are hardly told apart.
        """
        self._unseen = unseen
        self.cell = max(_CELL, -(-max(unseen.shape) // _CELLS))
        self.step = self.cell // 2
        self._places = _places(inverse)
        first = self.step // 2
        rows, columns = torch.nonzero(unseen[first :: self.step, first :: self.step], as_tuple=True)
        self.asking = rows * self.step + first, columns * self.step + first

    def at_asking(self, maps: torch.Tensor) -> torch.Tensor:
        """Return maps (C, H, W) at the N pixels that ask, (C, N)."""
        return maps[:, *self.asking]

    def ask(
        self, values: torch.Tensor, known: torch.Tensor, *, same: float = SAME
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what is known (C, N) of the planes of the pixels that ask, and how sure it is.

        The second is (N,), 0 to 1: 0 where nothing known within reach shares a pixel's plane.

        Args:
            values: (C, H, W), right where known.
            known: (H, W) bool.
            same: Relative difference of inverse depths up to which two pixels share a plane.
        """
        answers = [
            self._answer(around, same)
            for around in self.around(self.sample(values, known, same=same))
        ]
        means, shares = zip(*answers, strict=True)
        return torch.cat(means, dim=1), torch.cat(shares)

    def between(self, answers: torch.Tensor) -> torch.Tensor:
        """Return answers (C, N) for all unseen pixels (C, H, W), 0 elsewhere.

        Bilinear between the four around each, the ones on its own plane before all.
        """
        height, width = self._unseen.shape
        maps = answers.new_zeros(len(answers), height, width)
        maps[:, *self.asking] = answers
        total, result = torch.zeros_like(self._places[0]), torch.zeros_like(maps)
        for down in (0, 1):
            y, across = _lattice(height, self.step, down, maps)
            for right in (0, 1):
                x, along = _lattice(width, self.step, right, maps)
                around = (slice(None), y[:, None], x)
                weight = _alike(self._places, self._places[around], SAME) + 1e-6
                weight = weight * across[:, None] * along * self._unseen[around[1:]]
                total += weight
                result += maps[around] * weight
        return result / total.clamp_min(1e-9)

    def sample(self, values: torch.Tensor, known: torch.Tensor, *, same: float = SAME) -> Samples:
        """Choose a known pixel of every cell, and average what is known of its plane there.

        Args:
            values: (C, H, W), right where known.
            known: (H, W) bool.
            same: As for `ask`.
        """
        planes = torch.cat([self._places, known[None].to(values.dtype), values])
        height, width = known.shape
        cell = self.cell
        planes = functional.pad(planes, (0, -width % cell, 0, -height % cell))
        rows, columns = planes.shape[1] // cell, planes.shape[2] // cell
        cells = planes.view(-1, rows, cell, columns, cell).transpose(2, 3).flatten(3)
        middle = torch.arange(cell, device=values.device) - (cell - 1) / 2
        away = (middle[:, None].square() + middle.square()).flatten()
        nearest = torch.where(cells[5] > 0, away, torch.inf).argmin(-1, keepdim=True)
        chosen = cells[:6].gather(-1, nearest.expand(6, -1, -1, -1))
        weight = _alike(chosen[:5], cells[:5], same) * cells[5]
        mean = (cells[6:] * weight).sum(-1) / weight.sum(-1).clamp_min(1e-6)
        return Samples(mean, chosen[:5, ..., 0], chosen[5, ..., 0] > 0)

    def around(self, samples: Samples) -> Iterator[Around]:
        """Yield the pixels that ask, some at a time and in order, with the samples around them."""
        border = (_REACH,) * 4
        known = functional.pad(samples.known, border).flatten()
        place = functional.pad(samples.place, border).flatten(1)
        values = functional.pad(samples.values, border).flatten(1)
        width = samples.known.shape[1] + 2 * _REACH
        reach = torch.arange(2 * _REACH + 1, device=place.device)
        window = (reach[:, None] * width + reach).flatten()
        for asking in self.at_asking(self._places).split(_AT_ONCE, dim=1):
            corner = (asking[3] // self.cell * width + asking[4] // self.cell).to(torch.int64)
            cells = corner[:, None] + window
            yield Around(asking, place[:, cells], values[:, cells], known[cells])

    def _answer(self, around: Around, same: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the mean (C, N) of the planes that pixels lie on, and how sure it is (N,)."""
        alike = _alike(around.place[:, :, None], around.near, same) * around.known
        away = around.offset.square().sum(0)
        weight = alike * away.clamp_min(1).pow(-_POWER / 2)
        total, support = weight.sum(1), alike.sum(1)
        found = total > torch.finfo(total.dtype).tiny
        mean = (around.values * weight).sum(2) / torch.where(found, total, 1)
        nearest = torch.where(alike > 0.5, away, torch.inf).amin(1).sqrt() / self.cell
        share = support / (support + _DOUBT) * ((_REACH - nearest) / _FADE).clamp(0, 1)
        return mean, torch.where(found, share, 0)


def _places(inverse: torch.Tensor) -> torch.Tensor:
    """Return the places (5, H, W) of all pixels."""
    height, width = inverse.shape
    rows = torch.arange(height, device=inverse.device, dtype=inverse.dtype)
    columns = torch.arange(width, device=inverse.device, dtype=inverse.dtype)
    grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))
    return torch.cat([describe_surface(inverse)[:3], grid])


def _alike(first: torch.Tensor, second: torch.Tensor, same: float) -> torch.Tensor:
    """Return how much (...), 0 to 1, two places (5, ...) lie on one plane."""
    down, right = second[3] - first[3], second[4] - first[4]
    step = second[0] - first[0]
    there = (step - first[1] * right - first[2] * down).square()
    back = (step - second[1] * right - second[2] * down).square()
    unit = same * torch.maximum(first[0], second[0]).clamp_min(_LEAST)
    return torch.exp((there + back) / (-2 * unit.square()))


def _lattice(
    length: int, step: int, after: int, like: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the asking row (or column) before or after each, and its weight; both (length,)."""
    each = torch.arange(length, device=like.device)
    asking = ((each - step // 2).div(step, rounding_mode="floor") + after) * step + step // 2
    weight = 1 - (each - asking).abs().to(like.dtype) / step
    return asking.clamp(0, length - 1), weight * ((asking >= 0) & (asking < length))
