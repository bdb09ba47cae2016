"""Plants, from pots to hedges. Each adds its pieces to a `Shape` at the place set before."""

from __future__ import annotations

import math

from mathutils import Vector

from .shape import Point, Shape


def pot(shape: Shape, *, radius: float, height: float, key: str = "clay") -> None:
    """Add a flower pot with a rim and earth; keys `earth` and the given one."""
    low = radius * 0.68
    shape.lathe(
        [
            (0.0, 0),
            (low, 0),
            (radius * 0.95, height * 0.8),
            (radius * 1.06, height * 0.8),
            (radius * 1.08, height),
            (radius * 0.95, height),
            (radius * 0.9, height * 0.86),
        ],
        (0, 0, 0),
        key,
        sides=24,
    )
    shape.lathe([(radius * 0.92, height * 0.88), (0.0, height * 0.92)], (0, 0, 0), "earth")


def strap_plant(
    shape: Shape,
    *,
    base: float,
    leaves: int,
    length: float,
    width: float,
    key: str = "leaf",
    spread: float = 1.0,
) -> None:
    """Add long arching leaves from one heart at height `base`."""
    rng = shape.rng
    for n in range(leaves):
        angle, lean = n * 2.399, rng.uniform(0.15, 0.75) * spread
        direction = (math.cos(angle) * lean, math.sin(angle) * lean, 1.0)
        tone = rng.uniform(0.6, 1.15)
        shape.blade(
            (math.cos(angle) * 0.02, math.sin(angle) * 0.02, base),
            direction,
            key,
            length=length * rng.uniform(0.65, 1.1),
            width=width * rng.uniform(0.8, 1.15),
            droop=rng.uniform(0.7, 1.8),
            steps=7,
            tint=(tone, tone, tone * 0.9),
        )


def bush(
    shape: Shape,
    *,
    base: float,
    stems: int,
    height: float,
    leaf: float,
    key: str = "leaf",
    spread: float = 0.5,
    per_stem: int = 9,
) -> None:
    """Add thin stems with leaves along them; keys `stem` and the given one."""
    rng = shape.rng
    for n in range(stems):
        angle = n * 2.399 + rng.uniform(-0.3, 0.3)
        out = spread * rng.uniform(0.2, 1.0)
        tall = height * rng.uniform(0.6, 1.0)
        tip = Vector((math.cos(angle) * out, math.sin(angle) * out, base + tall))
        knee = Vector((tip.x * 0.35, tip.y * 0.35, base + tall * 0.55))
        path = [
            Vector((0, 0, base)).lerp(knee, t / 3).lerp(knee.lerp(tip, t / 3), t / 3)
            for t in range(4)
        ]
        shape.tube(path, [0.008, 0.006, 0.005, 0.003], "stem", sides=5)
        for m in range(per_stem):
            t = 0.3 + 0.7 * (m + rng.random()) / per_stem
            at = Vector((0, 0, base)).lerp(knee, t).lerp(knee.lerp(tip, t), t)
            turn = rng.uniform(0, 2 * math.pi)
            direction = (math.cos(turn), math.sin(turn), rng.uniform(0.1, 0.9))
            tone = rng.uniform(0.55, 1.2)
            shape.blade(
                at,
                direction,
                key,
                length=leaf * rng.uniform(0.6, 1.2),
                width=leaf * rng.uniform(0.4, 0.6),
                droop=rng.uniform(0.3, 1.2),
                steps=3,
                tint=(tone, tone, tone * 0.85),
            )


def leafage(
    shape: Shape,
    *,
    count: int,
    low: Point,
    high: Point,
    leaf: float,
    key: str = "leaf",
) -> None:
    """Scatter `count` leaves in a box from `low` to `high`, hanging every way."""
    rng = shape.rng
    for _ in range(count):
        at = tuple(rng.uniform(a, b) for a, b in zip(low, high, strict=True))
        turn = rng.uniform(0, 2 * math.pi)
        tone = rng.uniform(0.5, 1.2)
        shape.blade(
            at,
            (math.cos(turn), math.sin(turn), rng.uniform(-0.6, 0.5)),
            key,
            length=leaf * rng.uniform(0.6, 1.3),
            width=leaf * rng.uniform(0.5, 0.8),
            droop=rng.uniform(0.2, 1.0),
            steps=2,
            tint=(tone, tone, tone * 0.8),
        )


def cards(
    shape: Shape, *, count: int, low: Point, high: Point, size: float, key: str = "spray"
) -> None:
    """Scatter upright cards with a picture of leaves, UV 0..1, every way round."""
    rng = shape.rng
    for _ in range(count):
        x, y, z = (rng.uniform(a, b) for a, b in zip(low, high, strict=True))
        turn, lean = rng.uniform(0, 2 * math.pi), rng.uniform(-0.6, 0.6)
        w, h = size * 0.375 * rng.uniform(0.8, 1.2), size * rng.uniform(0.8, 1.2)
        across = Vector((math.cos(turn), math.sin(turn), 0)) * w
        up = (
            Vector(
                (-math.sin(turn) * math.sin(lean), math.cos(turn) * math.sin(lean), math.cos(lean))
            )
            * h
        )
        foot, tone = Vector((x, y, z)), rng.uniform(0.6, 1.25)
        shape.face(
            [foot - across, foot + across, foot + across + up, foot - across + up],
            key,
            uv=[(0, 0), (1, 0), (1, 1), (0, 1)],
            tint=(tone, tone, tone * 0.85),
        )
