"""Colours of seen surfaces, spread over what continues them unseen: what the network starts from.

The projection fills a hole from all that is seen at its depth. Here a pixel takes the mean of what
is seen of its own plane.
"""

from __future__ import annotations

import torch

from ...projection.surface import grow
from .planes import Planes

_EDGE = 0.5  # cells from what is seen at which the projection's own fill counts 1 / e
_RINGS = 4  # times `_EDGE`, from where on it counts the same


def spread_surfaces(
    filled: torch.Tensor, generated: torch.Tensor, inverse: torch.Tensor
) -> torch.Tensor:
    """Return the picture (3, H, W) with the broad colours of holes taken from their own planes.

    It stays as it is where nothing seen within reach shares a hole's plane, and close to what is
    seen.

    Args:
        filled: (3, H, W) display values 0 to 1, holes filled by the projection.
        generated: (H, W) share of colour that no still shows, 0 to 1; where 0, nothing changes.
        inverse: (H, W) inverse depth divided by about the largest of the shot, 0 for the sky.
    """
    unseen = generated > 0
    if not bool(unseen.any()) or bool(unseen.all()):
        return filled
    planes = Planes(unseen, inverse)
    mean, share = planes.ask(filled, ~unseen)
    change = planes.between((mean - planes.at_asking(filled)) * share)
    reach = _EDGE * planes.cell
    near = torch.exp(-_distance(unseen, round(_RINGS * reach)) / reach)
    return (filled + change * (1 - near) * generated).clamp(0, 1)


def _distance(unseen: torch.Tensor, most: int) -> torch.Tensor:
    """Return the chessboard distance (H, W) of unseen pixels from what is seen, up to a most."""
    distance = torch.zeros(unseen.shape, device=unseen.device)
    seen = ~unseen
    for _ in range(most):
        distance += ~seen
        seen = grow(seen, 1)
    return distance
