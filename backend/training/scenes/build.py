"""Putting a scene together: shapes, paint and light, all from one generator."""

from __future__ import annotations

import colorsys

import numpy as np

from .light import Light
from .shapes import Kind, Material, Shape
from .textures import FAMILIES, family_of

WINDOW = 3 * len(FAMILIES)  # textures a scene chooses from; the next seed's are one further on

_HUES = {
    "brick": (0.0, 0.09), "wood": (0.04, 0.11), "plank": (0.04, 0.11), "foliage": (0.18, 0.38),
    "leaves": (0.18, 0.38), "blades": (0.16, 0.38),
}  # fmt: skip
_CONTRAST = {"plain": (0.05, 0.5), "cloud": (0.1, 1.0), "leaves": (0.5, 1.0)}
_FIGURED = ("tile", "check", "stripe", "text", "poster", "books", "fabric")
Opening = tuple[float, float, float, float]  # left, right, bottom, top, metres on the wall


def turn_z(angle: float) -> np.ndarray:
    """Return the rotation (3, 3) round the vertical."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


def random_turn(rng: np.random.Generator) -> np.ndarray:
    """Return any rotation (3, 3), all alike probable."""
    q, r = np.linalg.qr(rng.standard_normal((3, 3)))
    q = q * np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0 else -q


class Builder:
    """Collects the shapes and materials of one scene."""

    def __init__(self, seed: int, rng: np.random.Generator) -> None:
        self.rng = rng
        self.shapes: list[Shape] = []
        self.materials: list[Material] = []
        self.textures: list[int] = []
        self._first = seed
        self._fineness = float(np.exp(rng.uniform(np.log(0.35), np.log(2.0))))

    def paint(self, *uses: str) -> int:
        """Return the place of a new material whose texture is of one of these uses."""
        rng = self.rng
        fitting = [
            number
            for number in range(self._first, self._first + WINDOW)
            if family_of(number).uses & set(uses)
        ]
        number = int(rng.choice(fitting))
        family = family_of(number)
        mottles = [
            n for n in range(self._first, self._first + WINDOW) if family_of(n) in FAMILIES[:2]
        ]
        least, most = np.log(family.metres)
        metres = float(np.exp(rng.uniform(least, most))) * self._fineness
        if rng.random() < 0.15:
            metres *= float(np.exp(rng.uniform(-1.2, 0.8)))
        self.materials.append(
            Material(
                slot=self._slot(number),
                metres=metres,
                colours=self._colours(family.name),
                mottle=self._slot(int(rng.choice(mottles))),
                mottle_metres=float(np.exp(rng.uniform(np.log(0.15), np.log(9)))),
                mottling=float(rng.uniform(0, 0.6) * (rng.random() < 0.8)),
                gloss=float(rng.uniform(0.1, 1.5) * (rng.random() < 0.25)),
                cut=bool(family.uses & {"leaf", "blade", "screen"}),
            )
        )
        return len(self.materials) - 1

    def box(
        self,
        centre: tuple[float, float, float],
        half: tuple[float, float, float],
        material: int | tuple[int, int, int],
        *,
        angle: float = 0.0,
        turn: np.ndarray | None = None,
        joined: bool = False,
        kind: Kind = Kind.BOX,
        shadow: bool = True,
    ) -> None:
        """Add a shape.

        Args:
            centre: Metres.
            half: Half sizes, metres.
            material: One, or one for each axis that its faces lie across.
            angle: Round the vertical.
            turn: Any rotation instead.
            joined: Whether its texture goes on from its neighbours'.
            kind: A box if nothing else.
            shadow: Whether it casts one.
        """
        rotation = turn_z(angle) if turn is None else turn
        place = np.array(centre, dtype=np.float64)
        self.shapes.append(
            Shape(
                kind=kind,
                centre=place,
                rotation=rotation,
                half=np.array(half, dtype=np.float64),
                materials=(material,) * 3 if isinstance(material, int) else material,
                anchor=rotation.T @ place if joined else self.rng.uniform(-5, 5, 3),
                shadow=shadow,
            )
        )

    def ground(self, material: int, *, height: float = 0.0) -> None:
        """Add the ground: far larger than a scene."""
        self.box((0, 0, height), (400, 400, 1), material, kind=Kind.CARD, shadow=False)

    def wall(
        self,
        centre: tuple[float, float, float],
        half: tuple[float, float, float],
        material: int,
        *,
        openings: list[Opening],
        angle: float = 0.0,
    ) -> None:
        """Add a wall along its own x with oblong openings: boxes between and round them.

        Args:
            centre: Metres.
            half: Half its length, thickness and height.
            material: All of it; its texture goes on across the boxes.
            openings: From its centre, none over another along x.
            angle: Round the vertical.
        """
        edge = -half[0]
        parts: list[Opening] = []
        for left, right, bottom, top in sorted(openings):
            parts.append((edge, left, -half[2], half[2]))
            parts.append((left, right, -half[2], bottom))
            parts.append((left, right, top, half[2]))
            edge = right
        parts.append((edge, half[0], -half[2], half[2]))
        rotation = turn_z(angle)
        for left, right, bottom, top in parts:
            if right - left > 1e-3 and top - bottom > 1e-3:
                offset = rotation @ np.array([(left + right) / 2, 0.0, (bottom + top) / 2])
                self.box(
                    tuple(np.array(centre) + offset),
                    ((right - left) / 2, half[1], (top - bottom) / 2),
                    material,
                    angle=angle,
                    joined=True,
                )

    def light(self, *, middle: np.ndarray, reach: float) -> Light:
        """Return a light: high or low sun, clear or dull sky, warm or cool."""
        rng = self.rng
        height, way = np.radians(rng.uniform(18, 75)), rng.uniform(0, 2 * np.pi)
        sun = np.array([np.cos(height) * np.cos(way), np.cos(height) * np.sin(way), np.sin(height)])
        warm = rng.uniform(0, 1)
        strength = rng.uniform(0, 4.0) if rng.random() < 0.85 else 0.0
        sun_colour = strength * np.array([1.0, 1 - 0.25 * warm, 1 - 0.5 * warm])
        cool = rng.uniform(0, 0.5)
        sky = rng.uniform(0.3, 1.0) * np.array([1 - cool, 1 - 0.5 * cool, 1.0])
        bounce = rng.uniform(0.15, 0.7) * np.array([1.0, 0.93, 0.85])
        fill = random_turn(rng)[0]
        zenith = sky * rng.uniform(0.6, 2.0) * np.array([0.6, 0.8, 1.0])
        horizon = zenith + rng.uniform(0.0, 1.2) * np.array([1.0, 0.95, 0.9])
        lamp = middle + rng.uniform(-0.5, 0.5, 3) * reach * np.array([1, 1, 0.3])
        lamp[2] = middle[2] + rng.uniform(0.5, 2.0)
        lamp_strength = rng.uniform(0, 3.0) * (rng.random() < 0.35)
        return Light(
            sun=sun,
            sun_colour=sun_colour,
            sky_colour=sky,
            ground_colour=bounce * sky.mean(),
            fill=fill,
            fill_colour=rng.uniform(0, 0.4) * np.array([1.0, 0.95, 0.9]),
            lamp=lamp,
            lamp_colour=lamp_strength * np.array([1.0, 0.8, 0.55]),
            softness=float(np.exp(rng.uniform(np.log(0.01), np.log(0.2)))),
            contact=float(rng.uniform(0.2, 0.9)),
            horizon=horizon,
            zenith=zenith,
        )

    def _slot(self, number: int) -> int:
        if number not in self.textures:
            self.textures.append(number)
        return self.textures.index(number)

    def _colours(self, family: str) -> np.ndarray:
        """Return the linear colours (4, 3) of a base and of three features."""
        rng = self.rng
        base = self._colour(_HUES.get(family) if rng.random() < 0.85 else None)
        contrast = rng.uniform(*_CONTRAST.get(family, (0.15, 0.9)))
        other = base * rng.uniform(0.5, 1.5, 3) if rng.random() < 0.7 else self._colour(None)
        contrasting = 0.6 if family in _FIGURED else 0.25
        second, third = (
            self._colour(None) if rng.random() < contrasting else self._kin(base) for _ in range(2)
        )
        if family in ("books", "poster"):
            second, third = self._colour(None), self._colour(None)
            return np.stack([0.05 * base, 0.7 * base, 0.7 * second, 0.7 * third])
        share = rng.uniform(0.3, 1.0)
        small = rng.uniform(0, 0.35)
        return np.stack(
            [
                base * (1 - contrast),
                contrast * (base + other),
                share * (second - base),
                small * (third - base),
            ]
        )

    def _kin(self, colour: np.ndarray) -> np.ndarray:
        """Return a colour (3,) like another: lighter or darker, its hue a little off."""
        rng = self.rng
        return colour * np.exp(rng.normal(0, 0.6)) * (1 + rng.normal(0, 0.1, 3)).clip(0.5, 1.5)

    def _colour(self, hues: tuple[float, float] | None) -> np.ndarray:
        """Return a linear colour (3,), mostly muted."""
        rng = self.rng
        hue = rng.uniform(*hues) if hues else rng.normal(0.09, 0.06) % 1.0
        if hues is None and rng.random() < 0.45:
            hue = rng.random()
        strong = rng.random() < 0.2
        saturation = rng.uniform(0.4, 0.9) if strong else rng.beta(1.5, 4.5)
        brightness = rng.uniform(0.15, 0.9)
        if hues is not None:
            saturation, brightness = rng.uniform(0.2, 0.75), rng.uniform(0.15, 0.75)
        display = np.array(colorsys.hsv_to_rgb(hue, saturation, brightness))
        return display**2.2
