"""Holes are filled from what lies at their own depth beside them.

A push-pull pyramid (Gortler et al., The Lumigraph, 1996, 3.2) that knows depth. Going up, every
cell of 2 x 2 keeps the depth it is asked for (that of the holes in it; without holes, of its far
side) and the mean colour of what is seen there at that depth. Going down, a hole takes the coarser
cells around it in proportion to how well their depth fits its own, so a wall behind a column is
filled from the wall and never from the column.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

FIT = 0.12  # relative difference of two inverse depths that counts as one surface (one sigma)
LEAST = 1e-5  # weight of a colour at the wrong depth: used where there is no other
WHOLE = 0.999  # weight from which a cell needs nothing from coarser ones


@dataclass(frozen=True, slots=True)
class _Level:
    """One level of the pyramid; heights and widths are even except at the top."""

    colour: torch.Tensor  # (3, H, W)
    depth: torch.Tensor  # (H, W) inverse depth of that colour
    weight: torch.Tensor  # (H, W) how much of a colour there is, 0 to 1
    asked: torch.Tensor  # (H, W) inverse depth that is wanted here
    holes: torch.Tensor  # (H, W) share of holes


def fill_holes(colour: torch.Tensor, seen: torch.Tensor, inverse: torch.Tensor) -> torch.Tensor:
    """Return the picture (3, H, W) with every pixel that is not seen filled.

    With nothing seen at all the picture is black.

    Args:
        colour: (3, H, W).
        seen: (H, W) bool.
        inverse: (H, W) inverse depth of every pixel, those of holes too.
    """
    height, width = seen.shape
    weight = seen.to(colour.dtype)
    levels = [_even(_Level(colour * weight, inverse, weight, inverse, 1 - weight))]
    while max(levels[-1].weight.shape) > 2:
        levels.append(_even(_pull(levels[-1])))
    filled = levels[-1].colour
    for finer, coarser in zip(levels[-2::-1], levels[:0:-1], strict=True):
        filled = _push(finer, coarser, filled)
    return filled[:, :height, :width]


def _even(level: _Level) -> _Level:
    """Pad to even height and width with cells that hold and want nothing."""
    height, width = level.weight.shape
    pad = (0, width % 2, 0, height % 2)
    if not any(pad):
        return level
    return _Level(
        *(
            F.pad(m, pad)
            for m in (level.colour, level.depth, level.weight, level.asked, level.holes)
        )
    )


def _pull(level: _Level) -> _Level:
    """Halve a level."""
    holes = _mean(level.holes)
    wanted = _mean(level.asked * level.holes) / holes.clamp_min(1e-9)
    farthest = _blocks(torch.where(level.weight > LEAST, level.depth, torch.inf)).amin((-3, -1))
    farthest = torch.where(torch.isfinite(farthest), farthest, torch.zeros_like(farthest))
    asked = torch.where(holes > 0, wanted, farthest)
    fits = level.weight * _fit(_blocks(level.depth), asked[:, None, :, None]).reshape(
        level.weight.shape
    )
    total = _mean(fits)
    share = total.clamp_min(1e-12)
    return _Level(
        colour=_mean(level.colour * fits) / share,
        depth=_mean(level.depth * fits) / share,
        weight=(4 * total).clamp_max(1),
        asked=asked,
        holes=holes,
    )


def _push(finer: _Level, coarser: _Level, filled: torch.Tensor) -> torch.Tensor:
    """Complete the colours (3, H, W) of `finer` from those of the level above it."""
    height, width = finer.weight.shape
    rows, columns = torch.nonzero(finer.weight < WHOLE, as_tuple=True)
    depth = coarser.asked + coarser.weight * (coarser.depth - coarser.asked)
    above = torch.cat([filled, depth[None]]).flatten(1).T.contiguous()
    wanted = finer.asked[rows, columns]
    total = torch.zeros_like(wanted)
    colour = torch.zeros(len(rows), 3, dtype=filled.dtype, device=filled.device)
    last_row, last_column = coarser.weight.shape[0] - 1, coarser.weight.shape[1] - 1
    for step_row, share_row in ((0, 0.75), (1, 0.25)):
        near_row = (rows // 2 + step_row * (rows % 2 * 2 - 1)).clamp(0, last_row)
        for step_column, share_column in ((0, 0.75), (1, 0.25)):
            near_column = columns // 2 + step_column * (columns % 2 * 2 - 1)
            near_column = near_column.clamp(0, last_column)
            cell = above[near_row * (last_column + 1) + near_column]
            share = _fit(cell[:, 3], wanted) * (share_row * share_column)
            colour += cell[:, :3] * share[:, None]
            total += share
    colour = (colour / total[:, None]).T
    own = finer.weight[rows, columns]
    result = finer.colour.clone()
    result[:, rows, columns] = colour + own * (finer.colour[:, rows, columns] - colour)
    return result


def _fit(depth: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Return how well two inverse depths agree, 1 to LEAST."""
    scale = FIT * torch.maximum(depth, wanted) + 1e-9
    return torch.exp(-(((depth - wanted) / scale) ** 2)) + LEAST


def _blocks(values: torch.Tensor) -> torch.Tensor:
    """View (..., H, W) as (..., H/2, 2, W/2, 2)."""
    height, width = values.shape[-2:]
    return values.reshape(*values.shape[:-2], height // 2, 2, width // 2, 2)


def _mean(values: torch.Tensor) -> torch.Tensor:
    return _blocks(values).mean((-3, -1))
