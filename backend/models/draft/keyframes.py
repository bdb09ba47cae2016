"""Which frames are generated once for all: a few that together show what no still does.

Chosen greedily (Nemhauser, Wolsey and Fisher 1978: at least 63 % of what the best choice of as
many frames covers) on maps small enough to look at every pair of frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch.nn import functional

from ...projection.backward import Places, cells_of, jacobian_of, transfer_pixels, visible
from ...projection.surface import describe_surface, grow
from ...wire import Camera

WORTH = 0.002  # share of all frames' pixels from which a keyframe is worth its time
LEFT = 0.003  # share of a frame that may be left
COUNTED = 48  # frames that are counted, evenly spread
CANDIDATES = 16  # among them
MOST = 8  # keyframes, and one more every
FRAMES_PER_MORE = 24
_WIDTH, _HEIGHT = 208, 120  # of the maps, about
_WHOLE = 255  # weight of a pixel shown at full resolution; whole numbers add up exactly


@dataclass(frozen=True, slots=True)
class Reduction:
    """Every `factor`-th pixel of maps of a size (W, H): depth is never averaged."""

    size: tuple[int, int]
    factor: int

    @classmethod
    def of(cls, size: tuple[int, int]) -> Reduction:
        """Return that which makes maps of `size` small enough."""
        return cls(size, max(1, round(size[0] / _WIDTH), round(size[1] / _HEIGHT)))

    def map(self, values: torch.Tensor) -> torch.Tensor:
        """Return a map (..., H, W) reduced."""
        x, y = self._first
        return values[..., y :: self.factor, x :: self.factor]

    def surface(self, surface: torch.Tensor) -> torch.Tensor:
        """Return a surface (4, H, W) of `describe_surface` reduced: its slopes are steeper."""
        return describe_surface(self.map(surface[0]))

    def camera(self, camera: Camera) -> Camera:
        """Return the camera whose pixel centres are those of the pixels that are kept."""
        x, y = self._first
        return replace(
            camera,
            fl_x=camera.fl_x / self.factor,
            fl_y=camera.fl_y / self.factor,
            cx=(camera.cx - x - 0.5) / self.factor + 0.5,
            cy=(camera.cy - y - 0.5) / self.factor + 0.5,
        )

    @property
    def _first(self) -> tuple[int, int]:
        width, height = self.size
        return min(self.factor // 2, width - 1), min(self.factor // 2, height - 1)


@dataclass(frozen=True, slots=True)
class Overview:
    """One frame, reduced.

    Attributes:
        index: Of the frame.
        camera: In pixels of the map.
        surface: (4, h, w) of `describe_surface`; an estimate where depth is not known.
        unseen: (h, w) bool: shown by no still, at rest, and no sliver (`broad`).
        moving: (h, w) bool: what moves by itself.
        known: Whether the shot knows the frame's depth.
    """

    index: int
    camera: Camera
    surface: torch.Tensor
    unseen: torch.Tensor
    moving: torch.Tensor
    known: bool


def broad(mask: torch.Tensor) -> torch.Tensor:
    """Return the pixels of a mask (h, w) that lie in squares of 2 x 2 of it."""
    if min(mask.shape) < 2:
        return mask
    squares = functional.max_pool2d((~mask)[None].float(), 2, stride=1) == 0
    return functional.max_pool2d(functional.pad(squares.float(), (1,) * 4), 2, stride=1)[0] > 0


def choose_keyframes(frames: Sequence[Overview]) -> list[int]:
    """Return the indices of the frames to generate, in the order in which they are.

    The frame that shows most of what is unseen in all frames comes first, then the one that adds
    most to it. Surfaces count less where they are seen from farther off or at a grazing angle.
    """
    counted = _spread([frame for frame in frames if bool(frame.unseen.any())], COUNTED)
    candidates = _spread(counted, CANDIDATES)
    if not counted:
        return []
    pixels = counted[0].unseen.numel()
    sizes = [int(frame.unseen.sum()) for frame in counted]
    weights = [
        torch.cat([_weight(candidate, frame) for frame in counted]) for candidate in candidates
    ]
    uncovered = torch.ones_like(weights[0], dtype=torch.bool)
    chosen: list[int] = []
    while len(chosen) < MOST + len(frames) // FRAMES_PER_MORE:
        left = max(int(part.sum()) for part in uncovered.split(sizes))
        gains = [int((weight * uncovered).sum()) for weight in weights]
        best = max(range(len(gains)), key=gains.__getitem__)
        if left < LEFT * pixels or gains[best] < WORTH * pixels * len(counted) * _WHOLE:
            break
        chosen.append(candidates[best].index)
        uncovered &= weights[best] == 0
    return chosen


def _weight(candidate: Overview, frame: Overview) -> torch.Tensor:
    """Return how well (N,) int64 a candidate shows each unseen pixel of a frame, 0 for not."""
    cells = torch.nonzero(frame.unseen.flatten())[:, 0]
    if not frame.known:
        return _carried(candidate, frame)[cells] * _WHOLE
    height, width = frame.unseen.shape
    places = Places.listed(cells, (width, height))
    surface = frame.surface.flatten(1)[:, None, cells]
    moved = transfer_pixels(surface, frame.camera, candidate.camera, places)
    there = cells_of(moved, (width, height))
    shown = visible(candidate.surface, moved) & ~candidate.moving.flatten()[there]
    jacobian = jacobian_of(moved, surface, frame.camera, candidate.camera)
    area = (jacobian[0] * jacobian[3] - jacobian[1] * jacobian[2]).abs()
    return ((area.sqrt().clamp(0.01, 1) * _WHOLE).to(torch.int64) * shown)[0]


def _carried(candidate: Overview, frame: Overview) -> torch.Tensor:
    """Return where (h * w,) int64 a candidate's unseen pixels come to lie in a frame, 0 or 1."""
    cells = torch.nonzero(candidate.unseen.flatten())[:, 0]
    height, width = frame.unseen.shape
    places = Places.listed(cells, (width, height))
    surface = candidate.surface.flatten(1)[:, None, cells]
    moved = transfer_pixels(surface, candidate.camera, frame.camera, places)
    there = cells_of(moved, (width, height))[moved.inside]
    shown = torch.zeros_like(frame.unseen)
    shown.flatten()[there] = True
    return grow(shown, 1).flatten().to(torch.int64)


def _spread(frames: Sequence[Overview], most: int) -> list[Overview]:
    """Return up to `most` of them, evenly spread, the first and the last among them."""
    if len(frames) <= most:
        return list(frames)
    return [frames[round(place * (len(frames) - 1) / (most - 1))] for place in range(most)]
