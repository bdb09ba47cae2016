"""Depth of holes whose depth nobody knows: the planes beside them go on.

An imported still has no depth but its own, so what a hole shows has to be guessed. Every seen
surface around a hole says how deep it would be there if it went on, and the depth that most of them
agree on is taken, near ones counting more and, as what opens up is background, far ones too: the
samples of a floor agree wherever it slopes to, the leaves before it never do (a Hough transform,
Duda & Hart 1972, of one dimension).
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from ...projection.surface import describe_surface, edges, grow
from .planes import Around, Planes

_CLEAR = 2  # pixels from holes from where on slopes are believed
_BINS = 200  # of inverse depth, evenly in its logarithm
_SIGMA = 1.5  # bins: how far votes agree
_POWER = 3.0  # of the distance, that votes fall with
_LEAST_SHARE = 1e-3  # of a vote, that what is nearest and what would be nearer still keep
_SPAN = 2.0  # times as far as the farthest or as near as the nearest that is seen, at most
_ROUNDS = 12  # each reaches as far beyond the one before as samples are asked


def extend_planes(inverse: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """Return inverse depth (H, W) whose holes continue what is seen beside them.

    It stays as it is where no seen surface would be there.

    Args:
        inverse: (H, W) inverse depth, holes filled somehow, 0 for the sky.
        seen: (H, W) bool.
    """
    device = inverse.device
    # On the CPU, where sums have one order: a seed means the same bytes.
    inverse, known = inverse.cpu(), seen.cpu()
    hit = inverse[known & (inverse > 0)]
    if len(hit) == 0:
        return inverse.to(device)
    votes = _Votes(float(hit.min()), float(hit.max()), float(hit.median()))
    for _ in range(_ROUNDS):
        deep, taken = _extend_once(inverse, known, votes)
        if not bool(taken.any()):
            break
        inverse, known = torch.where(taken, deep, inverse), known | taken
    return inverse.to(device)


def _extend_once(
    inverse: torch.Tensor, known: torch.Tensor, votes: _Votes
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the depth that what is known gives its surroundings, and where (H, W) it does."""
    clear = known & ~grow(~known | edges(describe_surface(inverse)), _CLEAR)
    planes = Planes(~known, inverse)
    samples = planes.sample(inverse.new_empty(0, *inverse.shape), clear)
    found = torch.cat([votes.count(around) for around in planes.around(samples)], dim=1)
    height, width = inverse.shape
    (rows, down), (columns, right) = (_nearest(length, planes.step) for length in (height, width))
    spread = inverse.new_zeros(4, height, width)
    spread[:, *planes.asking] = found
    depth, slope_x, slope_y, voted = spread[:, rows[:, None], columns]
    deep = depth + slope_x * right + slope_y * down[:, None]
    return deep, ~known & (voted > 0) & votes.within(deep)


class _Votes:
    """Counts for what inverse depth the samples around each pixel are."""

    def __init__(self, least: float, most: float, middle: float) -> None:
        """Lay the bins out; all three are seen inverse depths above 0."""
        self._nearest, self._middle = most, middle
        self._least, self._most = least / _SPAN, most * _SPAN
        self._scale = (_BINS - 2) / math.log(self._most / self._least)

    def within(self, inverse: torch.Tensor) -> torch.Tensor:
        """Return which inverse depths are the sky's or about as deep as something that is seen."""
        return (inverse == 0) | ((inverse > self._least) & (inverse <= self._most))

    def count(self, around: Around) -> torch.Tensor:
        """Return inverse depth, its slopes to the right and down, whether any voted (4, N)."""
        down, right = around.offset
        near = around.near
        deep = near[0] + near[1] * right + near[2] * down
        weight = (self._middle / deep.clamp_min(1e-12)).clamp(_LEAST_SHARE, 1)
        weight = torch.where(deep > self._nearest, _LEAST_SHARE, weight)
        weight = weight * (down.square() + right.square()).clamp_min(16).pow(-_POWER / 2)
        weight = weight * (around.known & self.within(deep))
        place = (deep / self._least).clamp_min(1).log() * self._scale + 1
        place = torch.where(deep > 0, place, 0)  # the sky has a bin of its own
        best = self._tally(place, weight).argmax(1, keepdim=True)
        agree = weight * torch.exp(-(place - best).square() / 2)
        total = agree.sum(1)
        found = torch.stack([(agree * each).sum(1) for each in (deep, near[1], near[2])])
        found = found / total.clamp_min(torch.finfo(total.dtype).tiny)
        return torch.cat([found, (total > 0)[None]])

    def _tally(self, place: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Return the votes (N, _BINS + 1) of places (N, K) among the bins, blurred."""
        lower = place.to(torch.int64).clamp_max(_BINS - 1)
        upper = place - lower
        tally = weight.new_zeros(len(place), _BINS + 1)
        tally.scatter_add_(1, lower, weight * (1 - upper))
        tally.scatter_add_(1, lower + 1, weight * upper)
        reach = torch.arange(-4, 5, dtype=tally.dtype)
        window = torch.exp(reach.square() / (-2 * _SIGMA**2))
        return functional.conv1d(tally[:, None], window[None, None], padding=4)[:, 0]


def _nearest(length: int, step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return each row's (or column's) nearest asking one, and its distance; both (length,)."""
    each = torch.arange(length)
    asking = (each // step * step + step // 2).clamp_max(length - 1)
    return asking, each - asking
