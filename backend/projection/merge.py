"""Several stills become one picture: the best view wins per pixel, seams are blended."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

from .backward import View

SEAM = 3  # pixels on either side of a seam over which two stills are blended


def merge_views(views: Sequence[View], nearness: Sequence[float]) -> View:
    """Return what all of them show together.

    Args:
        views: What each still shows, at least one.
        nearness: For each, how near it was taken, 0 to 1: what depends on the view (highlights)
            is truer from nearby, and equally good stills do not alternate from pixel to pixel.
    """
    if len(views) == 1:
        return views[0]
    score = torch.stack(
        [(view.quality + near) * view.seen for view, near in zip(views, nearness, strict=True)]
    )
    best = score.argmax(0)
    width = 2 * SEAM + 1
    colour = torch.zeros_like(views[0].colour)
    mixed = torch.zeros_like(views[0].mixed)
    total = torch.zeros_like(views[0].quality)
    for number, view in enumerate(views):
        won = (best == number)[None].to(colour.dtype)
        share = functional.avg_pool2d(won, width, 1, SEAM, count_include_pad=False)[0]
        share = share * view.seen
        colour += view.colour * share
        total += share
        mixed |= view.mixed & (best == number)
    seen = torch.stack([view.seen for view in views]).any(0)
    return View(colour / total.clamp_min(1e-9), seen, score.amax(0), mixed)
