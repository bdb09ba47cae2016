"""What the draft network is told of a frame: one function for training and for use.

The network works on residuals: what the truth differs from the projection's own fill, in units of
`RESIDUAL_SCALE`. So it starts from a picture whose seen pixels and whose broad colours are right
already, and only has to find what is missing.
"""

from __future__ import annotations

import math

import torch

from ...projection.surface import describe_surface, edges

RESIDUAL_SCALE = 0.25  # display values; residuals then have about the size of the noise
CHANNELS = 10  # of `encode`
NEARER = 0.005  # share of a map's pixels that may be nearer than what counts as its nearest
_OCTAVES = 8.0  # log2 of farthest to nearest depth that maps to -1; farther, and the sky, is -1
_SLOPE_GAIN = 20.0  # relative depth per pixel that tanh maps into its linear range: 5 %


def encode(
    filled: torch.Tensor,
    generated: torch.Tensor,
    editable: torch.Tensor,
    inverse: torch.Tensor,
) -> torch.Tensor:
    """Return the condition (CHANNELS, H, W) float32 of one frame.

    Its channels: the filled picture (3), the share of generated colour, what may be changed,
    inverse depth linear and logarithmic, relative slopes of inverse depth (2), silhouettes.

    Args:
        filled: (3, H, W) display values 0 to 1, holes filled by the projection.
        generated: (H, W) share of colour that no still shows, 0 to 1.
        editable: (H, W) bool: pixels the network may change.
        inverse: (H, W) inverse depth divided by the largest `nearest_inverse` of the whole shot, 0
            for the sky; what is above 1 counts as 1.
    """
    surface = describe_surface(inverse)
    nonzero = inverse.clamp_min(2.0**-_OCTAVES)
    return torch.stack(
        [
            *(filled * 2 - 1),
            generated * 2 - 1,
            editable.to(filled.dtype) * 2 - 1,
            inverse.clamp_max(1) * 2 - 1,
            nonzero.clamp_max(1).log2() * (2 / _OCTAVES) + 1,
            torch.tanh(_SLOPE_GAIN * surface[1] / nonzero),
            torch.tanh(_SLOPE_GAIN * surface[2] / nonzero),
            edges(surface).to(filled.dtype) * 2 - 1,
        ]
    )


def nearest_inverse(inverse: torch.Tensor) -> float:
    """Return the largest of inverse depths (H, W) but for a few outliers; 0 where all is sky.

    A hair before the lens would press everything else into a corner of what the network is told.
    """
    hit = inverse[inverse > 0].cpu()  # not every device has `kthvalue`
    if len(hit) == 0:
        return 0.0
    return float(hit.kthvalue(len(hit) - int(NEARER * len(hit))).values)


def residual_of(truth: torch.Tensor, filled: torch.Tensor) -> torch.Tensor:
    """Return x0 (3, H, W), what the network is to find, of display values 0 to 1."""
    return (truth - filled) / RESIDUAL_SCALE


def apply_residual(
    residual: torch.Tensor, filled: torch.Tensor, editable: torch.Tensor
) -> torch.Tensor:
    """Return the picture (3, H, W) 0 to 1: `filled` with the residual added where editable."""
    changed = (filled + residual * RESIDUAL_SCALE).clamp(0, 1)
    return torch.where(editable, changed, filled)


def embed_time(time: torch.Tensor, width: int) -> torch.Tensor:
    """Return sinusoidal features (B, width) of flow times (B,) from 0 to 1.

    As in Vaswani et al. 2017, with times scaled by 1000 as diffusion models do.
    """
    half = width // 2
    rate = torch.exp(torch.arange(half, device=time.device) * (-math.log(10_000.0) / half))
    angle = time.float()[:, None] * 1000.0 * rate
    return torch.cat([angle.sin(), angle.cos()], dim=1)
