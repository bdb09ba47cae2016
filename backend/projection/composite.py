"""One frame of stills and pictures made later: what each pixel is taken from.

A pixel that a still shows is the projection's own. Else the first keyframe that shows its point of
the world gives its colour. What is left is filled from the background beside it, and what moves by
itself from what the stills show alone: no keyframe shows things that move, and the few pixels of a
keyframe that happen to lie at their depth would give all of them their noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from .frame import Sight, fill_unseen, soften
from .lend import lend
from .source import Source


@dataclass(frozen=True, slots=True)
class Composite:
    """A frame put together.

    Attributes:
        colour: (3, H, W) display values 0 to 1, silhouettes softened.
        generated: (H, W) share of colour that no still shows: the projection's own.
        left: (H, W) bool: shown by no keyframe either.
        left_share: (H, W) its share of colour.
        surface: (4, H, W) of `describe_surface`.
        silhouette: (H, W) bool of `edges`.
    """

    colour: torch.Tensor
    generated: torch.Tensor
    left: torch.Tensor
    left_share: torch.Tensor
    surface: torch.Tensor
    silhouette: torch.Tensor


def compose(
    sight: Sight,
    keyframes: Sequence[Source],
    *,
    moving: torch.Tensor | None,
    fallback: torch.Tensor,
) -> Composite:
    """Put a frame together.

    Args:
        sight: What the stills show of it.
        keyframes: In the order in which they are asked.
        moving: (H, W) bool: what moves by itself, which no keyframe may lend; None for nothing.
        fallback: (3,) colour of a frame of which nothing is known.
    """
    unseen = ~sight.seen
    lent = lend(keyframes, sight, unseen if moving is None else unseen & ~moving)
    left = unseen & ~lent.taken
    known = replace(sight, surface=lent.surface)
    colour = _fill(known, lent.colour, ~left, fallback)
    if moving is not None and bool((moving & left).any()):
        alone = _fill(known, sight.colour, sight.seen, fallback)
        colour = torch.where(moving & left, alone, colour)
    left_share = left.to(colour.dtype)
    soft = soften(torch.cat([colour, left_share[None]]), sight.hard & ~lent.mixed)
    generated = soften(unseen[None].to(colour.dtype), sight.hard)[0]
    return Composite(soft[:3], generated, left, soft[3], lent.surface, sight.silhouette)


def _fill(
    sight: Sight, colour: torch.Tensor, seen: torch.Tensor, fallback: torch.Tensor
) -> torch.Tensor:
    """Return colours (3, H, W) filled where not `seen` (H, W) bool."""
    if not bool(seen.any()):
        return fallback[:, None, None].expand_as(colour)
    return fill_unseen(sight, colour, seen)
