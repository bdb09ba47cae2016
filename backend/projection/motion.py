"""What moves by itself is not where the still shows it, so it is never taken from a still.

Flow guides say where a frame's surface points are in the frames beside it; the camera alone would
take them somewhere else if they move by themselves. The difference adds up from the still's frame
outwards, carried along with the surfaces, so slow things and things that have come to rest count.
"""

from __future__ import annotations

import torch

from ..wire import Camera
from .backward import transfer_pixels, visible

NOISE = 0.05  # pixels a frame: below it a difference is rounding
NOISE_SHARE = 0.002  # of the flow's length: half floats in a flow guide
MOST_SHIFT = 0.5  # pixels in all, from which a pixel has moved


def own_motion(
    flow: torch.Tensor, surface: torch.Tensor, camera: Camera, other: Camera
) -> torch.Tensor:
    """Return how many pixels (H, W) each surface point moves by itself between two frames.

    Args:
        flow: (2, H, W) pixels from the frame to the other one.
        surface: (4, H, W) of `describe_surface`, of the frame.
        camera: The frame's camera.
        other: The other frame's camera.
    """
    moved = transfer_pixels(surface, camera, other)
    height, width = moved.x.shape
    u = torch.arange(width, device=flow.device) + 0.5
    v = torch.arange(height, device=flow.device)[:, None] + 0.5
    off = torch.hypot(moved.x - u - flow[0], moved.y - v - flow[1])
    noise = NOISE + NOISE_SHARE * torch.hypot(flow[0], flow[1])
    counts = (off > noise) & moved.inside & (surface[0] > 0)
    return torch.where(counts, off, 0.0)


class Follower:
    """Walks away from a still frame by frame and knows what has moved by itself since."""

    def __init__(self, surface: torch.Tensor, camera: Camera) -> None:
        """Start at the still's own frame.

        Args:
            surface: (4, H, W) of `describe_surface`, of the still.
            camera: Its camera.
        """
        self._surface, self._camera = surface, camera
        self._shift = torch.zeros_like(surface[0])

    def step(
        self, surface: torch.Tensor, camera: Camera, flow: torch.Tensor | None
    ) -> torch.Tensor:
        """Go on to the next frame and return what has moved (H, W) bool.

        Args:
            surface: (4, H, W) of `describe_surface`, of that frame.
            camera: Its camera.
            flow: (2, H, W) pixels from it to the frame of the step before; None if not known.
        """
        shift = torch.zeros_like(surface[0])
        if bool(self._shift.any()):
            moved = transfer_pixels(surface, camera, self._camera)
            height, width = shift.shape
            row = moved.y.clamp(0, height - 1).to(torch.int64)
            column = moved.x.clamp(0, width - 1).to(torch.int64)
            before = self._shift.flatten()[row * width + column]
            shift = torch.where(visible(self._surface, moved), before, shift)
        if flow is not None:
            shift += own_motion(flow, surface, camera, self._camera)
        self._surface, self._camera, self._shift = surface, camera, shift
        return shift > MOST_SHIFT
