"""Reading a picture between its pixels."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def sample(
    picture: torch.Tensor, x: torch.Tensor, y: torch.Tensor, *, size: tuple[int, int]
) -> torch.Tensor:
    """Return the picture's values (C, H, W) at the positions x, y (H, W), bicubic.

    Args:
        picture: (C, h, w).
        x: Positions in pixels of `size`, whatever the picture's own resolution.
        y: The same, down.
        size: Width and height that x and y refer to.
    """
    grid = torch.stack([x * (2 / size[0]) - 1, y * (2 / size[1]) - 1], dim=-1)
    values = F.grid_sample(
        picture[None], grid[None], mode="bicubic", padding_mode="border", align_corners=False
    )
    return values[0]
