"""Small filters that what surrounds the network shares."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

_LUMA = (0.299, 0.587, 0.114)  # of R'G'B' (ITU-R BT.601)
_FINEST = 2.8  # pixels: a wider blur is made of fewer pixels, none the narrower for it


def luma(colours: torch.Tensor) -> torch.Tensor:
    """Return the luma (...) of pictures, or of what is linear in them, (3, ...)."""
    return torch.tensordot(colours.new_tensor(_LUMA), colours, dims=1)


def blur(planes: torch.Tensor, sigma: float) -> torch.Tensor:
    """Return planes (C, H, W) under a Gaussian window, within 2 % of its width; borders continued.

    What a wide window takes in is so smooth that a part of the pixels stands for all.
    """
    factor = 2 ** max(0, math.floor(math.log2(sigma / _FINEST)))
    if factor == 1:
        return blur_exactly(planes, sigma)
    height, width = planes.shape[1:]
    padded = functional.pad(planes[None], (0, -width % factor, 0, -height % factor), "replicate")
    small = blur_exactly(functional.avg_pool2d(padded, factor)[0], sigma / factor)
    large = functional.interpolate(small[None], scale_factor=factor, mode="bilinear")
    return large[0, :, :height, :width]


def blur_exactly(planes: torch.Tensor, sigma: float) -> torch.Tensor:
    """Return planes (C, H, W) under a Gaussian window of three sigma, made of all pixels."""
    radius = round(3 * sigma)
    at = torch.arange(-radius, radius + 1, device=planes.device, dtype=planes.dtype)
    window = torch.exp(at.square() / (-2 * sigma**2))
    window = window / window.sum()
    planes = functional.pad(planes[:, None], (radius,) * 4, mode="replicate")
    planes = functional.conv2d(planes, window[None, None, None])
    return functional.conv2d(planes, window[None, None, :, None])[:, 0]
