"""Families of tileable textures, as features that a material colours.

A texture is (4, SIDE, SIDE) float32 in 0 to 1: three features and a cut-out. A material gives every
feature a colour and adds them up, so one texture gives endless surfaces, and filtering the features
is filtering the colours. Every family repeats without a seam.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from . import patterns
from .patterns import SIDE as SIDE

Maker = Callable[[np.random.Generator], torch.Tensor]


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of texture.

    Attributes:
        name: What it looks like.
        make: Makes one: (4, SIDE, SIDE).
        metres: Side of a tile of it in the world, least and most.
        uses: Where it is found: "wall", "floor", "thing", "leaf", "screen", "blade".
    """

    name: str
    make: Maker
    metres: tuple[float, float]
    uses: frozenset[str]


def _family(name: str, make: Maker, least: float, most: float, *uses: str) -> Family:
    return Family(name, make, (least, most), frozenset(uses))


FAMILIES: tuple[Family, ...] = (
    _family("plain", patterns.plain, 1.0, 6.0, "wall", "floor", "thing"),
    _family("cloud", patterns.cloud, 0.8, 6.0, "wall", "floor", "thing"),
    _family("brick", patterns.brick, 0.8, 4.0, "wall", "floor"),
    _family("tile", patterns.tile, 0.6, 4.0, "wall", "floor", "thing"),
    _family("wood", patterns.wood, 0.4, 2.5, "thing", "wall"),
    _family("plank", patterns.plank, 0.8, 4.0, "floor", "wall", "thing"),
    _family("text", patterns.text, 0.3, 2.0, "thing", "wall"),
    _family("stripe", patterns.stripe, 0.3, 3.0, "thing", "wall"),
    _family("check", patterns.check, 0.4, 3.0, "floor", "thing"),
    _family("gravel", patterns.gravel, 0.4, 3.0, "floor", "wall"),
    _family("fabric", patterns.fabric, 0.15, 1.0, "thing", "floor"),
    _family("foliage", patterns.foliage, 0.8, 4.0, "floor", "wall", "thing"),
    _family("books", patterns.books, 0.8, 3.0, "thing", "wall"),
    _family("poster", patterns.poster, 0.5, 4.0, "thing", "floor"),
    _family("leaves", patterns.leaves, 0.5, 1.6, "leaf"),
    _family("blades", patterns.blades, 0.6, 1.8, "blade"),
    _family("pickets", patterns.pickets, 0.6, 2.0, "screen"),
    _family("lattice", patterns.lattice, 0.5, 2.0, "screen"),
)


def family_of(number: int) -> Family:
    """Return the family of a texture: they take turns, so that any few in a row are all kinds."""
    return FAMILIES[number % len(FAMILIES)]


def make_texture(number: int) -> torch.Tensor:
    """Return texture `number` (4, SIDE, SIDE), 0 to 1, the same for the same number."""
    rng = np.random.default_rng((number, 0x7E87))
    return family_of(number).make(rng)
