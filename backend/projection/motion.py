"""What moves by itself is not where the still shows it, so it is never taken from a still.

Flow guides say where a frame's surface points are in the frames beside it; the camera alone would
take them somewhere else if they move by themselves. The difference, a vector, adds up from the
still's frame outwards, carried along with the surfaces, so slow things count. What has moved once
counts as moved from then on, also when it comes to rest or turns back: its light has changed.
"""

from __future__ import annotations

import torch

from ..wire import Camera
from .backward import Transfer, transfer_pixels, visible

# Below these a difference is rounding, which must not add up. Measured in static scenes of Blender,
# 832 x 480: at most 0.0006 pixels. Half floats in a flow guide are off by 0.0005 of its length.
NOISE = 0.002  # pixels a frame
NOISE_SHARE = 0.001  # of the flow's length
MOST_SHIFT = 0.5  # pixels in all, from which a pixel has moved


def own_motion(flow: torch.Tensor, surface: torch.Tensor, still: Transfer) -> torch.Tensor:
    """Return by how many pixels (2, H, W; x, y) each surface point moves by itself.

    Args:
        flow: (2, H, W) pixels from the frame to another one.
        surface: (4, H, W) of `describe_surface`, of the frame.
        still: Where the frame's pixels lie in the other one if nothing moves but the camera.

    Returns:
        Where the other frame shows each point, less where it would be if it had stood still;
        0 where that is rounding, where nothing is hit, and where it would not be in the picture.
    """
    height, width = still.x.shape
    u = torch.arange(width, device=flow.device) + 0.5
    v = torch.arange(height, device=flow.device)[:, None] + 0.5
    off = torch.stack([flow[0] + u - still.x, flow[1] + v - still.y])
    noise = torch.hypot(flow[0], flow[1]).mul_(NOISE_SHARE).add_(NOISE)
    counts = (torch.hypot(off[0], off[1]) > noise) & still.inside & (surface[0] > 0)
    return torch.where(counts, off, 0.0)


class Follower:
    """Walks away from a still frame by frame and knows what has moved by itself since."""

    def __init__(self, surface: torch.Tensor, camera: Camera) -> None:
        """Start at the still's own frame.

        Args:
            surface: (4, H, W) of `describe_surface`, of the still.
            camera: Its camera.
        """
        self._surface, self._camera = surface, camera  # of the last frame whose depth is known
        self._beside = camera  # of the last frame
        self._unknown = 0  # frames since that whose motion is in the sum
        self._shift: torch.Tensor | None = None  # (2, H, W); infinite once moved, None for 0

    def step(
        self, surface: torch.Tensor | None, camera: Camera, flow: torch.Tensor | None
    ) -> torch.Tensor | None:
        """Go on to the next frame and return what has moved (H, W) bool; None without a surface.

        Every frame must be stepped to, in order. Motion that no frame tells (flow or depth is not
        known there) is taken to be as fast as that of the next frame which tells it.

        Args:
            surface: (4, H, W) of `describe_surface`, of that frame; None if not known.
            camera: Its camera.
            flow: (2, H, W) pixels from it to the frame of the step before; None if not known.
        """
        beside, self._beside = self._beside, camera
        self._unknown += 1
        if surface is None:
            return None
        before = transfer_pixels(surface, camera, self._camera)
        off = None
        if flow is not None:
            direct = beside is self._camera
            there = before if direct else transfer_pixels(surface, camera, beside)
            off = own_motion(flow, surface, there).mul_(self._unknown)
            self._unknown = 0
        shift = self._carry(before, off)
        self._surface, self._camera = surface, camera
        if shift is None:
            self._shift = None
            return torch.zeros_like(surface[0], dtype=torch.bool)
        moved = torch.hypot(shift[0], shift[1]) >= MOST_SHIFT
        self._shift = shift.masked_fill_(moved, torch.inf)
        return moved

    def _carry(self, before: Transfer, off: torch.Tensor | None) -> torch.Tensor | None:
        """Return the sum (2, H, W) so far, in the pixels of this frame; None where all is 0.

        Args:
            before: Where this frame's pixels lie in the one whose sum there is, by the camera.
            off: How far from there they truly lie, (2, H, W); None if not known. Who is half a
                pixel off has moved, whatever the sum is there, so the way there is left out.
        """
        if off is not None and not bool(off.any()):
            off = None
        if self._shift is None:
            return off
        height, width = before.x.shape
        row = before.y.clamp(0, height - 1).to(torch.int64)
        column = before.x.clamp(0, width - 1).to(torch.int64)
        sums = self._shift.flatten(1)[:, (row * width + column).flatten()].view(2, height, width)
        # What stands still may come out from behind what has moved. What moves by itself may have
        # had another depth, so that cannot be asked of it.
        same = visible(self._surface, before)
        if off is None:
            return torch.where(same, sums, 0.0)
        return torch.where(same | off.any(0), sums, 0.0).add_(off)
