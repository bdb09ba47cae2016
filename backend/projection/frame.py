"""One frame from the stills: project, merge, fill, soften."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..wire import Camera
from .backward import look_up
from .fill import fill_background, fill_holes
from .forward import carry
from .merge import merge_views
from .source import Source
from .surface import describe_surface, edges

SOFTEN = 0.4  # of the mean of 3 x 3, along silhouettes alone; measured: 0.3 to 0.5 is best


@dataclass(frozen=True, slots=True)
class Projection:
    """A frame made from stills.

    Attributes:
        colour: (3, H, W) display values 0 to 1.
        generated: (H, W) share of colour that no still shows, 0 to 1.
        inverse: (H, W) inverse depth, 0 where nothing is hit.
    """

    colour: torch.Tensor
    generated: torch.Tensor
    inverse: torch.Tensor


@dataclass(frozen=True, slots=True)
class Sight:
    """What stills show of a frame, before anything is filled or softened.

    Attributes:
        camera: The frame's camera.
        colour: (3, H, W); meaningless where not seen.
        seen: (H, W) bool.
        surface: (4, H, W) of `describe_surface`, of the frame; where its depth is not known and no
            still shows it, that of the background beside it.
        silhouette: (H, W) bool of `edges`.
        hard: (H, W) bool: silhouettes that are harder than a renderer's.
        known: Whether the shot knows the frame's depth.
    """

    camera: Camera
    colour: torch.Tensor
    seen: torch.Tensor
    surface: torch.Tensor
    silhouette: torch.Tensor
    hard: torch.Tensor
    known: bool


def see_frame(
    sources: Sequence[Source],
    surface: torch.Tensor,
    camera: Camera,
    *,
    nearness: Sequence[float],
    moved: Sequence[torch.Tensor] | None = None,
) -> Sight:
    """Return what the stills show of a frame whose depth is known.

    Args:
        sources: The stills, at least one.
        surface: (4, H, W) of `describe_surface`, of the frame.
        camera: Its camera.
        nearness: For each still, how near it was taken, 0 to 1.
        moved: For each still, what has moved by itself since, (H, W) bool; None for nothing.
    """
    silhouette = edges(surface)
    views = [look_up(source, surface, silhouette, camera) for source in sources]
    if moved is not None:
        views = [view.without(gone) for view, gone in zip(views, moved, strict=True)]
    view = merge_views(views, nearness)
    hard = silhouette & ~(view.mixed & view.seen)
    return Sight(camera, view.colour, view.seen, surface, silhouette, hard, known=True)


def see_carried(sources: Sequence[Source], camera: Camera) -> Sight:
    """Return what the stills show of a frame whose depth is not known, and an estimate of it.

    Everything is taken to stand still since the stills were taken: a flow guide belongs to pixels
    of this frame, whose surfaces are not known.

    Args:
        sources: The stills, at least one.
        camera: The frame's camera.
    """
    splat = carry(sources, camera)
    inverse = fill_background(splat.inverse[None], splat.seen, splat.inverse)[0]
    surface = describe_surface(inverse)
    hard = edges(surface)
    return Sight(camera, splat.colour, splat.seen, surface, hard, hard, known=False)


def project_frame(
    sources: Sequence[Source],
    surface: torch.Tensor,
    camera: Camera,
    *,
    nearness: Sequence[float],
    moved: Sequence[torch.Tensor] | None = None,
    fill: bool = True,
) -> Projection:
    """Make a frame whose depth is known: `see_frame`, then `finish`."""
    sight = see_frame(sources, surface, camera, nearness=nearness, moved=moved)
    return finish(sight, fill=fill)


def carry_frame(sources: Sequence[Source], camera: Camera, *, fill: bool = True) -> Projection:
    """Make a frame whose depth is not known, and its depth: `see_carried`, then `finish`."""
    return finish(see_carried(sources, camera), fill=fill)


def finish(sight: Sight, *, fill: bool = True) -> Projection:
    """Fill what no still shows, or leave it black, and soften silhouettes."""
    generated = (~sight.seen).to(sight.colour.dtype)
    inverse = sight.surface[0]
    if not fill:
        return Projection(sight.colour * sight.seen, generated, inverse)
    filled = fill_unseen(sight, sight.colour, sight.seen)
    soft = soften(torch.cat([filled, generated[None]]), sight.hard)
    return Projection(soft[:3], soft[3], inverse)


def fill_unseen(sight: Sight, colour: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """Return colours (3, H, W) of a frame with the background beside it where not `seen` (H, W)."""
    if sight.known:
        return fill_holes(colour, seen, sight.surface, sight.camera)
    return fill_background(colour, seen, sight.surface[0])


def soften(values: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Mix neighbours (C, H, W) along silhouettes, as a renderer's pixel filter does.

    Depth is known at pixel centres, so a projected silhouette is a staircase; the true one is not.
    """
    rows, columns = torch.nonzero(where, as_tuple=True)
    height, width = where.shape
    mean = values.new_zeros(values.shape[0], len(rows))
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            mean += values[
                :, (rows + down).clamp(0, height - 1), (columns + right).clamp(0, width - 1)
            ]
    result = values.clone()
    result[:, rows, columns] = torch.lerp(values[:, rows, columns], mean / 9, SOFTEN)
    return result
