"""Textures with their mip levels in one table, looked up for many points at once."""

from __future__ import annotations

from collections import OrderedDict

import torch

from .textures import SIDE, make_texture

LEVELS = SIDE.bit_length()
KEPT = 96  # textures a process keeps

_made: OrderedDict[int, torch.Tensor] = OrderedDict()


def texels(number: int) -> torch.Tensor:
    """Return all levels of a texture (N, 4) uint8, the finest first, each row by row."""
    if number in _made:
        _made.move_to_end(number)
        return _made[number]
    level = make_texture(number)
    parts = []
    for _ in range(LEVELS):
        parts.append(level.flatten(1).mul(255).add_(0.5).to(torch.uint8))
        if level.shape[1] > 1:
            level = torch.nn.functional.avg_pool2d(level[None], 2)[0]
    _made[number] = torch.cat(parts, 1).T.contiguous()
    while len(_made) > KEPT:
        _made.popitem(last=False)
    return _made[number]


class Atlas:
    """The textures of one scene on a device."""

    def __init__(self, numbers: list[int], *, device: torch.device) -> None:
        parts = [texels(number) for number in numbers]
        self._stride = len(parts[0])
        # Four bytes are one word: one read a texel.
        self._words = torch.cat(parts).to(device).view(torch.int32)[:, 0]
        starts = [0]
        for level in range(LEVELS - 1):
            starts.append(starts[-1] + (SIDE >> level) ** 2)
        self._starts = torch.tensor(starts, device=device)

    def look_up(
        self, slot: torch.Tensor, u: torch.Tensor, v: torch.Tensor, level: torch.Tensor
    ) -> torch.Tensor:
        """Return features (N, 4) 0 to 1, trilinear.

        Args:
            slot: (N,) int64, which texture of the scene.
            u: (N,) tiles.
            v: (N,) tiles, down.
            level: (N,) mip level, 0 is the finest.
        """
        level = level.clamp(0, LEVELS - 1.001)
        lower = level.to(torch.int64)
        fine = self._bilinear(slot, u, v, lower)
        coarse = self._bilinear(slot, u, v, lower + 1)
        return torch.lerp(fine, coarse, (level - lower)[:, None]).mul_(1 / 255)

    def cut(self, slot: int, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """Return where (...) bool a texture's cut-out leaves something, at its finest level."""
        x, y = (u * SIDE).floor().to(torch.int64) % SIDE, (v * SIDE).floor().to(torch.int64) % SIDE
        word = self._words[slot * self._stride + y * SIDE + x]
        return word < 0  # the highest bit of the fourth byte: 128 or more

    def _bilinear(
        self, slot: torch.Tensor, u: torch.Tensor, v: torch.Tensor, level: torch.Tensor
    ) -> torch.Tensor:
        side = torch.bitwise_right_shift(SIDE, level)
        start = slot * self._stride + self._starts[level]
        x, y = u * side - 0.5, v * side - 0.5
        left, top = x.floor(), y.floor()
        right_share, lower_share = (x - left)[:, None], (y - top)[:, None]
        mask = side - 1
        left, top = left.to(torch.int64) & mask, top.to(torch.int64) & mask
        right, lower = (left + 1) & mask, (top + 1) & mask
        top, lower = start + top * side, start + lower * side
        upper_mix = torch.lerp(self._read(top + left), self._read(top + right), right_share)
        lower_mix = torch.lerp(self._read(lower + left), self._read(lower + right), right_share)
        return torch.lerp(upper_mix, lower_mix, lower_share)

    def _read(self, place: torch.Tensor) -> torch.Tensor:
        return self._words[place][:, None].view(torch.uint8).to(torch.float32)
