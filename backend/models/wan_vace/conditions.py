"""What Wan VACE is shown: one video of colours and depth, and a mask of what is to be made.

A pixel enters with a mask of 0 as colour that is kept, or with 1 as control: depth, or grey where
there is none. Masks are 0 or 1 and nothing between, because the pipeline halves grey ones.

The trap is time. The model's mask has one frame for every four of the video but the first, read by
"nearest-exact": of 81 frames the 1st, 5th, 9th, ... A still kept in frame 0 alone is therefore not
kept at all, and the last kept frames of the window before are not where they end. So around every
known frame, what the stills show is kept as far as the frame that its part of the mask is read
from.

Jiang et al., VACE: All-in-One Video Creation and Editing, 2025 (the mask and the two halves of the
video); the reading was found in diffusers' `WanVACEPipeline.prepare_masks`.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from ..card import Control
from ..video.window import WindowFrame, WindowTask

DEPTH, PROJECTION, BOTH = "depth", "projection", "both"
FRAMES_PER_LATENT = 4
GREY = 0.5  # zero for the network


def show(task: WindowTask, control: Control) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what the model is shown of a window.

    Returns:
        The video (F, 3, h, w), 0 to 1, and the mask (F, 1, h, w), 1 = to be made, 0 = kept.
    """
    mode = task.settings["guidance_mode"]
    near = _beside_known(task.frames)
    video, masks = [], []
    for position, frame in enumerate(task.frames):
        keep, colour = frame.seen, frame.colour
        if position not in near:
            keep = torch.zeros_like(keep) if mode == DEPTH else keep & ~frame.free
        elif task.frames[near[position]].kept:
            # It has moved since the still: what the kept frame shows of it is what goes on.
            colour = torch.where(frame.free, task.frames[near[position]].colour, colour)
            keep = keep | frame.free
        if mode == PROJECTION or task.depth is None:
            control_picture = torch.full_like(frame.colour, GREY)
        else:
            control_picture = task.depth.picture(frame.inverse, control).expand_as(frame.colour)
        video.append(torch.where(keep, colour, control_picture))
        masks.append((~keep)[None].float())
    return torch.stack(video), torch.stack(masks)


def read_positions(frames: int) -> list[int]:
    """Return, for each frame of the model's mask, the frame of the video that it is read from."""
    latents = (frames + FRAMES_PER_LATENT - 1) // FRAMES_PER_LATENT
    ramp = torch.arange(frames, dtype=torch.float32)[None, None]
    return [
        int(at) for at in functional.interpolate(ramp, size=latents, mode="nearest-exact")[0, 0]
    ]


def _beside_known(frames: tuple[WindowFrame, ...]) -> dict[int, int]:
    """Return the positions from known frames to where their part of the mask is read.

    Each with the position of the frame that it stands for.
    """
    reads = read_positions(len(frames))
    beside: dict[int, int] = {}
    for position, frame in enumerate(frames):
        if frame.still or frame.kept:
            at = reads[min((position + FRAMES_PER_LATENT - 1) // FRAMES_PER_LATENT, len(reads) - 1)]
            for near in range(min(position, at), max(position, at) + 1):
                known = frames[near].still or frames[near].kept
                beside[near] = near if known else position
    return beside
