"""Finishing: samples get the texture statistics of the truth, not only its most likely values.

The loss of flow matching is a squared error, and what few steps of a small network leave of a
texture is too smooth. So the last stage of a training also takes whole samples, made as they will
be in use, and compares the distributions of small patches inside each hole with those of the
truth: a sliced Wasserstein distance (Rabin et al. 2011), used as a loss for textures as by Heitz
et al. 2021, on fresh random filters instead of a trained network's features. Where a patch lies
does not matter, so nothing is blurred for being uncertain.

The gradient goes through the last evaluation alone (as in Clark et al. 2024, DRaFT-K with K = 1).
At t = 1 the network is left the expectation: `mean` stays what it is.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch.nn import functional

STEPS = (2, 3, 4, 4, 5, 6, 8)  # drawn from; 4 is what the card begins with
SCALES = (1, 2, 4)  # patches are compared at the full size, the half and the quarter
SIDE = 7  # of a patch, at each scale
FILTERS = 16  # random directions a scale and step
LEAST = 64  # patches of a crop; fewer say nothing about a distribution

Network = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def sample_last(
    network: Network,
    noise: torch.Tensor,
    condition: torch.Tensor,
    editable: torch.Tensor,
    *,
    steps: int,
) -> torch.Tensor:
    """Return samples x0 (B, 3, H, W) of `steps` Euler steps; only the last has a gradient.

    Args:
        network: Says x0 of x_t, condition and t.
        noise: (B, 3, H, W).
        condition: (B, CHANNELS, H, W).
        editable: (B, H, W) bool.
        steps: Evaluations, 2 or more; evenly spaced, as `DraftPipeline` takes them.
    """
    inside = editable[:, None]
    noisy = noise * inside
    times = [1 - step / steps for step in range(steps)]
    with torch.no_grad():
        for now, then in pairwise(times):
            clean = network(noisy, condition, noisy.new_full((len(noisy),), now)).float()
            noisy = torch.lerp(clean * inside, noisy, then / now)
    return network(noisy, condition, noisy.new_full((len(noisy),), times[-1])).float()


def texture_loss(
    picture: torch.Tensor,
    truth: torch.Tensor,
    inside: torch.Tensor,
    *,
    generator: torch.Generator,
) -> torch.Tensor:
    """Return the mean sliced Wasserstein distance of patches, a scalar in the pictures' unit.

    Each crop's patches are compared with that crop's own truth: a brick wall with this brick wall.

    Args:
        picture: (B, 3, H, W), with a gradient.
        truth: (B, 3, H, W).
        inside: (B, H, W) bool: patches lie wholly in it.
        generator: On the CPU, of the random filters.
    """
    total, count = picture.new_zeros(()), 0
    for scale in SCALES:
        filters = _filters(generator).to(picture)
        responses = [
            functional.conv2d(functional.avg_pool2d(one, scale), filters).flatten(2)
            for one in (picture, truth)
        ]
        whole = -functional.max_pool2d(-inside[:, None].float(), scale)
        places = (-functional.max_pool2d(-whole, SIDE, stride=1) == 1).flatten(1)
        for own, other, where in zip(*responses, places, strict=True):
            if int(where.sum()) >= LEAST:
                one, two = (values[:, where].sort(dim=1).values for values in (own, other))
                total = total + (one - two).abs().mean()
                count += 1
    return total / max(count, 1)


def _filters(generator: torch.Generator) -> torch.Tensor:
    """Return random filters (FILTERS, 3, SIDE, SIDE) of unit length, each channel's mean removed.

    Half of them see one mixture of the channels in all pixels, as most textures vary in lightness.
    """
    filters = torch.randn(FILTERS, 3, SIDE, SIDE, generator=generator)
    grey = torch.randn(FILTERS // 2, 1, SIDE, SIDE, generator=generator)
    filters[: FILTERS // 2] = grey.expand(-1, 3, -1, -1)
    filters = filters - filters.mean(dim=(2, 3), keepdim=True)
    return filters / filters.flatten(1).norm(dim=1)[:, None, None, None]
