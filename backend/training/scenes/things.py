"""What stands in scenes: furniture, plants, fences, windows and what hangs on walls."""

from __future__ import annotations

import numpy as np

from .build import Builder, Opening, random_turn
from .shapes import Kind


def furniture(builder: Builder, x: float, y: float) -> None:
    """Add a table, chest, shelf, pot, column or ball that stands on the ground."""
    rng = builder.rng
    angle = float(rng.choice([0.0, 0.0, rng.uniform(0, 6.3)]))
    kind = rng.integers(7)
    paint = builder.paint("thing")
    if kind == 6:
        chair(builder, x, y, angle)
    elif kind == 0:
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
    paints = [builder.paint("leaf"), builder.paint("leaf")]
    size = rng.uniform(0.3, 0.9)
    stem = rng.uniform(0.2, 1.2)
    builder.box((x, y, stem / 2), (0.03, 0.03, stem / 2), builder.paint("thing"), kind=Kind.ROD)
    if rng.random() < 0.5:
        pot = rng.uniform(0.1, 0.25)
        builder.box((x, y, pot), (pot, pot, pot), builder.paint("thing"), kind=Kind.ROD)
    for _ in range(int(rng.integers(5, 14))):
        offset = rng.normal(0, 0.4 * size, 3)
        half = rng.uniform(0.3, 0.8) * size
        builder.box(
            (x + offset[0], y + offset[1], max(stem + offset[2], 0.1)), (half, half, 0.01),
            int(rng.choice(paints)), turn=random_turn(rng), kind=Kind.DISC,
        )  # fmt: skip


def fence(builder: Builder, y: float) -> None:
    """Add slats or a trellis across the scene, or real posts with rails."""
    rng = builder.rng
    height, length = rng.uniform(0.3, 0.9), rng.uniform(1.5, 6)
    if rng.random() < 0.5:
        builder.box(
            (0, y, height), (length, height, 0.01), builder.paint("screen"),
            turn=upright_turn(0.0, 0.0), kind=Kind.CARD,
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


def openings(rng: np.random.Generator, length: float, height: float) -> list[Opening]:
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


def frame(
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


def beams(builder: Builder, x: float, y: float, z: float) -> None:
    """Lay beams across a place 2 x wide and 2 y deep, at height z."""
    rng = builder.rng
    paint, count = builder.paint("thing"), int(rng.integers(3, 9))
    for number in range(count):
        builder.box((0, -y + 2 * y * (number + 0.5) / count, z), (x, 0.08, 0.1), paint)


def picture(builder: Builder, x: float, y: float, z: float) -> None:
    """Hang a framed picture on a wall across y."""
    rng = builder.rng
    half = rng.uniform(0.15, 0.5), 0.02, rng.uniform(0.15, 0.5)
    builder.box((x, y, z), half, builder.paint("thing"))
    builder.box((x, y - 0.01, z), (half[0] * 0.9, half[1], half[2] * 0.9), builder.paint("thing"))


def chair(builder: Builder, x: float, y: float, angle: float) -> None:
    """Add a chair: thin legs, a seat, and spindles in its back."""
    rng = builder.rng
    paint, half, seat = builder.paint("thing"), rng.uniform(0.18, 0.26), rng.uniform(0.4, 0.5)
    thin, back = rng.uniform(0.008, 0.025), rng.uniform(0.2, 0.35)
    cos, sin = np.cos(angle), np.sin(angle)

    def part(u: float, v: float, z: float, size: tuple[float, float, float]) -> None:
        place = (x + u * cos - v * sin, y + u * sin + v * cos, z)
        builder.box(place, size, paint, angle=angle)

    part(0, 0, seat, (half, half, 0.02))
    for u in (-1, 1):
        for v in (-1, 1):
            part(u * (half - thin), v * (half - thin), seat / 2, (thin, thin, seat / 2))
    spindles = int(rng.integers(2, 8))
    for u in np.linspace(-1, 1, spindles):
        part(u * (half - thin), half - thin, seat + back, (thin * 0.8, thin * 0.8, back))
    part(0, half - thin, seat + 2 * back, (half + thin, thin * 1.3, 0.03))


def wires(builder: Builder, span: float, height: float) -> None:
    """Add thin cables overhead, some with lamps."""
    rng = builder.rng
    paint, lamp = builder.paint("thing"), builder.paint("thing")
    for _ in range(int(rng.integers(1, 4))):
        start = np.array([-span, rng.uniform(-2, 1), height * rng.uniform(0.6, 1.2)])
        end = np.array([span, rng.uniform(-2, 1), height * rng.uniform(0.6, 1.2)])
        stick(builder, start, end, rng.uniform(0.004, 0.02), paint)
        for share in rng.uniform(0.1, 0.9, int(rng.integers(0, 6))):
            place = start + share * (end - start) - np.array([0, 0, 0.08])
            builder.box(tuple(place), (rng.uniform(0.02, 0.06),) * 3, lamp, kind=Kind.BALL)


def stick(builder: Builder, start: np.ndarray, end: np.ndarray, radius: float, paint: int) -> None:
    """Add a thin rod between two points (3,)."""
    way = end - start
    length = float(np.linalg.norm(way))
    along = way / length
    aside = np.cross(along, [0.0, 0.0, 1.0] if abs(along[2]) < 0.9 else [1.0, 0.0, 0.0])
    aside /= np.linalg.norm(aside)
    turn = np.stack([aside, np.cross(along, aside), along], axis=1)
    half = (radius, radius, length / 2)
    builder.box(tuple((start + end) / 2), half, paint, turn=turn, kind=Kind.ROD)


def rug(builder: Builder, x: float, y: float) -> None:
    """Lay something flat and patterned on the ground, with a border."""
    rng = builder.rng
    a, b, angle = rng.uniform(0.5, 1.8), rng.uniform(0.4, 1.2), rng.uniform(-0.4, 0.4)
    builder.box((x, y, 0.006), (a, b, 0.006), builder.paint("thing", "floor"), angle=angle)
    inner = builder.paint("thing", "floor")
    share = rng.uniform(0.6, 0.9)
    builder.box((x, y, 0.008), (a * share, b * share, 0.006), inner, angle=angle)


def hedge(builder: Builder, y: float, length: float) -> None:
    """Add a row of leaves as far as the scene goes."""
    rng = builder.rng
    paints = [builder.paint("leaf") for _ in range(2)]
    height = rng.uniform(0.5, 3.0)
    for x in np.arange(-length, length, 0.9 * height):
        for _ in range(2):
            place = (x + rng.normal(0, 0.2), y + rng.normal(0, 0.3), height * rng.uniform(0.5, 1))
            half = (height * rng.uniform(0.5, 0.9),) * 2 + (0.01,)
            turn = upright_turn(rng.normal(0, 0.5), rng.normal(0, 0.4))
            builder.box(place, half, int(rng.choice(paints)), turn=turn, kind=Kind.DISC)


def hills(builder: Builder, y: float) -> None:
    """Raise the ground behind and beside the scene: large flat ellipsoids, half buried."""
    rng = builder.rng
    paint = builder.paint("floor")
    for _ in range(int(rng.integers(1, 4))):
        half = (rng.uniform(3, 15), rng.uniform(3, 10), rng.uniform(0.4, 4))
        place = (rng.uniform(-10, 10), y + half[1] * rng.uniform(1.0, 1.8), 0.0)
        builder.box(place, half, paint, kind=Kind.BALL)


def foreground(builder: Builder, eye: np.ndarray, aim: np.ndarray) -> None:
    """Stand something slim or leafy close before the camera."""
    rng = builder.rng
    way = (aim - eye) / np.linalg.norm(aim - eye)
    aside = np.array([-way[1], way[0], 0.0])
    distance = rng.uniform(0.15, 0.5) * float(np.linalg.norm(aim - eye))
    place = eye + way * distance + aside * distance * rng.uniform(-0.4, 0.4)
    kind = rng.integers(4)
    if kind == 0:
        radius = distance * rng.uniform(0.01, 0.12)
        builder.box((*place[:2], 2), (radius, radius, 2), builder.paint("thing"), kind=Kind.ROD)
    elif kind == 1:
        half = distance * rng.uniform(0.01, 0.15, 2)
        angle = rng.uniform(0, 1.5)
        builder.box((*place[:2], 2), (*half, 2), builder.paint("wall", "thing"), angle=angle)
    elif kind == 2:
        plant(builder, float(place[0]), float(place[1]))
    else:
        paint = builder.paint("thing")
        for _ in range(int(rng.integers(1, 6))):
            ends = place + rng.normal(0, 0.35 * distance, (2, 3))
            stick(builder, ends[0], ends[1], distance * rng.uniform(0.003, 0.02), paint)


def upright_turn(yaw: float, pitch: float) -> np.ndarray:
    """Return the rotation (3, 3) of a card that stands across y, turned and leant a little."""
    side = np.array([np.cos(yaw), np.sin(yaw), 0.0])
    up = np.array([-np.sin(yaw) * np.sin(pitch), np.cos(yaw) * np.sin(pitch), np.cos(pitch)])
    return np.stack([side, up, np.cross(side, up)], axis=1)
