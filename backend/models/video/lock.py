"""Known pixels over generated ones: how much of each a frame shows, and its mask."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from ...projection.output import to_image, to_mask
from .projected import Projected


def lock(
    made: torch.Tensor,
    frame: Projected,
    *,
    strength: float,
    feather: int,
    bits: int,
    where: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the image (H, W, 3) and mask (H, W) uint8 of a frame.

    A pixel that a still shows is the projection's own at strength 1, byte for byte, but for those
    within `feather` pixels of a hole; at strength 0 all of the frame is the model's.

    Args:
        made: (3, H, W) display values that the model made, at the shot's size.
        frame: What the stills show.
        strength: 0 to 1.
        feather: Pixels over which the seen gives way to the made before a hole begins, or what may
            move.
        bits: Bits a value.
        where: (H, W) float32 0 to 1: what the strength is multiplied by, pixel by pixel, so that
            water can move and architecture stays; None for everywhere alike.
    """
    device = made.device
    generated = torch.from_numpy(frame.generated).to(device).float() / 255
    seen = 1.0 - generated
    if where is None:
        kept = strength * soft_border(seen, feather)
    else:
        share = torch.from_numpy(where).to(device)
        kept = strength * share * soft_border(seen * (share > 0), feather)
    levels = float(2**bits - 1)
    # torch has no arithmetic for uint16.
    known = torch.from_numpy(frame.image.astype(np.int32)).to(device).permute(2, 0, 1) / levels
    image = to_image(torch.lerp(made, known.to(made.dtype), kept), bits=bits)
    return image, to_mask(1.0 - kept)


def soft_border(seen: torch.Tensor, width: int) -> torch.Tensor:
    """Return a share (H, W) of seen colour that falls to 0 over `width` pixels before holes.

    Linear before a straight border of a large hole, less before a small one.
    """
    if width == 0:
        return seen
    reach = 2 * width + 1
    hole = functional.pad((1.0 - seen)[None, None], (width,) * 4, mode="replicate")
    near = functional.avg_pool2d(functional.avg_pool2d(hole, (1, reach), 1), (reach, 1), 1)[0, 0]
    return seen * (1.0 - 2.0 * near).clamp(0.0, 1.0)
