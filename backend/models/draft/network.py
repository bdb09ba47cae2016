"""The draft network: a small U-Net that says what a noisy residual looked like before the noise.

Everything is local: convolutions, and norms over the channels of one pixel. Statistics over the
whole picture (group norm, attention) would make a tile's result depend on where it was cut.
Pixels are unshuffled 2 x 2 first, so that full resolution costs no more than half.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn
from torch.nn import functional

from .condition import CHANNELS, embed_time

COLOURS = 3
UNSHUFFLE = 2
TIME_WIDTH = 128


class DraftNetwork(ModelMixin, ConfigMixin):
    """Predicts the clean residual x0 of a frame from its noisy one, its condition and the time.

    Args:
        channels: Width of each level, at 1/2, 1/4, 1/8, ... of the resolution.
        blocks: Residual blocks of each level, on the way down and again on the way up (the last
            level has them once).
        conditions: Channels of the condition.
    """

    @register_to_config
    def __init__(
        self,
        channels: tuple[int, ...] = (48, 96, 192, 256),
        blocks: tuple[int, ...] = (1, 1, 2, 2),
        conditions: int = CHANNELS,
    ) -> None:
        super().__init__()
        cells = UNSHUFFLE**2
        self.time = nn.Sequential(
            nn.Linear(TIME_WIDTH, TIME_WIDTH), nn.SiLU(), nn.Linear(TIME_WIDTH, TIME_WIDTH)
        )
        self.enter = nn.Conv2d((COLOURS + conditions) * cells, channels[0], 3, padding=1)
        self.down = nn.ModuleList(
            nn.ModuleList(_Block(width) for _ in range(count))
            for width, count in zip(channels, blocks, strict=True)
        )
        self.shrink = nn.ModuleList(
            nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in pairwise(channels)
        )
        self.grow = nn.ModuleList(
            nn.Conv2d(coarse, fine * 4, 1) for fine, coarse in pairwise(channels)
        )
        self.up = nn.ModuleList(
            nn.ModuleList(_Block(width) for _ in range(count))
            for width, count in zip(channels[:-1], blocks[:-1], strict=True)
        )
        self.norm = _ChannelNorm(channels[0])
        self.leave = nn.Conv2d(channels[0], COLOURS * cells, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    @property
    def multiple(self) -> int:
        """Height and width of what it is given have to be multiples of this."""
        return UNSHUFFLE * 2 ** len(self.shrink)

    def forward(
        self, noisy: torch.Tensor, condition: torch.Tensor, time: torch.Tensor
    ) -> torch.Tensor:
        """Return the estimated clean residual (B, 3, H, W).

        Args:
            noisy: (B, 3, H, W) x_t = (1 - t) x0 + t noise where editable, else 0. Not looked at
                where t is 1: the answer is the expectation.
            condition: (B, conditions, H, W) of `condition.encode`.
            time: (B,) t, 1 for pure noise, 0 for none.
        """
        embedded = self.time(embed_time(time, TIME_WIDTH).to(noisy.dtype))
        noisy = noisy * (time < 1)[:, None, None, None]  # at 1 it is noise alone and says nothing
        x = functional.pixel_unshuffle(torch.cat([noisy, condition], dim=1), UNSHUFFLE)
        x = self.enter(x.contiguous(memory_format=torch.channels_last))
        kept = []
        for level, blocks in enumerate(self.down):
            for block in blocks:
                x = block(x, embedded)
            if level < len(self.shrink):
                kept.append(x)
                x = self.shrink[level](x)
        for level in reversed(range(len(self.up))):
            x = functional.pixel_shuffle(self.grow[level](x), 2) + kept[level]
            for block in self.up[level]:
                x = block(x, embedded)
        x = self.leave(functional.silu(self.norm(x)))
        return functional.pixel_shuffle(x, UNSHUFFLE)


class _Block(nn.Module):
    """Two convolutions around a residual; the time scales and shifts between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before = _ChannelNorm(width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.between = _ChannelNorm(width)
        self.modulate = nn.Linear(TIME_WIDTH, 2 * width)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, x: torch.Tensor, embedded: torch.Tensor) -> torch.Tensor:
        scale, shift = self.modulate(embedded)[:, :, None, None].chunk(2, dim=1)
        y = self.first(functional.silu(self.before(x)))
        y = self.between(y) * (1 + scale) + shift
        return x + self.second(functional.silu(y))


class _ChannelNorm(nn.Module):
    """Root-mean-square norm over the channels of each pixel (Zhang and Sennrich 2019)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        last = x.permute(0, 2, 3, 1)  # no copy: memory is channels-last
        normed = functional.rms_norm(last, (x.shape[1],), eps=1e-6) * self.weight.to(x.dtype)
        return normed.permute(0, 3, 1, 2)
