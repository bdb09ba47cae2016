"""A look at what is being made: latents to a small picture, without the VAE."""

from __future__ import annotations

import torch

from ..looks import LatentColours

EVERY_STEPS = 3  # between two pictures


def middle_frame(latents: torch.Tensor, looks: LatentColours) -> torch.Tensor:
    """Return the middle frame (C, h, w) of five-dimensional latents, float32, on the CPU."""
    frames = latents[0].movedim(looks.frames_axis - 1, 0)
    return frames[len(frames) // 2].float().cpu()


def picture(latents: torch.Tensor, looks: LatentColours) -> torch.Tensor:
    """Return display values (3, h, w) of latents (C, h, w)."""
    colours = torch.einsum("chw,cr->rhw", latents, torch.tensor(looks.factors))
    return ((colours + torch.tensor(looks.offset)[:, None, None] + 1) / 2).clamp(0, 1)


def is_due(step: int, steps: int) -> bool:
    """Whether there is to be a picture after `step` of `steps`, counted from 1."""
    return step % EVERY_STEPS == 0 or step == steps
