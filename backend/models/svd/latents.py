"""What the channels of Stable Diffusion 1's latents look like, whose encoder SVD has.

The numbers that ComfyUI previews with: `SD15` of its `latent_formats.py`, which its `SVD_img2vid`
names as well.
"""

from __future__ import annotations

from ..looks import LatentColours

COLOURS = LatentColours(
    factors=(
        (0.3512, 0.2297, 0.3227),
        (0.3250, 0.4974, 0.2350),
        (-0.2829, 0.1762, 0.2721),
        (-0.2120, -0.2616, -0.7177),
    ),
    frames_axis=1,
)
