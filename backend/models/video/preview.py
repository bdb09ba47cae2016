"""A look at what is being made: latents to a small picture, without the VAE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

EVERY_STEPS = 3  # between two pictures


@dataclass(frozen=True, slots=True)
class LatentColours:
    """What a latent's channels add to red, green and blue, -1 to 1.

    Attributes:
        factors: A row for each channel.
        offset: Of red, green and blue.
    """

    factors: Sequence[Sequence[float]]
    offset: Sequence[float]

    def picture(self, latents: torch.Tensor) -> torch.Tensor:
        """Return display values (3, h, w) of the middle frame of latents (1, C, T, h, w)."""
        middle = latents[0, :, latents.shape[2] // 2].float().cpu()
        factors = torch.tensor(self.factors)
        colours = torch.einsum("chw,cr->rhw", middle, factors)
        return ((colours + torch.tensor(self.offset)[:, None, None] + 1) / 2).clamp(0, 1)


def is_due(step: int, steps: int) -> bool:
    """Whether there is to be a picture after `step` of `steps`, counted from 1."""
    return step % EVERY_STEPS == 0 or step == steps
