"""Grain: a sample's fine structure, made as strong as what is seen of the same surface.

The network looks some 50 pixels around. In the middle of a large hole it cannot know whether a wall
is plain or rough, and gives it something between. How strong the structure of the wall's seen part
is, band by band, can be measured; matching it is the second-order part of texture synthesis by
pyramids (Heeger & Bergen, Pyramid-based texture analysis/synthesis, 1995).

Only what a sample adds to the expectation is made stronger or weaker: what the network is sure of
stays. Where nothing seen within reach shares a hole's surface, its grain stays too.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from ...projection.surface import grow
from .condition import RESIDUAL_SCALE, apply_residual
from .planes import Planes

_SIGMAS = (0.7, 1.4, 2.8, 5.6, 11.2)  # pixels; each ends a band that the one before it begins
_FINEST = 2.8  # pixels: a wider blur is made of fewer pixels, none the narrower for it
_SAME = 0.02  # as `planes.SAME`: what lies near a plane tells of its grain, not of its colour
_CLEAR = 3  # pixels from holes from where on structure is measured
_CELL = 4  # pixels a side of the cells that what is around a pixel is measured in
_WINDOW = 3.0  # cells: sigma of the window that is around it
_MOST = 3.0  # times as strong as the network made it, at most
_DARK = 0.02  # display values: colours below have no hue worth keeping
_LEAST = 1e-4  # display values: a strength below is none
_LUMA = (0.299, 0.587, 0.114)  # of R'G'B' (ITU-R BT.601)


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
    seen = _bands(_luma(filled))
    wanted, share = planes.ask(seen.abs().sqrt(), measured, same=_SAME)
    wanted, share = planes.between(torch.cat([wanted * share, share[None]])).split([len(seen), 1])
    wanted = (wanted / share.clamp_min(_LEAST)).square()
    certain = apply_residual(expected, filled, editable)
    bands = torch.stack([_bands(one) for one in sample - expected])
    there = _strength(_bands(_luma(certain)), editable)
    added = _strength(_luma(bands), editable) * RESIDUAL_SCALE
    # Independent structures add up in the square.
    gain = (wanted.square() - there.square()).clamp_min(0).sqrt() / added.clamp_min(_LEAST)
    change = (gain.clamp_max(_MOST) - 1) * share * editable
    # What is weakened loses its colours too; what is added is light and shade of the one below,
    # and little in a narrow hole, which has no room for it.
    room = _around(editable[None].to(bands.dtype))
    weaker = (bands * change.clamp_max(0)).sum(1)
    stronger = (_luma(bands) * change.clamp_min(0) * room).sum(0)
    tint = certain / _luma(certain).clamp_min(_DARK)
    return sample + weaker + stronger * tint


def _luma(colours: torch.Tensor) -> torch.Tensor:
    """Return the luma (...) of pictures, or of what is linear in them, (3, ...)."""
    return torch.tensordot(colours.new_tensor(_LUMA), colours, dims=1)


def _bands(plane: torch.Tensor) -> torch.Tensor:
    """Return the bands (B, H, W) of a plane (H, W), finest first; what is coarser is in none."""
    blurred = [plane, *(_blur_widely(plane, sigma) for sigma in _SIGMAS)]
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
    cells = _blur(cells, _WINDOW)
    size = [length * _CELL for length in cells.shape[1:]]
    return functional.interpolate(cells[None], size, mode="bilinear")[0, :, :height, :width]


def _blur_widely(plane: torch.Tensor, sigma: float) -> torch.Tensor:
    """Return a plane (H, W) under a Gaussian window, within 2 % of its width.

    What a wide window takes in is so smooth that a part of the pixels stands for all.
    """
    factor = 2 ** max(0, math.floor(math.log2(sigma / _FINEST)))
    if factor == 1:
        return _blur(plane[None], sigma)[0]
    height, width = plane.shape
    padded = functional.pad(
        plane[None, None], (0, -width % factor, 0, -height % factor), "replicate"
    )
    small = _blur(functional.avg_pool2d(padded, factor)[0], sigma / factor)
    large = functional.interpolate(small[None], scale_factor=factor, mode="bilinear")
    return large[0, 0, :height, :width]


def _blur(planes: torch.Tensor, sigma: float) -> torch.Tensor:
    """Return planes (C, H, W) under a Gaussian window, borders continued."""
    radius = round(3 * sigma)
    at = torch.arange(-radius, radius + 1, device=planes.device, dtype=planes.dtype)
    window = torch.exp(at.square() / (-2 * sigma**2))
    window = window / window.sum()
    planes = functional.pad(planes[:, None], (radius,) * 4, mode="replicate")
    planes = functional.conv2d(planes, window[None, None, None])
    return functional.conv2d(planes, window[None, None, :, None])[:, 0]
