"""Pixels that no still shows are lent by pictures that were made later, where these show them.

The first picture that shows a point of the world gives its colour, in every frame. The cost is in
proportion to the pixels that are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .backward import Places, look_up, shows
from .fill import fill_background
from .forward import carry
from .frame import Sight
from .source import Source
from .surface import JUMP, describe_surface


@dataclass(frozen=True, slots=True)
class Lent:
    """What a frame gets.

    Attributes:
        colour: (3, H, W), that of the stills where nothing is lent.
        taken: (H, W) bool: where something is.
        surface: (4, H, W) of the frame, which may have become known better.
        mixed: (H, W) bool: lent silhouettes that are soft already.
    """

    colour: torch.Tensor
    taken: torch.Tensor
    surface: torch.Tensor
    mixed: torch.Tensor


def lend(sources: Sequence[Source], sight: Sight, wanted: torch.Tensor) -> Lent:
    """Return what `sources` show of the pixels `wanted`.

    Args:
        sources: The pictures, the first before the others.
        sight: What the stills show of the frame.
        wanted: (H, W) bool, of what they do not.
    """
    nothing = torch.zeros_like(wanted)
    if not sources or not bool(wanted.any()):
        return Lent(sight.colour, nothing, sight.surface, nothing)
    if sight.known:
        return _look_up(sources, sight, wanted)
    return _carry(sources, sight, wanted)


def _look_up(sources: Sequence[Source], sight: Sight, wanted: torch.Tensor) -> Lent:
    colour = sight.colour.clone()
    taken, mixed = torch.zeros_like(wanted), torch.zeros_like(wanted)
    surface, silhouette = sight.surface.flatten(1), sight.silhouette.flatten()
    cells = torch.nonzero(wanted.flatten())[:, 0]
    for source in sources:
        places = Places.listed(cells, source.size)
        found = shows(source, surface[:, None, cells], sight.camera, places)[0]
        hits = cells[found]
        if len(hits) == 0:
            continue
        view = look_up(
            source,
            surface[:, None, hits],
            silhouette[None, hits],
            sight.camera,
            Places.listed(hits, source.size),
        )
        colour.flatten(1)[:, hits] = view.colour[:, 0]
        taken.flatten()[hits] = True
        mixed.flatten()[hits] = view.mixed[0]
        cells = cells[~found]
    return Lent(colour, taken, sight.surface, mixed)


def _carry(sources: Sequence[Source], sight: Sight, wanted: torch.Tensor) -> Lent:
    """Carry forward; a later picture comes before an earlier one only where it is clearly nearer.

    Depth that no still shows is an estimate, and each picture has its own.
    """
    colour, inverse = sight.colour.clone(), sight.surface[0].clone()
    taken = torch.zeros_like(wanted)
    for source in sources:
        splat = carry([source], sight.camera)
        nearer = splat.inverse * (1 - JUMP) > inverse
        won = wanted & splat.seen & (~taken | nearer)
        colour[:, won] = splat.colour[:, won]
        inverse[won] = splat.inverse[won]
        taken |= won
    filled = fill_background(inverse[None], sight.seen | taken, inverse)[0]
    return Lent(colour, taken, describe_surface(filled), torch.zeros_like(taken))
