"""What a scene is made of: six kinds of shape that a ray meets in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch

from .atlas import Atlas

NEAR = 1e-3  # metres from a ray's start within which nothing is hit


class Kind(IntEnum):
    """How a ray meets a shape; its own axes are x, y, z and its half sizes `Shape.half`."""

    BOX = 0
    ROOM = 1  # a box seen from within; it casts no shadow
    BALL = 2  # an ellipsoid
    ROD = 3  # a cylinder along z, with ends
    CARD = 4  # a rectangle in x and y, or what its texture's cut-out leaves of it
    DISC = 5  # the same, and round


@dataclass(frozen=True, slots=True)
class Material:
    """How a surface looks.

    Attributes:
        slot: Texture, as a place in the scene's list.
        metres: Side of a tile of it.
        colours: (4, 3) linear: a base, and what each feature of the texture adds.
        mottle: A second texture's place, which darkens large patches.
        mottle_metres: Side of a tile of that.
        mottling: How much, 0 to 1.
        gloss: Strength of the highlight.
        cut: Whether the texture's cut-out applies.
    """

    slot: int
    metres: float
    colours: np.ndarray
    mottle: int
    mottle_metres: float
    mottling: float
    gloss: float
    cut: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape in the world.

    Attributes:
        kind: How rays meet it.
        centre: (3,) metres, z up.
        rotation: (3, 3), columns are its own axes in the world.
        half: (3,) half sizes along its own axes.
        materials: Place of the material on the faces across x, y and z.
        anchor: (3,) where its texture starts, along its own axes.
        shadow: Whether it casts one.
    """

    kind: Kind
    centre: np.ndarray
    rotation: np.ndarray
    half: np.ndarray
    materials: tuple[int, int, int]
    anchor: np.ndarray
    shadow: bool = True

    def corners(self) -> np.ndarray:
        """Return the corners (8, 3) of its bounding box in the world."""
        signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1)
        return (self.rotation @ (signs * self.half[:, None])).T + self.centre

    def holds(self, point: np.ndarray, margin: float) -> bool:
        """Return whether a point is inside it or nearer than `margin`; never for a card."""
        local = np.abs(self.rotation.T @ (point - self.centre))
        if self.kind == Kind.ROOM:
            return bool((local > self.half - margin).any())
        return self.kind < Kind.CARD and bool((local < self.half + margin).all())


def hit(
    shape: Shape,
    origin: torch.Tensor,
    direction: torch.Tensor,
    *,
    material: Material,
    atlas: Atlas,
) -> torch.Tensor:
    """Return how far along each ray (N,) the shape is met, inf where it is not.

    Args:
        shape: The shape.
        origin: (3, N) or (3, 1), in the shape's own axes, from its centre.
        direction: (3, N) or (3, 1), the same axes, any length.
        material: Of its faces across z, for the cut-out.
        atlas: The scene's textures.
    """
    half = torch.from_numpy(shape.half).to(direction)[:, None]
    if shape.kind >= Kind.CARD:
        return _hit_card(shape, origin, direction, half, material, atlas)
    if shape.kind == Kind.BALL:
        near, far = _round(origin / half, direction / half, axes=3)
    elif shape.kind == Kind.ROD:
        near, far = _round(origin / half, direction / half, axes=2)
        first, last = _slab(origin[2], direction[2], half[2])
        near, far = torch.maximum(near, first), torch.minimum(far, last)
    else:
        first, last = _slab(origin, direction, half)
        near = torch.maximum(torch.maximum(first[0], first[1]), first[2])
        far = torch.minimum(torch.minimum(last[0], last[1]), last[2])
    if shape.kind == Kind.ROOM:
        return far
    return torch.where((near < far) & (near > NEAR), near, torch.inf)


def _slab(
    origin: torch.Tensor, direction: torch.Tensor, half: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return where rays enter and leave the space between two parallel planes."""
    share = torch.where(direction.abs() < 1e-9, 1e-9, direction).reciprocal_()
    middle, reach = -origin * share, half * share.abs()
    return middle - reach, middle + reach


def _round(
    origin: torch.Tensor, direction: torch.Tensor, *, axes: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return where rays enter and leave the unit ball or cylinder; inf, inf where they miss."""
    origin, direction = origin[:axes], direction[:axes]
    a = (direction * direction).sum(0).clamp_min(1e-12)
    b = (origin * direction).sum(0)
    c = (origin * origin).sum(0) - 1
    root = b * b - a * c
    missed = root < 0
    root = root.clamp_min(0).sqrt_()
    near = ((-b - root) / a).masked_fill_(missed, torch.inf)
    return near, ((-b + root) / a).masked_fill_(missed, -torch.inf)


def _hit_card(
    shape: Shape,
    origin: torch.Tensor,
    direction: torch.Tensor,
    half: torch.Tensor,
    material: Material,
    atlas: Atlas,
) -> torch.Tensor:
    steep = direction[2]
    along = -origin[2] / torch.where(steep.abs() < 1e-9, 1e-9, steep)
    x, y = origin[0] + along * direction[0], origin[1] + along * direction[1]
    if shape.kind == Kind.DISC:
        met = (along > NEAR) & ((x / half[0]) ** 2 + (y / half[1]) ** 2 < 1)
    else:
        met = (along > NEAR) & (x.abs() < half[0]) & (y.abs() < half[1])
    if material.cut:
        inside = torch.nonzero(met)[:, 0]
        u = (x[inside] + float(shape.anchor[0])) / material.metres
        v = -(y[inside] + float(shape.anchor[1])) / material.metres
        met[inside] = atlas.cut(material.slot, u, v)
    return torch.where(met, along, torch.inf)
