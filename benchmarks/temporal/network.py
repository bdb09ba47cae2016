"""The draft's network with layers over the frames of a clip.

After the blocks of every level: two convolutions over three frames each (Blattmann et al. 2023,
Align Your Latents and Stable Video Diffusion), and at the two coarsest levels attention of each
place over all frames (Guo et al. 2024, AnimateDiff). Both are added to what they are given and
begin as nothing, so a new network does what the one without them does.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from backend.models.draft.condition import CHANNELS, embed_time
from backend.models.draft.network import COLOURS, DraftNetwork

ATTENDING = 2  # of the coarsest levels
HEAD = 16  # channels


def temporal_network(frames: int, **config: tuple[int, ...]) -> DraftNetwork:
    """Return a network whose batches are whole clips, frame by frame, one after another.

    Args:
        frames: Of a clip.
        **config: Arguments of `DraftNetwork`.
    """
    network = DraftNetwork(**config)
    widths = network.config["channels"]
    for blocks in (network.down, network.up):
        for level, part in enumerate(blocks):
            part.append(OverFrames(widths[level], frames))
            if level >= len(widths) - ATTENDING:
                part.append(AmongFrames(widths[level], frames))
    return network


class OverFrames(nn.Module):
    """Two convolutions over frames, of width 3, at each pixel."""

    def __init__(self, width: int, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.norm = nn.RMSNorm(width, elementwise_affine=False)
        self.first = nn.Linear(3 * width, width)
        self.second = nn.Linear(3 * width, width)
        _begin_as_nothing(self.second)

    def forward(self, x: torch.Tensor, embedded: torch.Tensor) -> torch.Tensor:
        """Return (B N, C, H, W); the time `embedded` is in x already."""
        y = _by_clip(x, self.frames)
        y = self.first(_with_neighbours(functional.silu(self.norm(y))))
        return x + _by_frame(self.second(_with_neighbours(functional.silu(y))))


class AmongFrames(nn.Module):
    """Self-attention of each pixel over all frames of its clip."""

    def __init__(self, width: int, frames: int) -> None:
        super().__init__()
        self.frames, self.heads = frames, width // HEAD
        self.norm = nn.RMSNorm(width, elementwise_affine=False)
        self.ask = nn.Linear(width, 3 * width)
        self.answer = nn.Linear(width, width)
        _begin_as_nothing(self.answer)
        self.register_buffer("order", embed_time(torch.arange(frames) / 1000, width))

    def forward(self, x: torch.Tensor, embedded: torch.Tensor) -> torch.Tensor:
        """Return (B N, C, H, W)."""
        y = _by_clip(x, self.frames)
        clips, frames, height, width, channels = y.shape
        tokens = (self.norm(y) + self.order[:, None, None]).flatten(2, 3).transpose(1, 2)
        asked = self.ask(tokens).unflatten(-1, (3, self.heads, -1))
        query, key, value = asked.permute(3, 0, 1, 4, 2, 5)  # each (B, H W, heads, N, HEAD)
        weights = (query @ key.transpose(-1, -2) * HEAD**-0.5).softmax(dim=-1)
        answer = self.answer((weights @ value).transpose(2, 3).flatten(-2))
        back = answer.transpose(1, 2).reshape(clips, frames, height, width, channels)
        return x + _by_frame(back)


def gflop_a_pixel(network: DraftNetwork, frames: int) -> float:
    """Return what one evaluation costs for each pixel of each frame; tiles cost the same."""
    side = 4 * network.multiple
    planes = torch.zeros(frames, COLOURS + CHANNELS, side, side)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(planes[:, :COLOURS], planes[:, COLOURS:], torch.ones(frames))
    return counter.get_total_flops() / 1e9 / (frames * side**2)


def _by_clip(x: torch.Tensor, frames: int) -> torch.Tensor:
    """Return (B, N, H, W, C) of (B N, C, H, W): no copy, memory is channels-last."""
    return x.permute(0, 2, 3, 1).unflatten(0, (-1, frames))


def _by_frame(y: torch.Tensor) -> torch.Tensor:
    return y.flatten(0, 1).permute(0, 3, 1, 2)


def _with_neighbours(y: torch.Tensor) -> torch.Tensor:
    """Return (B, N, H, W, 3 C): the frame before, the frame, the frame after; nothing beyond."""
    nothing = torch.zeros_like(y[:, :1])
    before = torch.cat([nothing, y[:, :-1]], dim=1)
    after = torch.cat([y[:, 1:], nothing], dim=1)
    return torch.cat([before, y, after], dim=-1)


def _begin_as_nothing(layer: nn.Linear) -> None:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
