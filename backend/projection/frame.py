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


def project_frame(
    sources: Sequence[Source],
    surface: torch.Tensor,
    camera: Camera,
    *,
    nearness: Sequence[float],
    moved: Sequence[torch.Tensor] | None = None,
    fill: bool = True,
) -> Projection:
    """Make a frame whose depth is known.

    Args:
        sources: The stills, at least one.
        surface: (4, H, W) of `describe_surface`, of the frame.
        camera: Its camera.
        nearness: For each still, how near it was taken, 0 to 1.
        moved: For each still, what has moved by itself since, (H, W) bool; None for nothing.
        fill: Whether to fill what no still shows; else it is black.
    """
    silhouette = edges(surface)
    views = [look_up(source, surface, silhouette, camera) for source in sources]
    if moved is not None:
        views = [view.without(gone) for view, gone in zip(views, moved, strict=True)]
    view = merge_views(views, nearness)
    hard = silhouette & ~(view.mixed & view.seen)
    colour = fill_holes(view.colour, view.seen, surface, camera) if fill else view.colour
    return _finish(colour, view.seen, surface[0], hard=hard, fill=fill)


def carry_frame(sources: Sequence[Source], camera: Camera, *, fill: bool = True) -> Projection:
    """Make a frame whose depth is not known, and its depth.

    Everything is taken to stand still since the stills were taken: a flow guide belongs to pixels
    of this frame, whose surfaces are not known.

    Args:
        sources: The stills, at least one.
        camera: The frame's camera.
        fill: Whether to fill what no still shows; else it is black.
    """
    splat = carry(sources, camera)
    both = torch.cat([splat.colour, splat.inverse[None]])
    both = fill_background(both, splat.seen, splat.inverse)
    hard = edges(describe_surface(both[3]))
    return _finish(both[:3], splat.seen, both[3], hard=hard, fill=fill)


def _finish(
    colour: torch.Tensor,
    seen: torch.Tensor,
    inverse: torch.Tensor,
    *,
    hard: torch.Tensor,
    fill: bool,
) -> Projection:
    """Blacken what is not seen, or soften silhouettes that are harder than a renderer's."""
    generated = (~seen).to(colour.dtype)
    if not fill:
        return Projection(colour * seen, generated, inverse)
    soft = _soften(torch.cat([colour, generated[None]]), hard)
    return Projection(soft[:3], soft[3], inverse)


def _soften(values: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
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
