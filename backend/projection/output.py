"""Tensors to the bytes of a frame."""

from __future__ import annotations

import numpy as np
import torch


def to_image(colour: torch.Tensor, *, bits: int = 8) -> np.ndarray:
    """Return (H, W, 3) uint8, or uint16 for 16 `bits`, of display values (3, H, W), rounded.

    What a still has in as many bits, or fewer, comes out as it went in: v / 255 is 257 v of 65535.
    """
    levels = colour.clamp(0, 1).mul(2**bits - 1).add_(0.5)
    # torch knows hardly anything to do with uint16, and a transfer from a GPU is short either way.
    levels = levels.to(torch.uint8 if bits == 8 else torch.int32)
    whole = levels.permute(1, 2, 0).contiguous().cpu().numpy()
    return whole if bits == 8 else whole.astype(np.uint16)


def to_mask(share: torch.Tensor) -> np.ndarray:
    """Return (H, W) uint8 of a share of generated colour 0 to 1: 255 is generated."""
    return share.clamp(0, 1).mul(255).add_(0.5).to(torch.uint8).cpu().numpy()
