"""Kinds of places: rooms, streets, colonnades, gardens, heaps of things."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .build import Builder, Opening, random_turn
from .shapes import Kind


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
        builder.wall((0, y, z), (x + 0.2, 0.1, z), walls, openings=_openings(rng, x, z))
        for side in (-1, 1):
            builder.wall(
                (side * x, 0, height[2]), (y, 0.1, z), other,
                openings=_openings(rng, y, z), angle=np.pi / 2,
            )  # fmt: skip
        if rng.random() < 0.6:
            _beams(builder, x, y, 2 * z)
    for _ in range(int(rng.integers(3, 9))):
        furniture(builder, rng.uniform(-x + 0.5, x - 0.5), rng.uniform(-y * 0.3, y - 0.4))
    for _ in range(int(rng.integers(0, 4))):
        _picture(builder, rng.uniform(-x + 0.7, x - 0.7), y - 0.13, z * rng.uniform(0.8, 1.4))
    eye = np.array([rng.uniform(-0.6, 0.6) * x, -y * rng.uniform(0.5, 0.95), rng.uniform(0.6, 2)])
    aim = np.array([rng.uniform(-0.6, 0.6) * x, y * rng.uniform(0.3, 1), rng.uniform(0.3, 1.5)])
    return Place(eye, aim, np.array([0, 0, z]), float(np.hypot(x, y)) + 1)


def street(builder: Builder) -> Place:
    """A front with windows behind things on the ground."""
    rng = builder.rng
    builder.ground(builder.paint("floor"))
    length, height = rng.uniform(4, 12), rng.uniform(1.5, 4)
    wall = builder.paint("wall")
    openings = _openings(rng, length, height)
    builder.wall((0, 0, height), (length, 0.15, height), wall, openings=openings)
    frame = builder.paint("thing")
    for left, right, bottom, top in openings:
        _frame(builder, left, right, bottom + height, top + height, frame)
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
            openings=_openings(rng, length, height),
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
            openings=_openings(rng, 6, height),
        )  # fmt: skip
    for _ in range(int(rng.integers(3, 8))):
        plant(builder, rng.uniform(-3, 3), rng.uniform(-2, back))
    for _ in range(int(rng.integers(0, 4))):
        furniture(builder, rng.uniform(-3, 3), rng.uniform(-1.5, back - 0.3))
    if rng.random() < 0.6:
        fence(builder, rng.uniform(-2, back - 0.5))
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
        kind = Kind(int(rng.choice([0, 0, 0, 2, 3, 4])))
        half = np.exp(rng.uniform(np.log(0.08), np.log(0.7), 3))
        if kind == Kind.BALL:
            half[:] = half[0] if rng.random() < 0.7 else half
        if kind == Kind.ROD:
            half[1] = half[0] = 0.5 * half[0]
        use = ("leaf", "screen", "thing") if kind == Kind.CARD else ("thing", "wall")
        centre = rng.uniform([-2.5, -1.5, 0.1], [2.5, 2, 2.2])
        turn = random_turn(rng) if rng.random() < 0.5 else None
        if turn is None and ground < 0.6 and rng.random() < 0.7:
            centre[2] = half[2]
        builder.box(
            tuple(centre), tuple(half), tuple(builder.paint(*use) for _ in range(3)),
            turn=turn, angle=rng.uniform(0, 6.3), kind=kind,
        )  # fmt: skip
    eye = np.array([rng.uniform(-2, 2), -rng.uniform(3, 7), rng.uniform(0.3, 3)])
    aim = rng.uniform([-1, 0, 0.3], [1, 1, 1.2])
    return Place(eye, aim, np.array([0, 0.5, 1.0]), 5.0)


LAYOUTS: tuple[tuple[Callable[[Builder], Place], float], ...] = (
    (room, 0.3), (street, 0.22), (colonnade, 0.13), (garden, 0.2), (heap, 0.15),
)  # fmt: skip


def furniture(builder: Builder, x: float, y: float) -> None:
    """Add a table, chest, shelf, pot, column or ball that stands on the ground."""
    rng = builder.rng
    angle = float(rng.choice([0.0, 0.0, rng.uniform(0, 6.3)]))
    kind = rng.integers(6)
    paint = builder.paint("thing")
    if kind == 0:
        _table(builder, x, y, angle, paint)
    elif kind == 1:
        a, b, c = rng.uniform(0.15, 0.8), rng.uniform(0.15, 0.5), rng.uniform(0.1, 0.6)
        builder.box((x, y, c), (a, b, c), (paint, paint, builder.paint("thing")), angle=angle)
        if rng.random() < 0.5:
            builder.box((x, y, 2 * c + 0.1), (0.1, 0.1, 0.1), builder.paint("thing"))
    elif kind == 2:
        _shelf(builder, x, y, angle, paint)
    elif kind == 3:
        radius, half = rng.uniform(0.05, 0.35), rng.uniform(0.1, 0.9)
        builder.box((x, y, half), (radius, radius, half), paint, kind=Kind.ROD)
    elif kind == 4:
        radius = rng.uniform(0.1, 0.5)
        builder.box((x, y, radius), (radius,) * 3, paint, kind=Kind.BALL, angle=angle)
    else:
        half = rng.uniform(0.5, 1.2)
        builder.box((x, y, half), (rng.uniform(0.2, 0.6), 0.03, half), paint, angle=angle)


def plant(builder: Builder, x: float, y: float) -> None:
    """Add a bush of leaves, or reed."""
    rng = builder.rng
    if rng.random() < 0.4:
        paint = builder.paint("blade")
        tall = builder.materials[paint].metres / 2
        for _ in range(int(rng.integers(2, 7))):
            angle = rng.uniform(0, 6.3)
            side = np.array([np.cos(angle), np.sin(angle), 0.0])
            normal = np.cross(side, [0, 0, 1.0])
            turn = np.stack([side, [0, 0, 1.0], normal], axis=1)
            offset = rng.uniform(-0.4, 0.4, 2)
            builder.box(
                (x + offset[0], y + offset[1], tall), (rng.uniform(0.2, 0.9), tall, 0.01), paint,
                turn=turn, kind=Kind.CARD,
            )  # fmt: skip
            last = builder.shapes[-1]
            last.anchor[1] = tall  # the texture's lower edge is the card's
        return
    paint, size = builder.paint("leaf"), rng.uniform(0.3, 0.9)
    stem = rng.uniform(0.2, 1.2)
    builder.box((x, y, stem / 2), (0.03, 0.03, stem / 2), builder.paint("thing"), kind=Kind.ROD)
    if rng.random() < 0.5:
        pot = rng.uniform(0.1, 0.25)
        builder.box((x, y, pot), (pot, pot, pot), builder.paint("thing"), kind=Kind.ROD)
    for _ in range(int(rng.integers(5, 14))):
        offset = rng.normal(0, 0.4 * size, 3)
        half = rng.uniform(0.3, 0.8) * size
        builder.box(
            (x + offset[0], y + offset[1], max(stem + offset[2], 0.1)), (half, half, 0.01), paint,
            turn=random_turn(rng), kind=Kind.CARD,
        )  # fmt: skip


def fence(builder: Builder, y: float) -> None:
    """Add slats or a trellis across the scene, or real posts with rails."""
    rng = builder.rng
    height, length = rng.uniform(0.3, 0.9), rng.uniform(1.5, 6)
    if rng.random() < 0.5:
        upright = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])
        builder.box(
            (0, y, height), (length, height, 0.01), builder.paint("screen"),
            turn=upright, kind=Kind.CARD,
        )  # fmt: skip
        return
    paint, count = builder.paint("thing"), int(rng.integers(5, 16))
    width = length / count * rng.uniform(0.1, 0.6)
    for number in range(count):
        x = (2 * number - count + 1) * length / count
        builder.box((x, y, height), (width, 0.015, height), paint)
    for share in (0.5, 1.5):
        builder.box((0, y + 0.03, share * height), (length, 0.015, 0.04), paint)


def _table(builder: Builder, x: float, y: float, angle: float, paint: int) -> None:
    rng = builder.rng
    a, b, top = rng.uniform(0.25, 0.9), rng.uniform(0.25, 0.6), rng.uniform(0.3, 0.9)
    leg, plate = rng.uniform(0.015, 0.06), rng.uniform(0.01, 0.05)
    builder.box((x, y, top), (a, b, plate), paint, angle=angle)
    cos, sin = np.cos(angle), np.sin(angle)
    for right in (-1, 1):
        for back in (-1, 1):
            u, v = right * (a - leg), back * (b - leg)
            builder.box(
                (x + u * cos - v * sin, y + u * sin + v * cos, top / 2), (leg, leg, top / 2), paint,
                angle=angle,
            )  # fmt: skip
    if rng.random() < 0.5:  # a chair's back
        builder.box((x - b * sin, y + b * cos, top * 1.5), (a, leg, top * 0.5), paint, angle=angle)
    for _ in range(int(rng.integers(0, 3))):
        half = rng.uniform(0.04, 0.15)
        kind = Kind(int(rng.choice([Kind.BOX, Kind.BALL, Kind.ROD])))
        u, v = rng.uniform(-a, a) * 0.8, rng.uniform(-b, b) * 0.8
        builder.box(
            (x + u * cos - v * sin, y + u * sin + v * cos, top + plate + half), (half,) * 3,
            builder.paint("thing"), kind=kind, angle=angle,
        )  # fmt: skip


def _shelf(builder: Builder, x: float, y: float, angle: float, paint: int) -> None:
    rng = builder.rng
    width, deep, height = rng.uniform(0.3, 1.0), rng.uniform(0.1, 0.25), rng.uniform(0.5, 1.1)
    cos, sin = np.cos(angle), np.sin(angle)
    for side in (-1, 1):
        builder.box(
            (x + side * width * cos, y + side * width * sin, height), (0.02, deep, height), paint,
            angle=angle,
        )  # fmt: skip
    boards = int(rng.integers(2, 6))
    for number in range(boards + 1):
        z = 2 * height * number / boards
        builder.box((x, y, max(z, 0.02)), (width, deep, 0.02), paint, angle=angle)
    if rng.random() < 0.7:
        inner = builder.paint("thing", "wall")
        deep *= rng.uniform(0.1, 0.8)
        builder.box((x, y, height), (width, deep, height * 0.97), inner, angle=angle)


def _openings(rng: np.random.Generator, length: float, height: float) -> list[Opening]:
    """Return windows and doors evenly or unevenly along a wall, from its centre."""
    count = int(rng.integers(0, 5))
    openings = []
    for number in range(count):
        middle = (2 * number - count + 1) * length / max(count, 1)
        half = min(rng.uniform(0.25, 0.9), 0.7 * length / count)
        if rng.random() < 0.3:
            openings.append((middle - half, middle + half, -height, height * rng.uniform(0.2, 0.7)))
        else:
            bottom = height * rng.uniform(-0.6, 0.0)
            top = bottom + (height - bottom) * rng.uniform(0.4, 0.9)
            openings.append((middle - half, middle + half, bottom, top))
    return openings


def _frame(
    builder: Builder, left: float, right: float, bottom: float, top: float, paint: int
) -> None:
    """Add bars across a window, and shutters beside it."""
    rng = builder.rng
    x, z, half, tall = (
        (left + right) / 2,
        (bottom + top) / 2,
        (right - left) / 2,
        (top - bottom) / 2,
    )
    if rng.random() < 0.7:
        builder.box((x, 0, z), (0.02, 0.02, tall), paint)
        builder.box((x, 0, z), (half, 0.02, 0.02), paint)
    if rng.random() < 0.4:
        for side in (-1, 1):
            builder.box((x + side * (1.5 * half + 0.02), -0.18, z), (half / 2, 0.02, tall), paint)


def _beams(builder: Builder, x: float, y: float, z: float) -> None:
    rng = builder.rng
    paint, count = builder.paint("thing"), int(rng.integers(3, 9))
    for number in range(count):
        builder.box((0, -y + 2 * y * (number + 0.5) / count, z), (x, 0.08, 0.1), paint)


def _picture(builder: Builder, x: float, y: float, z: float) -> None:
    rng = builder.rng
    half = rng.uniform(0.15, 0.5), 0.02, rng.uniform(0.15, 0.5)
    builder.box((x, y, z), half, builder.paint("thing"))
    builder.box((x, y - 0.01, z), (half[0] * 0.9, half[1], half[2] * 0.9), builder.paint("thing"))
