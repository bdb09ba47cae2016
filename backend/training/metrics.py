"""How a picture compares with the truth where nothing was seen, summed over many pictures.

The same questions as `backend.score` asks of whole takes, in torch alone, so that a training can
ask them anywhere while it runs; numbers to ship with come from `backend.score`.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional

SIDE = 7  # of a patch
_MOST_PATCHES = 2000  # of one picture
_DIRECTIONS = 64
_SEED = 7
_LUMA = (0.2126, 0.7152, 0.0722)
_LAPLACIAN = torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])


class Comparison:
    """Pictures against their truths, added one after the other."""

    def __init__(self) -> None:
        self._error = self._values = 0.0
        self._detail = [0.0, 0.0]
        self._patches: tuple[list[torch.Tensor], list[torch.Tensor]] = ([], [])

    def add(self, picture: torch.Tensor, truth: torch.Tensor, where: torch.Tensor) -> None:
        """Add a picture.

        Args:
            picture: (3, H, W) display values 0 to 1.
            truth: (3, H, W).
            where: (H, W) bool, the pixels that count.
        """
        self._error += float(((picture - truth) ** 2)[:, where].sum())
        self._values += 3 * int(where.sum())
        lumas = [luma(picture), luma(truth)]
        places = _places(where)
        for number, plane in enumerate(lumas):
            self._detail[number] += float(detail(plane)[where].sum())
            self._patches[number].append(_patches(plane, places))

    def result(self) -> dict[str, float | None]:
        """Return `psnr` (dB, of all values together), `sharpness` (truth is 1) and `swd`.

        `swd` is the sliced Wasserstein distance of mean-removed 7x7 luma patches, in 8-bit levels
        (Rabin et al. 2011; on patches: Karras et al. 2018), None where no patch fits.
        """
        error = self._error / max(self._values, 1)
        return {
            "psnr": -10 * math.log10(max(error, 1e-12)),
            "sharpness": self._detail[0] / max(self._detail[1], 1e-12),
            "swd": sliced_distance(*(torch.cat(patches) for patches in self._patches)),
        }


def luma(picture: torch.Tensor) -> torch.Tensor:
    """Return (H, W) of display values (3, H, W), weighted as Rec. 709."""
    return torch.einsum("chw,c->hw", picture, picture.new_tensor(_LUMA))


def detail(plane: torch.Tensor) -> torch.Tensor:
    """Return the absolute Laplacian (H, W) of a plane (H, W), borders continued."""
    padded = functional.pad(plane[None, None], (1, 1, 1, 1), mode="replicate")
    return functional.conv2d(padded, _LAPLACIAN.to(plane)[None, None])[0, 0].abs()


def sliced_distance(first: torch.Tensor, second: torch.Tensor) -> float | None:
    """Return the mean distance of sorted projections of two sets (N, 49), times 255.

    None for empty sets.
    """
    if len(first) == 0:
        return None
    directions = torch.randn(SIDE**2, _DIRECTIONS, generator=torch.Generator().manual_seed(_SEED))
    directions -= directions.mean(dim=0)
    directions = (directions / directions.norm(dim=0)).to(first)
    one, other = ((patches @ directions).sort(dim=0).values for patches in (first, second))
    return float((one - other).abs().mean()) * 255


def _places(where: torch.Tensor) -> torch.Tensor:
    """Return the numbers (N,) of the patches that lie wholly inside (H, W) bool."""
    if min(where.shape) < SIDE:
        return torch.empty(0, dtype=torch.int64, device=where.device)
    outside = (~where).float()[None, None]
    places = (functional.max_pool2d(outside, SIDE, stride=1)[0, 0] == 0).flatten().nonzero()[:, 0]
    return places[:: max(1, math.ceil(len(places) / _MOST_PATCHES))]


def _patches(plane: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return patches (N, 49) of (H, W) with their mean removed."""
    rows, columns = places // (plane.shape[1] - SIDE + 1), places % (plane.shape[1] - SIDE + 1)
    offsets = torch.arange(SIDE, device=plane.device)
    patches = plane[
        (rows[:, None] + offsets)[:, :, None], (columns[:, None] + offsets)[:, None, :]
    ].flatten(1)
    return patches - patches.mean(dim=1, keepdim=True)
