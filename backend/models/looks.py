"""What latents look like, as numbers on a card. Standard library alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LatentColours:
    """What each channel of a latent adds to red, green and blue, -1 to 1.

    Attributes:
        factors: A row for each channel.
        offset: Of red, green and blue.
        frames_axis: Of latents (batch, channels, frames, h, w), as most models have them; 1 where
            frames come before channels.
    """

    factors: tuple[tuple[float, float, float], ...]
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    frames_axis: int = 2
