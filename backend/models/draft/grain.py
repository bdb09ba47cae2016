"""Grain: a sample's fine structure, made as strong as what is seen of the same surface.

The network looks some 50 pixels around. In the middle of a large hole it cannot know whether a wall
is plain or rough, and gives it something between. How strong the structure of the wall's seen part
is, band by band, can be measured; matching it is the second-order part of texture synthesis by
pyramids (Heeger & Bergen, Pyramid-based texture analysis/synthesis, 1995).

Only what a sample adds to the expectation is made stronger or weaker: what the network is sure of
stays. Where nothing seen within reach shares a hole's surface, its grain stays too.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from ...projection.surface import grow
from .condition import RESIDUAL_SCALE, apply_residual
from .filters import blur, luma
from .planes import Planes

_SIGMAS = (0.7, 1.4, 2.8, 5.6, 11.2)  # pixels; each ends a band that the one before it begins
_SAME = 0.02  # as `planes.SAME`: what lies near a plane tells of its grain, not of its colour
_CLEAR = 3  # pixels from holes from where on structure is measured
_CELL = 4  # pixels a side of the cells that what is around a pixel is measured in
_WINDOW = 3.0  # cells: sigma of the window that is around it
_MOST = 3.0  # times as strong as the network made it, at most
_DARK = 0.02  # display values: colours below have no hue worth keeping
_LEAST = 1e-4  # display values: a strength below is none


def match_grain(
    sample: torch.Tensor,
    expected: torch.Tensor,
    *,
    filled: torch.Tensor,
    generated: torch.Tensor,
    inverse: torch.Tensor,
    editable: torch.Tensor,
) -> torch.Tensor:
    """Return a sample's residual (3, H, W) with the grain of what is seen.

    Args:
        sample: (3, H, W) residual, 0 where not editable.
        expected: (3, H, W) residual of the expectation.
        filled: (3, H, W) display values 0 to 1 that both are added to.
        generated: (H, W) share of colour that no still shows, 0 to 1.
        inverse: (H, W) inverse depth divided by about the largest of the shot, 0 for the sky.
        editable: (H, W) bool: pixels that were sampled.
    """
    unseen = generated > 0
    measured = ~grow(unseen, _CLEAR)
    if not bool(unseen.any()) or not bool(measured.any()):
        return sample
    planes = Planes(unseen, inverse)
    seen = _bands(luma(filled))
    wanted, share = planes.ask(seen.abs().sqrt(), measured, same=_SAME)
    wanted, share = planes.between(torch.cat([wanted * share, share[None]])).split([len(seen), 1])
    wanted = (wanted / share.clamp_min(_LEAST)).square()
    certain = apply_residual(expected, filled, editable)
    bands = torch.stack([_bands(one) for one in sample - expected])
    there = _strength(_bands(luma(certain)), editable)
    added = _strength(luma(bands), editable) * RESIDUAL_SCALE
    # Independent structures add up in the square.
    gain = (wanted.square() - there.square()).clamp_min(0).sqrt() / added.clamp_min(_LEAST)
    change = (gain.clamp_max(_MOST) - 1) * share * editable
    # What is weakened loses its colours too; what is added is light and shade of the one below,
    # and little in a narrow hole, which has no room for it.
    room = _around(editable[None].to(bands.dtype))
    weaker = (bands * change.clamp_max(0)).sum(1)
    stronger = (luma(bands) * change.clamp_min(0) * room).sum(0)
    tint = certain / luma(certain).clamp_min(_DARK)
    return sample + weaker + stronger * tint


def _bands(plane: torch.Tensor) -> torch.Tensor:
    """Return the bands (B, H, W) of a plane (H, W), finest first; what is coarser is in none."""
    blurred = [plane, *(blur(plane[None], sigma)[0] for sigma in _SIGMAS)]
    return torch.stack(blurred[:-1]) - torch.stack(blurred[1:])


def _strength(bands: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Return how strong bands (B, H, W) are around each pixel, (B, H, W), counting what is inside.

    The square of the mean root: a plain wall with a window in it is plain.
    """
    inside = inside.to(bands.dtype)
    around = _around(torch.cat([bands.abs().sqrt() * inside, inside[None]]))
    return (around[:-1] / around[-1].clamp_min(_LEAST)).square()


def _around(planes: torch.Tensor) -> torch.Tensor:
    """Return the mean of planes (C, H, W) around each pixel, (C, H, W)."""
    height, width = planes.shape[1:]
    cells = functional.avg_pool2d(planes[None], _CELL, ceil_mode=True)[0]
    cells = blur(cells, _WINDOW)
    size = [length * _CELL for length in cells.shape[1:]]
    return functional.interpolate(cells[None], size, mode="bilinear")[0, :, :height, :width]
