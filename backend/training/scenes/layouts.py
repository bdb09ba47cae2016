"""Kinds of places: rooms, streets, colonnades, gardens, heaps of things."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .build import Builder, random_turn
from .shapes import Kind
from .things import (
    beams,
    fence,
    foreground,
    frame,
    furniture,
    hedge,
    hills,
    openings,
    picture,
    plant,
    rug,
    wires,
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a layout is looked at from.

    Attributes:
        eye: (3,) metres.
        aim: (3,) metres.
        middle: (3,) of what matters.
        reach: Its radius.
    """

    eye: np.ndarray
    aim: np.ndarray
    middle: np.ndarray
    reach: float


def room(builder: Builder) -> Place:
    """A closed or half-open room with furniture-like things."""
    rng = builder.rng
    x, y, z = rng.uniform(2, 5), rng.uniform(2.5, 6), rng.uniform(1.2, 2.0)
    floor, walls, other = builder.paint("floor"), builder.paint("wall"), builder.paint("wall")
    if rng.random() < 0.5:
        builder.box((0, 0, z), (x, y, z), (other, walls, floor), kind=Kind.ROOM)
    else:
        builder.ground(floor)
        height = (0, 0, z)
        builder.wall((0, y, z), (x + 0.2, 0.1, z), walls, openings=openings(rng, x, z))
        for side in (-1, 1):
            builder.wall(
                (side * x, 0, height[2]), (y, 0.1, z), other,
                openings=openings(rng, y, z), angle=np.pi / 2,
            )  # fmt: skip
        if rng.random() < 0.6:
            beams(builder, x, y, 2 * z)
    for _ in range(int(rng.integers(3, 9))):
        furniture(builder, rng.uniform(-x + 0.5, x - 0.5), rng.uniform(-y * 0.3, y - 0.4))
    for _ in range(int(rng.integers(0, 3))):
        rug(builder, rng.uniform(-x, x) * 0.6, rng.uniform(-y, y) * 0.6)
    if rng.random() < 0.2:
        wires(builder, x, 2 * z)
    for _ in range(int(rng.integers(0, 4))):
        picture(builder, rng.uniform(-x + 0.7, x - 0.7), y - 0.13, z * rng.uniform(0.8, 1.4))
    eye = np.array([rng.uniform(-0.6, 0.6) * x, -y * rng.uniform(0.5, 0.95), rng.uniform(0.6, 2)])
    aim = np.array([rng.uniform(-0.6, 0.6) * x, y * rng.uniform(0.3, 1), rng.uniform(0.3, 1.5)])
    return Place(eye, aim, np.array([0, 0, z]), float(np.hypot(x, y)) + 1)


def street(builder: Builder) -> Place:
    """A front with windows behind things on the ground."""
    rng = builder.rng
    builder.ground(builder.paint("floor"))
    length, height = rng.uniform(4, 12), rng.uniform(1.5, 4)
    wall = builder.paint("wall")
    holes = openings(rng, length, height)
    builder.wall((0, 0, height), (length, 0.15, height), wall, openings=holes)
    bars = builder.paint("thing")
    for left, right, bottom, top in holes:
        frame(builder, left, right, bottom + height, top + height, bars)
    if rng.random() < 0.6:
        builder.box(
            (0, rng.uniform(1, 6), height),
            (length, 0.1, height * 2),
            builder.paint("wall", "thing"),
        )
    if rng.random() < 0.4:
        builder.box((0, -0.3, 2 * height + 0.1), (length + 0.3, 0.6, 0.1), builder.paint("thing"))
    for _ in range(int(rng.integers(2, 8))):
        furniture(builder, rng.uniform(-0.8, 0.8) * length, rng.uniform(-5, -0.7))
    for _ in range(int(rng.integers(0, 3))):
        plant(builder, rng.uniform(-0.8, 0.8) * length, rng.uniform(-5, -0.5))
    if rng.random() < 0.5:
        fence(builder, rng.uniform(-4, -2))
    if rng.random() < 0.3:
        hedge(builder, rng.uniform(2, 8), length)
    if rng.random() < 0.25:
        wires(builder, length, 2 * height)
    away = rng.uniform(4, 10)
    eye = np.array([rng.uniform(-0.5, 0.5) * length, -away, rng.uniform(0.5, 2.5)])
    aim = np.array([rng.uniform(-0.5, 0.5) * length, 0, rng.uniform(0.3, 1.2) * height])
    return Place(eye, aim, np.array([0, -2.0, 1.5]), max(length, 6.0))


def colonnade(builder: Builder) -> Place:
    """Rows of columns before a wall."""
    rng = builder.rng
    builder.ground(builder.paint("floor"))
    gap, count, radius = rng.uniform(0.7, 2.5), int(rng.integers(4, 9)), rng.uniform(0.06, 0.4)
    height = rng.uniform(1.2, 2.5)
    stone, round_ones = builder.paint("wall", "thing"), rng.random() < 0.6
    for row in range(int(rng.integers(1, 3))):
        for number in range(count):
            centre = ((number - (count - 1) / 2) * gap, -row * gap * 1.5, height)
            kind = Kind.ROD if round_ones else Kind.BOX
            builder.box(centre, (radius, radius, height), stone, kind=kind)
            if rng.random() < 0.5:
                builder.box((*centre[:2], 0.1), (radius * 1.4, radius * 1.4, 0.1), stone)
    length = count * gap
    back = rng.uniform(0.8, 5)
    if rng.random() < 0.85:
        wall = builder.paint("wall")
        builder.wall(
            (0, back, height), (length, 0.1, height * 1.2), wall,
            openings=openings(rng, length, height),
        )  # fmt: skip
    if rng.random() < 0.5:
        builder.box((0, 0, 2 * height + 0.15), (length, 0.5, 0.15), stone)
    for _ in range(int(rng.integers(1, 6))):
        furniture(builder, rng.uniform(-0.5, 0.5) * length, rng.uniform(-1, back - 0.4))
    eye = np.array([rng.uniform(-0.4, 0.4) * length, -rng.uniform(2.5, 7), rng.uniform(0.5, 2)])
    aim = np.array([rng.uniform(-0.4, 0.4) * length, back, rng.uniform(0.3, 1.2) * height])
    return Place(eye, aim, np.array([0, 0, 1.0]), max(length * 0.7, 5.0))


def garden(builder: Builder) -> Place:
    """Plants, reeds and fences, something behind them."""
    rng = builder.rng
    builder.ground(builder.paint("floor"))
    back = rng.uniform(1.5, 5)
    if rng.random() < 0.7:
        height = rng.uniform(0.8, 2.5)
        builder.wall(
            (0, back, height), (9, 0.1, height), builder.paint("wall"),
            openings=openings(rng, 6, height),
        )  # fmt: skip
    for _ in range(int(rng.integers(3, 8))):
        plant(builder, rng.uniform(-3, 3), rng.uniform(-2, back))
    for _ in range(int(rng.integers(0, 4))):
        furniture(builder, rng.uniform(-3, 3), rng.uniform(-1.5, back - 0.3))
    if rng.random() < 0.6:
        fence(builder, rng.uniform(-2, back - 0.5))
    if rng.random() < 0.4:
        hedge(builder, back + rng.uniform(0.3, 4), 6)
    if rng.random() < 0.4:
        hills(builder, back)
    eye = np.array([rng.uniform(-2, 2), -rng.uniform(2.5, 6), rng.uniform(0.4, 2)])
    aim = np.array([rng.uniform(-1.5, 1.5), rng.uniform(-0.5, back), rng.uniform(0.2, 1.2)])
    return Place(eye, aim, np.array([0, 0, 0.5]), 6.0)


def heap(builder: Builder) -> Place:
    """Things of all kinds, some in the air, on a table, a slope or nothing."""
    rng = builder.rng
    ground = rng.random()
    if ground < 0.6:
        builder.ground(builder.paint("floor"))
    if ground > 0.4:
        builder.box((0, rng.uniform(2, 6), 0), (14, 0.1, 8), builder.paint("wall", "thing"))
    for _ in range(int(rng.integers(6, 20))):
        kind = Kind(int(rng.choice([0, 0, 0, 2, 3, 4, 5])))
        half = np.exp(rng.uniform(np.log(0.08), np.log(0.7), 3))
        if kind == Kind.BALL:
            half[:] = half[0] if rng.random() < 0.7 else half
        if kind == Kind.ROD:
            half[1] = half[0] = 0.5 * half[0]
        use = ("leaf", "screen", "thing") if kind >= Kind.CARD else ("thing", "wall")
        centre = rng.uniform([-2.5, -1.5, 0.1], [2.5, 2, 2.2])
        turn = random_turn(rng) if rng.random() < 0.5 else None
        if turn is None and ground < 0.6 and rng.random() < 0.7:
            centre[2] = half[2]
        builder.box(
            tuple(centre), tuple(half), tuple(builder.paint(*use) for _ in range(3)),
            turn=turn, angle=rng.uniform(0, 6.3), kind=kind,
        )  # fmt: skip
    if rng.random() < 0.4:
        hills(builder, 1.0)
    eye = np.array([rng.uniform(-2, 2), -rng.uniform(3, 7), rng.uniform(0.3, 3)])
    aim = rng.uniform([-1, 0, 0.3], [1, 1, 1.2])
    return Place(eye, aim, np.array([0, 0.5, 1.0]), 5.0)


LAYOUTS: tuple[tuple[Callable[[Builder], Place], float], ...] = (
    (room, 0.3), (street, 0.22), (colonnade, 0.13), (garden, 0.2), (heap, 0.15),
)  # fmt: skip

NEAR_THINGS = 0.3  # share of scenes with something close before the camera


def lay_out(builder: Builder) -> Place:
    """Build a place of a random kind."""
    rng = builder.rng
    makers, shares = zip(*LAYOUTS, strict=True)
    place = makers[int(rng.choice(len(makers), p=shares))](builder)
    if rng.random() < NEAR_THINGS:
        foreground(builder, place.eye, place.aim)
    return place
