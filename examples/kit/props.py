"""Furniture and plants. Each adds its pieces to a `Shape` at the place set before."""

from __future__ import annotations

import math
import random

from mathutils import Vector

from .shape import Color, Shape

BOOK_COLORS: tuple[Color, ...] = (
    (0.45, 0.06, 0.04), (0.04, 0.12, 0.28), (0.10, 0.25, 0.14), (0.62, 0.42, 0.10),
    (0.55, 0.50, 0.40), (0.20, 0.07, 0.16), (0.06, 0.28, 0.30), (0.60, 0.20, 0.06),
    (0.10, 0.09, 0.09), (0.70, 0.62, 0.48),
)


def table(shape: Shape, *, width: float = 1.5, depth: float = 0.8, height: float = 0.74) -> None:
    """Add a table with a top of boards, an apron and four tapered legs; keys `oak`."""
    boards = 5
    for n in range(boards):
        y = (n - (boards - 1) / 2) * depth / boards
        tone = shape.rng.uniform(0.8, 1.1)
        shape.box((0, y, height - 0.018), (width, depth / boards - 0.003, 0.036), "oak",
                  tint=(tone, tone, tone))
    x, y = width / 2 - 0.07, depth / 2 - 0.07
    for side in (-1, 1):
        shape.box((0, side * y, height - 0.085), (2 * x, 0.022, 0.09), "oak")
        shape.box((side * x, 0, height - 0.085), (0.022, 2 * y, 0.09), "oak")
        for end in (-1, 1):
            shape.tube([(side * x, end * y, height - 0.04), (side * x, end * y, height - 0.16),
                        (side * (x + 0.02), end * (y + 0.02), 0)],
                       [0.034, 0.032, 0.017], "oak", sides=10)


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
        thick, tall, deep = rng.uniform(0.018, 0.05), tallest * rng.uniform(0.62, 1), rng.uniform(0.15, 0.2)
        lean = rng.uniform(3, 9) if rng.random() < 0.10 else 0.0
        color = tuple(c * rng.uniform(0.8, 1.15) for c in rng.choice(BOOK_COLORS))
        middle = x + thick / 2 + math.sin(math.radians(lean)) * tall / 2
        turn = (0, lean, 0)
        shape.box((middle, 0, tall / 2), (thick, deep, tall), "cover", tint=color, turn=turn)
        shape.box((middle, 0.004, tall / 2 + 0.001), (thick * 0.8, deep * 0.94, tall), "pages",
                  turn=turn)
        if lean == 0.0:
            front = -deep / 2 - 0.0006
            for low, high in ((0.10, 0.13), (0.80, 0.83), (0.55, 0.70)):
                wide = thick * (0.5 if high - low > 0.1 else 0.98) / 2
                points = [(middle - wide, front, tall * low), (middle + wide, front, tall * low),
                          (middle + wide, front, tall * high), (middle - wide, front, tall * high)]
                shape.face(points, "gilt", uv=[(0, 0), (0.02, 0), (0.02, 0.02), (0, 0.02)])
        x += thick + 0.002 + math.sin(math.radians(lean)) * tall


def shelf(shape: Shape, *, width: float, height: float, levels: int, depth: float = 0.30) -> None:
    """Add an open shelf, its back at +Y; keys `pine`. Boards lie at `k * height / levels`."""
    for side in (-1, 1):
        shape.box((side * width / 2, 0, height / 2), (0.03, depth, height), "pine")
    for level in range(levels + 1):
        z = max(level * height / levels, 0.05)
        shape.box((0, 0, z), (width - 0.03, depth, 0.025), "pine")
    shape.tube([(-width / 2, depth / 2, 0.1), (width / 2, depth / 2, height - 0.05)], 0.006, "iron",
               sides=5)


def pot(shape: Shape, *, radius: float, height: float, key: str = "clay") -> None:
    """Add a flower pot with a rim and earth; keys `earth` and the given one."""
    low = radius * 0.68
    shape.lathe([(0.0, 0), (low, 0), (radius * 0.95, height * 0.8), (radius * 1.06, height * 0.8),
                 (radius * 1.08, height), (radius * 0.95, height), (radius * 0.9, height * 0.86)],
                (0, 0, 0), key, sides=24)
    shape.lathe([(radius * 0.92, height * 0.88), (0.0, height * 0.92)], (0, 0, 0), "earth")


def strap_plant(shape: Shape, *, base: float, leaves: int, length: float, width: float,
                key: str = "leaf", spread: float = 1.0) -> None:
    """Add long arching leaves from one heart at height `base`."""
    rng = shape.rng
    for n in range(leaves):
        angle, lean = n * 2.399, rng.uniform(0.15, 0.75) * spread
        direction = (math.cos(angle) * lean, math.sin(angle) * lean, 1.0)
        tone = rng.uniform(0.6, 1.15)
        shape.blade((math.cos(angle) * 0.02, math.sin(angle) * 0.02, base), direction, key,
                    length=length * rng.uniform(0.65, 1.1), width=width * rng.uniform(0.8, 1.15),
                    droop=rng.uniform(0.7, 1.8), steps=7, tint=(tone, tone, tone * 0.9))


def bush(shape: Shape, *, base: float, stems: int, height: float, leaf: float,
         key: str = "leaf", spread: float = 0.5, per_stem: int = 9) -> None:
    """Add thin stems with leaves along them; keys `stem` and the given one."""
    rng = shape.rng
    for n in range(stems):
        angle = n * 2.399 + rng.uniform(-0.3, 0.3)
        out = spread * rng.uniform(0.2, 1.0)
        tall = height * rng.uniform(0.6, 1.0)
        tip = Vector((math.cos(angle) * out, math.sin(angle) * out, base + tall))
        knee = Vector((tip.x * 0.35, tip.y * 0.35, base + tall * 0.55))
        path = [Vector((0, 0, base)).lerp(knee, t / 3).lerp(knee.lerp(tip, t / 3), t / 3)
                for t in range(4)]
        shape.tube(path, [0.008, 0.006, 0.005, 0.003], "stem", sides=5)
        for m in range(per_stem):
            t = 0.3 + 0.7 * (m + rng.random()) / per_stem
            at = Vector((0, 0, base)).lerp(knee, t).lerp(knee.lerp(tip, t), t)
            turn = rng.uniform(0, 2 * math.pi)
            direction = (math.cos(turn), math.sin(turn), rng.uniform(0.1, 0.9))
            tone = rng.uniform(0.55, 1.2)
            shape.blade(at, direction, key, length=leaf * rng.uniform(0.6, 1.2),
                        width=leaf * rng.uniform(0.4, 0.6), droop=rng.uniform(0.3, 1.2), steps=3,
                        tint=(tone, tone, tone * 0.85))


def leafage(shape: Shape, rng: random.Random, *, count: int, low: Color, high: Color, leaf: float,
            key: str = "leaf") -> None:
    """Scatter `count` leaves in a box from `low` to `high`, hanging every way."""
    for _ in range(count):
        at = tuple(rng.uniform(a, b) for a, b in zip(low, high, strict=True))
        turn = rng.uniform(0, 2 * math.pi)
        tone = rng.uniform(0.5, 1.2)
        shape.blade(at, (math.cos(turn), math.sin(turn), rng.uniform(-0.6, 0.5)), key,
                    length=leaf * rng.uniform(0.6, 1.3), width=leaf * rng.uniform(0.5, 0.8),
                    droop=rng.uniform(0.2, 1.0), steps=2, tint=(tone, tone, tone * 0.8))


def wire(shape: Shape, a: Color, b: Color, *, sag: float, radius: float = 0.006,
         bulbs: int = 0) -> None:
    """Hang a cable from `a` to `b`; keys `iron`, and `bulb` for lights along it."""
    points = [Vector(a).lerp(Vector(b), n / 24) - Vector((0, 0, sag * 4 * (n / 24) * (1 - n / 24)))
              for n in range(25)]
    shape.tube(points, radius, "iron", sides=5)
    for n in range(bulbs):
        x = points[round((n + 0.5) * 24 / bulbs)]
        shape.tube([x, x - Vector((0, 0, 0.05))], 0.012, "iron", sides=6)
        shape.lathe([(0.010, -0.05), (0.028, -0.08), (0.030, -0.10), (0.018, -0.125), (0.0, -0.132)],
                    x, "bulb", sides=10)


def desk_lamp(shape: Shape) -> None:
    """Add a jointed lamp of thin rods, its shade 0.28 m out along +X at 0.42 m; keys `brass`,
    `enamel`, `bulb`.
    """
    shape.lathe([(0.0, 0), (0.09, 0), (0.09, 0.015), (0.015, 0.028), (0.0, 0.03)], (0, 0, 0), "brass")
    shape.tube([(0, 0, 0.02), (-0.07, 0, 0.30), (0.20, 0, 0.50)], 0.007, "brass", sides=6)
    shape.tube([(0, 0.02, 0.02), (-0.06, 0.02, 0.29)], 0.0035, "brass", sides=5)
    shape.lathe([(0.10, -0.09), (0.085, -0.03), (0.03, 0.02), (0.0, 0.03)], (0.25, 0, 0.47), "enamel")
    shape.lathe([(0.0, -0.07), (0.03, -0.05), (0.02, 0.0)], (0.25, 0, 0.47), "bulb", sides=12)


def mug(shape: Shape, key: str, tint: Color = (1.0, 1.0, 1.0)) -> None:
    """Add a mug with a handle."""
    shape.lathe([(0.0, 0), (0.036, 0), (0.04, 0.01), (0.04, 0.09), (0.036, 0.09), (0.034, 0.02),
                 (0.0, 0.015)], (0, 0, 0), key, tint=tint)
    ring = [(0.038 + 0.03 * math.sin(a), 0, 0.047 + 0.03 * math.cos(a))
            for a in [math.pi * n / 6 for n in range(7)]]
    shape.tube(ring, 0.005, key, sides=6, tint=tint)


def framed(shape: Shape, *, width: float, height: float, key: str) -> None:
    """Add a framed picture in the plane y = 0, facing -Y, its middle at the origin."""
    w, h, bar = width / 2, height / 2, 0.028
    shape.face([(-w, 0, -h), (w, 0, -h), (w, 0, h), (-w, 0, h)], key,
               uv=[(0, 0), (1, 0), (1, 1), (0, 1)])
    for side in (-1, 1):
        shape.box((side * w, -0.008, 0), (bar, 0.034, height + bar), "frame")
        shape.box((0, -0.008, side * h), (width - bar, 0.03, bar), "frame")
