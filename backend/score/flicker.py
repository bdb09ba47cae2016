"""World-locked flicker: how much the colour of one point of the world wanders over the frames.

Points are the pixels of up to four anchor frames, spread over the frames that are scored; in large
frames every second or third row and column, about 40,000 an anchor. Each is followed by the exact
geometry into every scored frame that shows it and read there bilinearly. A point found in two
frames or more has a standard deviation over its frames (n - 1 below the root, mean variance of the
channels); the metric is its mean over all points, in 8-bit levels. A point counts as seen (unseen)
by the frames in which all pixels it is read from are seen (unseen).

Light that changes with the view and the sampling itself make the truth wander too: read it beside
the truth's own. Unlike E_warp it notices what happens between frames that are not neighbours: a
jump in brightness, a slow drift of colour.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..wire import Camera
from .regions import masks_of
from .values import REGIONS, Regional
from .visibility import VISIBLE, Surface, land, sample, visibility, wholly_inside

ANCHORS = 4
POINTS = 40_000


def spread(items: Sequence[int], most: int) -> list[int]:
    """Return at most `most` of the items, evenly spread, first and last included."""
    if len(items) <= most:
        return list(items)
    places = np.linspace(0, len(items) - 1, most).round().astype(int)
    return [items[place] for place in places]


@dataclass(frozen=True, slots=True)
class _Points:
    """Running sums of the points (N) of one anchor in one region and one clip."""

    count: np.ndarray
    total: np.ndarray
    squares: np.ndarray

    @classmethod
    def none_yet(cls, shape: tuple[int, int]) -> _Points:
        return cls(np.zeros((*shape, 1)), np.zeros((*shape, 3)), np.zeros((*shape, 3)))

    def add(self, colours: np.ndarray, squares: np.ndarray, mask: np.ndarray) -> None:
        self.count[...] += mask
        self.total[...] += colours * mask
        self.squares[...] += squares * mask

    def deviations(self) -> np.ndarray:
        """Return the standard deviation of every point found twice or more."""
        found = self.count[..., 0] > 1
        count = self.count[found]
        variance = (self.squares[found] - self.total[found] ** 2 / count) / (count - 1)
        return np.sqrt(np.maximum(variance, 0).mean(axis=-1))


class Flicker:
    """Follows the points of a few anchor frames through the frames it is given."""

    def __init__(
        self, anchors: Sequence[tuple[np.ndarray, Camera]], *, clips: Sequence[str]
    ) -> None:
        """Take the anchors (planar depth (H, W), camera) and the names of the clips to compare."""
        self._anchors = tuple(anchors)
        self._points = {
            clip: [
                {region: _Points.none_yet(_grid(depth).shape) for region in REGIONS}
                for depth, _ in self._anchors
            ]
            for clip in clips
        }

    def add(
        self,
        pictures: Mapping[str, np.ndarray],
        *,
        depth: np.ndarray,
        camera: Camera,
        labels: np.ndarray | None,
    ) -> None:
        """Read the points in one frame.

        Args:
            pictures: The frame (H, W, 3) float32 of every clip.
            depth: Its true planar depth (H, W).
            camera: Its camera.
            labels: Its labels (`regions.label`), None where they cannot be had.
        """
        surface = Surface.of(depth)
        regions = masks_of(labels, (depth.shape[1], depth.shape[0]))
        for number, (anchor_depth, anchor_camera) in enumerate(self._anchors):
            landing = land(anchor_depth, anchor_camera, camera, step=_step(anchor_depth))
            found = visibility(landing, surface) == VISIBLE
            masks = {
                region: (found & wholly_inside(mask, landing))[..., None]
                for region, mask in regions.items()
            }
            for clip, picture in pictures.items():
                colours = sample(picture, landing).astype(np.float64)
                squares = np.square(colours)
                for region, mask in masks.items():
                    self._points[clip][number][region].add(colours, squares, mask)

    def deviation(self, clip: str) -> Regional:
        """Return the mean deviation of a clip by region in 8-bit levels."""
        values: dict[str, float | None] = {}
        for region in REGIONS:
            parts = [points[region].deviations() for points in self._points[clip]]
            deviations = np.concatenate(parts) if parts else np.empty(0)
            values[region] = float(deviations.mean() * 255) if len(deviations) else None
        return Regional.of(values)


def _step(depth: np.ndarray) -> int:
    return max(1, round(math.sqrt(depth.size / POINTS)))


def _grid(depth: np.ndarray) -> np.ndarray:
    return depth[:: _step(depth), :: _step(depth)]
