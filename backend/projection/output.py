"""Tensors to the bytes of a frame."""

from __future__ import annotations

import numpy as np
import torch


def to_image(colour: torch.Tensor) -> np.ndarray:
    """Return (H, W, 3) uint8 of display values (3, H, W), rounded."""
    levels = colour.clamp(0, 1).mul(255).add_(0.5).to(torch.uint8)
    return levels.permute(1, 2, 0).contiguous().cpu().numpy()


def to_mask(share: torch.Tensor) -> np.ndarray:
    """Return (H, W) uint8 of a share of generated colour 0 to 1: 255 is generated."""
    return share.clamp(0, 1).mul(255).add_(0.5).to(torch.uint8).cpu().numpy()
