"""What moves by itself in a frame between two that were made: followed into both by flow.

Depth and cameras alone would take it from where it would be if it stood still: from something else,
or from another place of the thing itself, and the mean of both neighbours would show it twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from ...projection.backward import Places, transfer_pixels
from ...projection.motion import MOST_SHIFT
from ...projection.sampling import sample
from ...projection.source import Source
from ...projection.surface import JUMP, inverse_depth
from ...projection.walk import Guides, Walk


@dataclass(frozen=True, slots=True)
class _Followed:
    """What one neighbour shows of a frame, followed by flow.

    Attributes:
        colour: (3, H, W).
        shown: (H, W) bool: where that is the frame's own surface.
        moved: (H, W) bool: where it moves by itself on the way there.
    """

    colour: torch.Tensor
    shown: torch.Tensor
    moved: torch.Tensor


def follow_moving(
    walk: Walk,
    index: int,
    surface: torch.Tensor,
    carried: Sequence[torch.Tensor],
    neighbours: Sequence[tuple[int, Source]],
    *,
    guides: Callable[[int], Guides],
) -> torch.Tensor:
    """Return a frame (3, H, W) between two others, what moves by itself taken from where it was.

    A pixel that moves is the mean of what both neighbours show of it, the nearer one counting more;
    what one of them hides is the other's, and what neither shows is carried by depth and camera
    from the nearer one alone.

    Args:
        walk: The shot's; without any flow nothing is known to move.
        index: Of the frame.
        surface: (4, H, W) of `describe_surface`, of the frame, as the shot knows it.
        carried: (3, H, W) of the frame as each of the two shows it by depth and camera, holes
            filled by the other one.
        neighbours: Index and picture of the two, the earlier one first.
        guides: Returns those of a frame, which are left as they are.
    """
    (before, _), (after, _) = neighbours
    share = (index - before) / (after - before)
    mean = torch.lerp(*carried, share)
    found = [_follow(walk, index, surface, there, source, guides) for there, source in neighbours]
    known = [each for each in found if each is not None]
    if not known:
        return mean
    moved = torch.stack([each.moved for each in known]).any(0)
    if not bool(moved.any()):
        return mean
    total = torch.zeros_like(surface[0])
    colour = torch.zeros_like(mean)
    for each, weight in zip(found, (1 - share, share), strict=True):
        if each is not None:
            part = each.shown * weight
            colour += each.colour * part
            total += part
    alone = carried[0] if share <= 0.5 else carried[1]
    followed = torch.where(total > 0, colour / total.clamp_min(1e-6), alone)
    return torch.where(moved, followed, mean)


def _follow(
    walk: Walk,
    index: int,
    surface: torch.Tensor,
    there: int,
    source: Source,
    guides: Callable[[int], Guides],
) -> _Followed | None:
    """Follow a frame's pixels to another frame; None where the flow on the way is not known."""
    places = Places.whole(surface[0])
    height, width = surface.shape[1:]
    x, y = (each.expand(height, width).clone() for each in (places.u, places.v))
    shown = surface[0] > 0
    moved = torch.zeros_like(shown)
    step = 1 if there > index else -1
    known = guides(index)
    inverse, unknown = surface[0], 0  # on the way, and for how many frames it is not known
    for at in range(index + step, there + step, step):
        flow = walk.flow(known, previous=step < 0)
        if flow is None:
            return None
        # The pixel that contains the point answers: a mean over a silhouette is nobody's motion.
        cells = _cells(x, y, (width, height))
        cameras = walk.shot.cameras[at - step], walk.shot.cameras[at]
        here = Places(x, y, (width, height))
        expected = transfer_pixels(inverse[None], *cameras, here).inverse
        x += flow[0].flatten()[cells]
        y += flow[1].flatten()[cells]
        shown &= (x >= 0) & (x < width) & (y >= 0) & (y < height)
        still = transfer_pixels(surface, walk.shot.cameras[index], walk.shot.cameras[at])
        known = guides(at)
        inverse, unknown = expected, unknown + 1
        if known.depth is not None:
            found = inverse_depth(known.depth, device=x.device)
            inverse = found.flatten()[_cells(x, y, (width, height))]
            # What lies before it there moves in its own way: from here on its flow is not known.
            shown &= _same_depth(inverse, expected, surface, frames=unknown)
            unknown = 0
        moved |= shown & (torch.hypot(x - still.x, y - still.y) >= MOST_SHIFT)
    return _Followed(sample(source.picture, x, y, size=(width, height)), shown, moved)


def _same_depth(
    inverse: torch.Tensor, expected: torch.Tensor, surface: torch.Tensor, *, frames: int
) -> torch.Tensor:
    """Return where inverse depths are those of one thing, so many frames apart.

    Flow does not say what comes nearer or goes away, so in each frame a depth may change by as much
    as parts two surfaces. Both are those of the pixels that contain a point, each up to half a
    pixel off, so on a slant they may differ by a whole one's slope.

    Args:
        inverse: (H, W) as it is found.
        expected: (H, W) as it was found before, carried there by the camera.
        surface: (4, H, W) of `describe_surface`, of the frame that is followed.
        frames: How far apart the two were found.
    """
    slant = surface[1].abs() + surface[2].abs()
    return (inverse - expected).abs() <= JUMP * frames * torch.maximum(inverse, expected) + slant


def _cells(x: torch.Tensor, y: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return the numbers (H, W) of the pixels that contain points, counted row by row."""
    width, height = size
    column = x.clamp(0, width - 1).to(torch.int64)
    return y.clamp(0, height - 1).to(torch.int64) * width + column
