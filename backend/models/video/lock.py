"""Known pixels over generated ones: how much of each a frame shows, and its mask."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from ...projection.output import to_image, to_mask
from .projected import Projected

FEATHERED_SIDE = 1080  # pixels of the shorter side of the picture that a feather is told of


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
    before the border of a hole that is wider than the feather; at strength 0 all of the frame is
    the model's.

    Args:
        made: (3, H, W) display values that the model made, at the shot's size.
        frame: What the stills show.
        strength: 0 to 1.
        feather: Pixels of a 1080p picture over which the seen gives way to the made before a hole
            begins, or what may move; see `feather_pixels`.
        bits: Bits a value.
        where: (H, W) uint8: what the strength is multiplied by, pixel by pixel, 255 = all of it,
            so that water can move and architecture stays; None for everywhere alike.
    """
    device = made.device
    width = feather_pixels(feather, frame.generated.shape)
    generated = torch.from_numpy(frame.generated).to(device).float() / 255
    seen = 1.0 - generated
    if where is None:
        kept = strength * soft_border(seen, width)
    else:
        share = torch.from_numpy(where).to(device).float() / 255
        kept = strength * share * soft_border(seen * (share > 0), width)
    levels = float(2**bits - 1)
    # torch has no arithmetic for uint16.
    known = torch.from_numpy(frame.image.astype(np.int32)).to(device).permute(2, 0, 1) / levels
    image = to_image(torch.lerp(made, known.to(made.dtype), kept), bits=bits)
    return image, to_mask(1.0 - kept)


def feather_pixels(feather: int, size: tuple[int, int]) -> int:
    """Return the pixels of a picture (height, width) that a feather of a 1080p picture is there.

    So one setting looks alike in a preview and in the final size; one that is on stays on.
    """
    return max(1, round(feather * min(size) / FEATHERED_SIDE)) if feather else 0


def soft_border(seen: torch.Tensor, width: int) -> torch.Tensor:
    """Return a share (H, W) of seen colour that falls to 0 over `width` pixels before holes.

    Linear before a straight border of a large hole, less before a small one. A hole that is not
    wider than `width` has a hard border: a busy picture is full of specks, and ramps before all of
    them would leave little of it as it was.
    """
    if width == 0:
        return seen
    reach = 2 * width + 1
    hole = functional.pad(_opened(1.0 - seen[None, None], width), (width,) * 4, mode="replicate")
    near = functional.avg_pool2d(functional.avg_pool2d(hole, (1, reach), 1), (reach, 1), 1)[0, 0]
    return seen * (1.0 - 2.0 * near).clamp(0.0, 1.0)


def _opened(hole: torch.Tensor, width: int) -> torch.Tensor:
    """Return holes (1, 1, H, W) without what is not wider than `width`: eroded, then dilated.

    The square has an odd side, so that it lies around its pixel: an odd `width` counts as one more.
    Beyond the picture holes go on.
    """
    beside = (width + 1) // 2

    def most(values: torch.Tensor) -> torch.Tensor:
        around = functional.pad(values, (beside,) * 4, mode="replicate")
        return functional.max_pool2d(around, 2 * beside + 1, 1)

    return most(-most(-hole))
