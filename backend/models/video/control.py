"""Depth as the picture a model is guided by: inverse, with one range for the whole shot.

A static point before a static camera keeps its value in every frame, because the range is that of
the shot (robust percentiles over every known frame) or of the numbers an artist locks it to; a
range of each frame's own would make the picture pump whenever something comes near.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ...errors import SettingError
from ...geometry import inverse_depth_range
from ..card import Control, Value

if TYPE_CHECKING:
    from ...reader import ShotReader


@dataclass(frozen=True, slots=True)
class DepthRange:
    """Inverse depths, 1 / m, of the farthest and the nearest that the picture tells apart."""

    far: float
    near: float

    def picture(self, inverse: torch.Tensor, control: Control) -> torch.Tensor:
        """Return inverse depth as grey 0 to 1 of the same shape, as the model's card wants it."""
        grey = ((inverse - self.far) / (self.near - self.far)).clamp(0.0, 1.0)
        if not control.near_is_white:
            grey = 1.0 - grey
        if control.bits:
            levels = 2**control.bits - 1
            grey = (grey * levels).round() / levels
        return grey


def shot_range(
    reader: ShotReader, settings: Mapping[str, Value], *, tick: Callable[[], None]
) -> DepthRange:
    """Return the range of a shot: what `depth_near` and `depth_far` say, in metres, or its own.

    Args:
        reader: The shot.
        settings: 0 for either of the two leaves it to the shot.
        tick: Called before each frame that is read; what it raises ends it.

    Raises:
        SettingError: the locked range is empty.
        ShotError: there is nothing in any depth.
    """
    near, far = (float(settings[name]) for name in ("depth_near", "depth_far"))
    least, most = 0.0, 0.0
    if not (near and far):
        least, most = inverse_depth_range(_depths(reader, tick))
    if far:
        least = 1.0 / far
    if near:
        most = 1.0 / near
    if not most > least:
        if near or far:
            raise SettingError(
                f"'depth_near' ({_metres(most)}) must be less than 'depth_far' ({_metres(least)});"
                " 0 leaves either to the shot."
            )
        least = 0.0  # one plane before the camera in every frame: any range shows it
    return DepthRange(least, most)


def _depths(reader: ShotReader, tick: Callable[[], None]) -> Iterator[np.ndarray]:
    """Yield every known depth, those of the stills among them, one at a time."""
    for number in range(len(reader.shot.stills)):
        tick()
        yield reader.still_depth(number)
    for index in range(reader.shot.frames):
        tick()
        depth = reader.depth(index)
        if depth is not None:
            yield depth


def _metres(inverse: float) -> str:
    return f"{np.reciprocal(inverse):.3g} m" if inverse else f"{math.inf} m"
