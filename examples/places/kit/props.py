"""Furniture and small things. Each adds its pieces to a `Shape` at the place set before."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mathutils import Vector

from .shape import Color, Point, Shape

BOOK_COLORS: tuple[Color, ...] = (
    (0.45, 0.06, 0.04),
    (0.04, 0.12, 0.28),
    (0.10, 0.25, 0.14),
    (0.62, 0.42, 0.10),
    (0.55, 0.50, 0.40),
    (0.20, 0.07, 0.16),
    (0.06, 0.28, 0.30),
    (0.60, 0.20, 0.06),
    (0.10, 0.09, 0.09),
    (0.70, 0.62, 0.48),
)


def table(shape: Shape, *, width: float = 1.5, depth: float = 0.8, height: float = 0.74) -> None:
    """Add a table with a top of boards, an apron and four tapered legs; keys `oak`."""
    boards = 5
    for n in range(boards):
        y = (n - (boards - 1) / 2) * depth / boards
        tone = shape.rng.uniform(0.8, 1.1)
        shape.box(
            (0, y, height - 0.018),
            (width, depth / boards - 0.003, 0.036),
            "oak",
            tint=(tone, tone, tone),
        )
    x, y = width / 2 - 0.07, depth / 2 - 0.07
    for side in (-1, 1):
        shape.box((0, side * y, height - 0.085), (2 * x, 0.022, 0.09), "oak")
        shape.box((side * x, 0, height - 0.085), (0.022, 2 * y, 0.09), "oak")
        for end in (-1, 1):
            shape.tube(
                [
                    (side * x, end * y, height - 0.04),
                    (side * x, end * y, height - 0.16),
                    (side * (x + 0.02), end * (y + 0.02), 0),
                ],
                [0.034, 0.032, 0.017],
                "oak",
                sides=10,
            )


def chair(shape: Shape, key: str = "paint") -> None:
    """Add a stick-back chair facing +Y: thin legs, stretchers, seven sticks under a bent rail."""
    seat = 0.45
    shape.box((0, 0, seat), (0.42, 0.40, 0.032), key, tint=(1.05, 1.0, 1.0))
    for x in (-1, 1):
        for y in (-1, 1):
            shape.tube([(x * 0.16, y * 0.15, seat), (x * 0.21, y * 0.21, 0)], [0.017, 0.011], key)
        shape.tube([(x * 0.187, -0.18, 0.2), (x * 0.187, 0.18, 0.2)], 0.008, key, sides=6)
    shape.tube([(-0.187, 0, 0.2), (0.187, 0, 0.2)], 0.008, key, sides=6)
    rail = []
    for n in range(9):
        t = n / 4 - 1
        rail.append((t * 0.23, -0.30 + 0.06 * t * t, 0.93 - 0.02 * t * t))
    shape.tube(rail, 0.019, key)
    for n in range(7):
        t = n / 3 - 1
        top = (t * 0.20, -0.30 + 0.05 * t * t, 0.92)
        shape.tube([(t * 0.17, -0.18, seat), top], 0.0075, key, sides=6)


def books(shape: Shape, length: float, *, tallest: float = 0.30) -> None:
    """Add a row of books along +X with spines toward -Y; keys `cover`, `pages`, `gilt`."""
    rng, x = shape.rng, 0.0
    while x < length - 0.05:
        if rng.random() < 0.06:
            x += rng.uniform(0.04, 0.12)
            continue
        thick, tall = rng.uniform(0.018, 0.05), tallest * rng.uniform(0.62, 1)
        deep = rng.uniform(0.15, 0.2)
        lean = rng.uniform(3, 9) if rng.random() < 0.10 else 0.0
        color = tuple(c * rng.uniform(0.8, 1.15) for c in rng.choice(BOOK_COLORS))
        middle = x + thick / 2 + math.sin(math.radians(lean)) * tall / 2
        turn = (0, lean, 0)
        shape.box((middle, 0, tall / 2), (thick, deep, tall), "cover", tint=color, turn=turn)
        shape.box(
            (middle, 0.004, tall / 2 + 0.001), (thick * 0.8, deep * 0.94, tall), "pages", turn=turn
        )
        if lean == 0.0:
            front = -deep / 2 - 0.0006
            for low, high in ((0.10, 0.13), (0.80, 0.83), (0.55, 0.70)):
                wide = thick * (0.5 if high - low > 0.1 else 0.98) / 2
                points = [
                    (middle - wide, front, tall * low),
                    (middle + wide, front, tall * low),
                    (middle + wide, front, tall * high),
                    (middle - wide, front, tall * high),
                ]
                shape.face(points, "gilt", uv=[(0, 0), (0.02, 0), (0.02, 0.02), (0, 0.02)])
        x += thick + 0.002 + math.sin(math.radians(lean)) * tall


def shelf(shape: Shape, *, width: float, height: float, levels: int, depth: float = 0.30) -> None:
    """Add an open shelf, its back at +Y; keys `pine`. Boards lie at `k * height / levels`."""
    for side in (-1, 1):
        shape.box((side * width / 2, 0, height / 2), (0.03, depth, height), "pine")
    for level in range(levels + 1):
        z = max(level * height / levels, 0.05)
        shape.box((0, 0, z), (width - 0.03, depth, 0.025), "pine")
    shape.tube(
        [(-width / 2, depth / 2, 0.1), (width / 2, depth / 2, height - 0.05)],
        0.006,
        "iron",
        sides=5,
    )


def wire(
    shape: Shape, a: Point, b: Point, *, sag: float, radius: float = 0.006, bulbs: int = 0
) -> None:
    """Hang a cable from `a` to `b`; keys `iron`, and `bulb` for lights along it."""
    points = [
        Vector(a).lerp(Vector(b), n / 24) - Vector((0, 0, sag * 4 * (n / 24) * (1 - n / 24)))
        for n in range(25)
    ]
    shape.tube(points, radius, "iron", sides=5)
    for n in range(bulbs):
        x = points[round((n + 0.5) * 24 / bulbs)]
        shape.tube([x, x - Vector((0, 0, 0.05))], 0.012, "iron", sides=6)
        shape.lathe(
            [(0.010, -0.05), (0.028, -0.08), (0.030, -0.10), (0.018, -0.125), (0.0, -0.132)],
            x,
            "bulb",
            sides=10,
        )


def desk_lamp(shape: Shape) -> None:
    """Add a jointed lamp of thin rods, its shade 0.25 m out along +X at 0.4 m.

    Keys `brass`, `enamel`, `bulb`.
    """
    shape.lathe(
        [(0.0, 0), (0.09, 0), (0.09, 0.015), (0.015, 0.028), (0.0, 0.03)], (0, 0, 0), "brass"
    )
    shape.tube([(0, 0, 0.02), (-0.07, 0, 0.30), (0.20, 0, 0.50)], 0.007, "brass", sides=6)
    shape.tube([(0, 0.02, 0.02), (-0.06, 0.02, 0.29)], 0.0035, "brass", sides=5)
    shape.lathe(
        [(0.10, -0.09), (0.085, -0.03), (0.03, 0.02), (0.0, 0.03)], (0.25, 0, 0.47), "enamel"
    )
    shape.lathe([(0.0, -0.07), (0.03, -0.05), (0.02, 0.0)], (0.25, 0, 0.47), "bulb", sides=12)


def mug(shape: Shape, key: str, tint: Color = (1.0, 1.0, 1.0)) -> None:
    """Add a mug with a handle."""
    shape.lathe(
        [
            (0.0, 0),
            (0.036, 0),
            (0.04, 0.01),
            (0.04, 0.09),
            (0.036, 0.09),
            (0.034, 0.02),
            (0.0, 0.015),
        ],
        (0, 0, 0),
        key,
        tint=tint,
    )
    ring = [
        (0.038 + 0.03 * math.sin(a), 0, 0.047 + 0.03 * math.cos(a))
        for a in [math.pi * n / 6 for n in range(7)]
    ]
    shape.tube(ring, 0.005, key, sides=6, tint=tint)


def framed(shape: Shape, *, width: float, height: float, key: str) -> None:
    """Add a framed picture in the plane y = 0, facing -Y, its middle at the origin."""
    w, h, bar = width / 2, height / 2, 0.028
    shape.face(
        [(-w, 0, -h), (w, 0, -h), (w, 0, h), (-w, 0, h)], key, uv=[(0, 0), (1, 0), (1, 1), (0, 1)]
    )
    for side in (-1, 1):
        shape.box((side * w, -0.008, 0), (bar, 0.034, height + bar), "frame")
        shape.box((0, -0.008, side * h), (width - bar, 0.03, bar), "frame")


def sofa(shape: Shape, *, width: float = 2.0) -> None:
    """Add a sofa facing -Y: a body of soft blocks on short legs; keys `linen`, `rust`, `oak`."""
    for x in (-1, 1):
        shape.box((x * (width / 2 - 0.09), 0, 0.36), (0.18, 0.86, 0.52), "linen")
        for y in (-0.36, 0.36):
            shape.tube(
                [(x * (width / 2 - 0.12), y, 0.12), (x * (width / 2 - 0.1), y, 0)], 0.022, "oak"
            )
    shape.box((0, 0.34, 0.46), (width - 0.36, 0.2, 0.72), "linen")
    shape.box((0, 0, 0.2), (width - 0.36, 0.84, 0.18), "linen")
    seats = 3
    each = (width - 0.36) / seats
    for n in range(seats):
        x = (n - (seats - 1) / 2) * each
        tone = shape.rng.uniform(0.92, 1.08)
        shape.box((x, -0.06, 0.36), (each - 0.015, 0.72, 0.14), "linen", tint=(tone, tone, tone))
        shape.box(
            (x, 0.2, 0.62),
            (each - 0.02, 0.16, 0.40),
            "linen",
            tint=(tone, tone, tone),
            turn=(-12, 0, 0),
        )
    shape.box((-width * 0.3, 0.06, 0.58), (0.42, 0.13, 0.36), "rust", turn=(-24, 0, 14))
    shape.box(
        (width * 0.31, 0.07, 0.57),
        (0.36, 0.12, 0.34),
        "rust",
        turn=(-22, 0, -18),
        tint=(0.35, 0.9, 1.9),
    )


def pendant(shape: Shape, *, length: float) -> None:
    """Add a hanging lamp: the cord starts at the origin, the shade ends `length` below it."""
    shape.tube([(0, 0, 0), (0, 0, -length + 0.2)], 0.007, "iron", sides=6)
    shape.lathe(
        [(0.27, 0.0), (0.25, 0.05), (0.10, 0.17), (0.04, 0.21), (0.0, 0.215)],
        (0, 0, -length),
        "enamel",
        sides=28,
    )
    shape.lathe(
        [(0.0, 0.0), (0.05, 0.03), (0.05, 0.07), (0.02, 0.12)], (0, 0, -length), "bulb", sides=12
    )


def book_pile(shape: Shape, colors: Sequence[int], *, twist: float) -> None:
    """Lay books flat on each other, each turned a little; keys `cover`, `pages`.

    `colors` are places in BOOK_COLORS from the bottom up, `twist` the most degrees of turn.
    """
    for n, color in enumerate(colors):
        turn, z = (0, 0, shape.rng.uniform(-twist, twist)), n * 0.034 + 0.017
        shape.box((0, 0, z), (0.25, 0.18, 0.034), "cover", turn=turn, tint=BOOK_COLORS[color])
        shape.box((0.003, -0.004, z), (0.25, 0.18, 0.024), "pages", turn=turn)


def vase(shape: Shape) -> None:
    """Add a vase 0.24 m high; key `glaze`."""
    profile = [(0.0, 0), (0.05, 0), (0.075, 0.07), (0.05, 0.17), (0.03, 0.21), (0.042, 0.24)]
    shape.lathe([*profile, (0.036, 0.24), (0.022, 0.2)], (0, 0, 0), "glaze")


def shutter(shape: Shape, *, width: float, height: float) -> None:
    """Add a louvred shutter in the plane y = 0, its middle at the origin; key `shutter`."""
    count = round(height / 0.083)
    for n in range(count):
        z = (n + 0.5) * height / count - height / 2
        shape.box((0, 0, z), (width, 0.03, 0.06), "shutter", turn=(24, 0, 0))
    for side in (-1, 1):
        shape.box((side * width / 2, 0, 0), (0.05, 0.04, height + 0.04), "shutter")


def rug(shape: Shape, *, length: float, width: float) -> None:
    """Lay a rug, its length along X, just above the floor; key `rug`."""
    x, y = length / 2, width / 2
    shape.face(
        [(-x, -y, 0.006), (x, -y, 0.006), (x, y, 0.006), (-x, y, 0.006)],
        "rug",
        uv=[(0, 1), (0, 0), (1, 0), (1, 1)],
    )
