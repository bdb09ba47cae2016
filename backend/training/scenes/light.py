"""Light: a sun with soft shadows, a sky with darkening near contacts, and the film."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from .atlas import Atlas
from .shapes import Kind, Material, Shape
from .views import View, trace

SHADOW_SIDE = 896
HEIGHT_SIDE = 224
_TAPS = ((-0.35, -0.9), (0.9, -0.35), (0.35, 0.9), (-0.9, 0.35))


@dataclass(frozen=True, slots=True)
class Light:
    """What lights a scene, colours linear.

    Attributes:
        sun: (3,) unit, towards it.
        sun_colour: (3,).
        sky_colour: (3,) from above.
        ground_colour: (3,) from below.
        fill: (3,) unit, where a weak light without shadow comes from.
        fill_colour: (3,).
        lamp: (3,) metres, a lamp without shadow.
        lamp_colour: (3,) at a metre.
        softness: Radius of a shadow's border, metres.
        contact: How dark it gets near contacts, 0 to 1.
        horizon: (3,) colour of the sky at the horizon.
        zenith: (3,) and overhead.
    """

    sun: np.ndarray
    sun_colour: np.ndarray
    sky_colour: np.ndarray
    ground_colour: np.ndarray
    fill: np.ndarray
    fill_colour: np.ndarray
    lamp: np.ndarray
    lamp_colour: np.ndarray
    softness: float
    contact: float
    horizon: np.ndarray
    zenith: np.ndarray


class Shadows:
    """What the sun and the sky reach: two maps of a scene made once, for all its cameras."""

    def __init__(
        self,
        shapes: Sequence[Shape],
        materials: Sequence[Material],
        atlas: Atlas,
        *,
        light: Light,
        middle: np.ndarray,
        reach: float,
        device: torch.device,
    ) -> None:
        casting = [shape for shape in shapes if shape.shadow and shape.kind != Kind.ROOM]
        self._light, self._device = light, device
        self._sun = _from(light.sun, middle, reach, SHADOW_SIDE)
        self._sun_depth = trace(self._sun, casting, materials, atlas, device=device).depth[0]
        self._above = _from(np.array([0.0, 0.0, 1.0]), middle, reach, HEIGHT_SIDE)
        depth = trace(self._above, casting, materials, atlas, device=device).depth[0]
        height = (self._above.position[2] - depth).clamp_min(middle[2] - reach)
        blurred = height[None, None]
        levels = []
        for metres in (0.12, 0.5):
            side = 2 * int(metres * self._above.focal + 0.5) + 1
            for _ in range(2):
                blurred = functional.avg_pool2d(
                    functional.pad(blurred, (side // 2,) * 4, mode="replicate"), side, stride=1
                )
            levels.append(blurred[0, 0])
        self._height = torch.stack(levels)

    def sun_share(self, points: torch.Tensor, lean: torch.Tensor) -> torch.Tensor:
        """Return the share (N,) of the sun that points (3, N) see; `lean` (N,) is normal . sun."""
        x, y, depth = _place(points, self._sun)
        slope = (1 - lean * lean).clamp_min(0).sqrt() / lean.clamp_min(0.08)
        radius = self._light.softness * self._sun.focal
        bias = (0.8 + (1.0 + 0.7 * radius) * slope) / self._sun.focal
        wanted = depth - bias
        share = torch.zeros_like(depth)
        flat, side = self._sun_depth.flatten(), SHADOW_SIDE
        for right, down in _TAPS:
            a, b = x + right * radius - 0.5, y + down * radius - 0.5
            left, top = a.floor(), b.floor()
            fx, fy = a - left, b - top
            for row, across in ((top, 1 - fy), (top + 1, fy)):
                for column, along in ((left, 1 - fx), (left + 1, fx)):
                    place = row.clamp(0, side - 1) * side + column.clamp(0, side - 1)
                    lit = flat[place.to(torch.int64)] >= wanted
                    share += lit * (across * along)
        inside = (x > 1) & (y > 1) & (x < side - 1) & (y < side - 1)
        return torch.where(inside, share / len(_TAPS), 1.0)

    def sky_share(self, points: torch.Tensor) -> torch.Tensor:
        """Return how open (N,) points (3, N) are: less where much around them is higher."""
        x, y, _ = _place(points, self._above)
        grid = torch.stack([x, y], -1)[None, None] * (2 / HEIGHT_SIDE) - 1
        around = functional.grid_sample(
            self._height[None], grid, align_corners=False, padding_mode="border"
        )[0, :, 0]
        near = ((around[0] - points[2]) / 0.25).clamp(0, 1)
        wide = ((around[1] - points[2]) / 1.2).clamp(0, 1)
        return 1 - self._light.contact * (0.45 * near + 0.4 * wide)


def _from(towards: np.ndarray, middle: np.ndarray, reach: float, side: int) -> View:
    """Return parallel rays that come from a direction and cover a ball."""
    forward = -towards
    other = np.array([1.0, 0.0, 0.0]) if abs(forward[2]) > 0.9 else np.array([0.0, 0.0, 1.0])
    right = np.cross(other, forward)
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward], axis=1)
    return View(
        position=middle + towards * 4 * reach,
        rotation=rotation,
        focal=side / (2 * reach),
        centre=(side / 2, side / 2),
        size=(side, side),
        parallel=True,
    )


def _place(points: torch.Tensor, view: View) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    turn = torch.from_numpy(view.rotation.T).to(points)
    start = torch.from_numpy(view.position).to(points)[:, None]
    local = turn @ (points - start)
    return (
        local[0] * view.focal + view.centre[0],
        local[1] * view.focal + view.centre[1],
        local[2],
    )
