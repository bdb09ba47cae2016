"""A furnished courtyard in late sun, a lit study behind it, and a camera that arcs past."""

from __future__ import annotations

import math

import bpy

from .kit import plants, props, stage
from .kit.palette import Palette
from .kit.shape import Shape

SAMPLES = 8
CAMERA_PATH = ((0.82, -3.10, 1.52), (0.48, -2.92, 1.49), (0.18, -2.72, 1.46), (-0.08, -2.48, 1.43))
LOOK_PATH = ((-0.25, 2.0, 1.14), (-0.24, 2.0, 1.13), (-0.22, 2.0, 1.12), (-0.20, 2.0, 1.10))


def build(
    *, size: tuple[int, int] = (832, 480), frames: int = 48, samples: int = SAMPLES
) -> bpy.types.Scene:
    """Add the courtyard to the open file and return its scene.

    Args:
        size: Width and height in pixels.
        frames: Length at 24 fps. The camera's way is the same for any length.
        samples: Cycles samples a pixel, denoised.
    """
    scene = stage.new_scene("Courtyard", size=size, frames=frames, samples=samples)
    stage.sky(scene, zenith=(0.16, 0.34, 0.85), horizon=(0.75, 0.80, 0.88), strength=0.75)
    stage.lamp(
        scene,
        "SUN",
        at=(6, -4, 6),
        toward=(0, 1.2, 0),
        power=7.5,
        color=(1.0, 0.78, 0.52),
        size=0.012,
    )
    warm = (1.0, 0.58, 0.24)
    inside, down = (-0.3, 4.5, 2.6), (-0.3, 4.5, 0)
    stage.lamp(scene, "AREA", at=inside, toward=down, power=150, color=warm, size=2.4)
    stage.lamp(scene, "POINT", at=(-0.235, 0.965, 1.10), power=22, color=warm, size=0.05)
    parts = (_walls, _room_behind, _pergola, _table_group, _shelf_group, _potted, _garden)
    stage.furnish(scene, parts, Palette())
    stage.camera(scene, path=CAMERA_PATH, look=LOOK_PATH, lens=29.0)
    return scene


def _walls(shape: Shape) -> None:
    """Tiles, a brick wall with a door and a window, a plaster wall with posters."""
    shape.box((0.2, -1.0, -0.05), (6.6, 9.0, 0.1), "tiles", grain=False)
    high, y = 3.1, 3.35
    for x0, x1, z0, z1 in (
        (-3.1, -2.45, 0, high),
        (-2.45, -1.35, 2.25, high),
        (-1.35, 0.85, 0, high),
        (0.85, 2.15, 0, 0.95),
        (0.85, 2.15, 2.15, high),
        (2.15, 3.4, 0, high),
    ):
        shape.box(((x0 + x1) / 2, y, (z0 + z1) / 2), (x1 - x0, 0.3, z1 - z0), "brick", grain=False)
    shape.box((0.15, y, high + 0.04), (6.6, 0.42, 0.08), "clay")
    shape.box((-1.9, y - 0.13, 2.29), (1.34, 0.10, 0.14), "beam")
    for x in (-2.43, -1.37):
        shape.box((x, y - 0.10, 1.125), (0.06, 0.14, 2.25), "shutter")
    # The door stands open at an angle, so that its two panels face the camera.
    shape.place(-2.44, y - 0.17, 0, turn=-116)
    shape.box((0.42, 0, 1.10), (0.84, 0.045, 2.15), "shutter")
    for z, tall in ((0.55, 0.78), (1.58, 0.96)):
        shape.box((0.42, 0, z), (0.60, 0.065, tall), "shutter", tint=(0.8, 0.85, 0.85))
        shape.box((0.42, 0, z), (0.50, 0.075, tall - 0.1), "shutter", tint=(1.15, 1.1, 1.1))
    shape.tube([(0.76, 0.03, 1.02), (0.76, 0.075, 1.02), (0.66, 0.075, 1.02)], 0.010, "brass")
    shape.place(0, 0, 0)
    # The window: sill, frame, thin bars, and shutters folded back on the wall.
    shape.box((1.5, y - 0.17, 0.93), (1.5, 0.16, 0.05), "white")
    for x in (0.87, 1.5, 2.13):
        shape.box((x, y, 1.55), (0.045, 0.06, 1.2), "white")
    for z in (0.97, 1.36, 1.75, 2.13):
        shape.box((1.5, y, z), (1.26, 0.05, 0.03), "white")
    for x in (0.53, 2.47):
        shape.place(x, y - 0.19, 1.56)
        props.shutter(shape, width=0.54, height=1.24)
    shape.place(0, 0, 0)
    shape.box((-3.0, -1.0, high / 2), (0.2, 9.0, high), "plaster", grain=False)
    for y0, z, key in ((-0.05, 1.70, "botanic"), (0.78, 1.78, "hills"), (1.60, 1.70, "circles")):
        shape.place(-2.885, y0, z, turn=90)
        props.framed(shape, width=0.60, height=0.84, key=key)
    shape.place(0, 0, 0)


def _room_behind(shape: Shape) -> None:
    """The lit study seen through door and window: boards, books to the ceiling, a lamp."""
    shape.box((-0.2, 5.0, -0.02), (6.2, 3.0, 0.04), "boards", grain=False)
    shape.box((-0.2, 5.6, 1.4), (6.2, 0.1, 2.8), "inside", grain=False)
    shape.box((-3.2, 4.5, 1.4), (0.1, 2.2, 2.8), "inside", grain=False)
    shape.box((2.9, 4.5, 1.4), (0.1, 2.2, 2.8), "inside", grain=False)
    shape.box((-0.2, 4.5, 2.75), (6.2, 2.2, 0.1), "inside", grain=False)
    for x in (-2.2, 1.4):
        shape.place(x, 5.36, 0)
        props.shelf(shape, width=1.5, height=2.2, levels=6)
        for level in range(6):
            shape.place(x - 0.72, 5.34, max(level * 2.2 / 6, 0.05) + 0.014)
            props.books(shape, 1.42, tallest=0.30)
    shape.place(0, 0, 0)
    for x in (-1.75, 1.3):
        shape.tube([(x, 4.4, 2.7), (x, 4.4, 2.16)], 0.005, "iron", sides=5)
        shape.lathe([(0.17, 0.0), (0.15, 0.06), (0.03, 0.14), (0.0, 0.15)], (x, 4.4, 2.03), "brass")
        shape.lathe([(0.0, -0.02), (0.05, 0.02), (0.03, 0.08)], (x, 4.4, 2.02), "bulb", sides=12)


def _pergola(shape: Shape) -> None:
    """Posts, slats that stripe the light, a vine, a railing, a string of bulbs."""
    for x, y in ((2.55, -0.55), (2.55, 2.9)):
        shape.box((x, y, 1.4), (0.13, 0.13, 2.8), "beam")
        shape.box((x, y, 0.06), (0.2, 0.2, 0.12), "clay")
    shape.box((2.55, 0.6, 2.86), (0.11, 6.4, 0.14), "beam")
    for n in range(12):
        shape.box((-0.1, -2.1 + n * 0.46, 2.96), (6.0, 0.055, 0.11), "beam")
    for n in range(34):
        y = -0.45 + n * 0.1
        shape.tube([(2.55, y, 0.06), (2.55, y, 0.92)], 0.008, "iron", sides=6)
    for z in (0.10, 0.92):
        shape.box((2.55, 1.2, z), (0.045, 3.4, 0.022), "iron")
    props.wire(shape, (-2.88, -0.4, 2.55), (2.5, 2.2, 2.62), sag=0.35, bulbs=9)
    props.wire(shape, (-2.88, 1.6, 2.7), (2.5, -0.5, 2.66), sag=0.28, bulbs=8)
    rng = shape.rng
    for n in range(5):
        y = -1.2 + n
        plants.leafage(
            shape,
            count=90,
            low=(1.6, y - 0.5, 2.78),
            high=(2.9, y + 0.5, 3.14),
            leaf=0.12,
            key="vine",
        )
    plants.leafage(
        shape, count=120, low=(2.42, -0.68, 1.5), high=(2.7, -0.42, 2.9), leaf=0.11, key="vine"
    )
    for _ in range(9):
        x, y = rng.uniform(1.4, 2.7), rng.uniform(-0.8, 2.6)
        end = rng.uniform(0.35, 0.8)
        shape.tube([(x, y, 2.9), (x + 0.03, y + 0.02, 2.9 - end)], 0.004, "stem", sides=4)
        plants.leafage(
            shape,
            count=14,
            low=(x - 0.05, y - 0.05, 2.9 - end),
            high=(x + 0.05, y + 0.05, 2.85),
            leaf=0.10,
            key="vine",
        )


def _table_group(shape: Shape) -> None:
    """A laid table on a rug, three chairs, a lamp, fruit, books, a vase of flowers."""
    x, y = 0.05, 0.95
    shape.place(x, y, turn=8)
    props.rug(shape, length=2.9, width=1.96)
    props.table(shape)
    for dx, dy, turn in ((-0.35, -0.62, 12), (0.52, -0.78, -34), (0.30, 0.72, 176)):
        shape.place(x + dx, y + dy, 0.01, turn=turn)
        props.chair(shape)
    top = 0.74
    shape.place(x - 0.52, y + 0.1, top, turn=-20)
    props.desk_lamp(shape)
    shape.place(x + 0.2, y + 0.02, top)
    shape.lathe(
        [
            (0.0, 0),
            (0.06, 0),
            (0.13, 0.05),
            (0.16, 0.085),
            (0.152, 0.085),
            (0.11, 0.04),
            (0.0, 0.02),
        ],
        (0, 0, 0),
        "glaze",
        sides=28,
    )
    for dx, dy, dz in (
        (-0.05, 0, 0.075),
        (0.05, 0.03, 0.075),
        (0.0, -0.055, 0.075),
        (0, 0.01, 0.14),
    ):
        ball = [(0.042 * (1 - (n / 4 - 1) ** 2) ** 0.5, 0.042 * (n / 4 - 1)) for n in range(9)]
        shape.lathe(ball, (dx, dy, dz), "fruit", sides=14)
    shape.place(x - 0.02, y - 0.2, top)
    props.book_pile(shape, (0, 1, 3), twist=16)
    shape.place(x + 0.45, y - 0.15, top, turn=40)
    props.mug(shape, "white")
    shape.place(x + 0.5, y + 0.2, top)
    props.vase(shape)
    plants.bush(shape, base=0.22, stems=9, height=0.34, leaf=0.07, spread=0.2, per_stem=4)
    plants.bush(
        shape, base=0.26, stems=7, height=0.36, leaf=0.05, spread=0.2, key="flower", per_stem=3
    )


def _shelf_group(shape: Shape) -> None:
    """An open shelf of books and pots before the brick wall, a bench under the posters."""
    x, y = -0.35, 2.98
    shape.place(x, y, 0)
    props.shelf(shape, width=1.5, height=1.84, levels=4)
    for level, start, length in ((0, -0.7, 0.8), (1, -0.7, 1.4), (2, -0.15, 0.85), (3, -0.7, 0.75)):
        shape.place(x + start, y - 0.02, max(level * 0.46, 0.05) + 0.014)
        props.books(shape, length, tallest=0.36)
    for dx, level, radius, key in (
        (0.40, 0, 0.12, "clay"),
        (-0.45, 2, 0.10, "glaze"),
        (0.35, 3, 0.09, "clay"),
        (0.55, 3, 0.07, "white"),
        (-0.4, 4, 0.10, "clay"),
        (0.2, 4, 0.08, "glaze"),
    ):
        shape.place(x + dx, y - 0.02, max(level * 0.46, 0.05) + 0.013)
        plants.pot(shape, radius=radius, height=radius * 1.5, key=key)
        if level in (2, 4):
            plants.bush(
                shape, base=radius * 1.3, stems=8, height=0.3, leaf=0.08, spread=0.22, per_stem=6
            )
    shape.place(-2.62, 0.7, 0, turn=90)
    for n in range(3):
        shape.box((0, (n - 1) * 0.125, 0.43), (1.7, 0.115, 0.035), "oak")
    for side in (-1, 1):
        for end in (-1, 1):
            shape.tube(
                [(side * 0.72, end * 0.12, 0.42), (side * 0.78, end * 0.15, 0)], 0.018, "iron"
            )
    shape.place(-2.62, 0.2, 0.45, turn=80)
    shape.box((0, 0, 0.02), (0.3, 0.22, 0.04), "cover", tint=(0.5, 0.1, 0.06))
    shape.place(-2.6, 1.2, 0.45)
    plants.pot(shape, radius=0.13, height=0.2, key="glaze")
    plants.strap_plant(shape, base=0.18, leaves=26, length=0.5, width=0.035)


def _potted(shape: Shape) -> None:
    """Pots on the ground: two near the camera, the others along the walls."""
    for x, y, radius, height in (
        (1.55, -0.75, 0.24, 0.40),
        (-1.55, -0.35, 0.22, 0.36),
        (2.1, 2.2, 0.26, 0.42),
        (0.75, 2.75, 0.18, 0.28),
        (-1.12, 2.75, 0.16, 0.26),
    ):
        shape.place(x, y, 0)
        plants.pot(shape, radius=radius, height=height)
    shape.place(1.55, -0.75, 0)
    plants.strap_plant(shape, base=0.36, leaves=46, length=0.95, width=0.075)
    shape.place(-1.55, -0.35, 0)
    plants.bush(shape, base=0.32, stems=22, height=0.85, leaf=0.17, spread=0.45, per_stem=9)
    shape.place(2.1, 2.2, 0)
    plants.bush(shape, base=0.38, stems=24, height=1.2, leaf=0.15, spread=0.5, per_stem=10)
    shape.place(0.75, 2.75, 0)
    plants.bush(shape, base=0.25, stems=14, height=0.5, leaf=0.10, spread=0.25, per_stem=7)
    plants.bush(
        shape, base=0.3, stems=12, height=0.5, leaf=0.055, spread=0.3, key="flower", per_stem=5
    )
    shape.place(-1.12, 2.75, 0)
    plants.strap_plant(shape, base=0.24, leaves=30, length=0.6, width=0.05)


def _garden(shape: Shape) -> None:
    """What lies beyond the railing: grass, a hedge with a dark heart, a far ridge."""
    shape.box((28, 20, -0.16), (49, 70, 0.1), "grass", grain=False)
    rng = shape.rng
    for n in range(34):
        x, y = 5.6 + rng.uniform(-0.3, 0.5) + n * 0.12, -1.5 + n * 0.5
        tall = 1.5 + 0.5 * math.sin(n * 1.7) + rng.uniform(0.0, 0.5)
        heart = [(0.0, -0.1), (0.42, 0.2), (0.5, tall * 0.6), (0.3, tall * 0.9), (0.0, tall)]
        shape.lathe(heart, (x, y, 0), "thicket", sides=9)
        plants.leafage(
            shape,
            count=150,
            low=(x - 0.62, y - 0.62, 0.0),
            high=(x + 0.62, y + 0.62, tall + 0.15),
            leaf=0.2,
        )
    # The ridge: from its foot up to a crest and a little down behind it, as far as one sees.
    rows, uv = [], []
    for k, (near, high) in enumerate(((40.0, 0.0), (46.0, 3.5), (56.0, 6.5), (70.0, 4.0))):
        angles = [math.radians(-20 + 130 * n / 40) for n in range(41)]
        rows.append(
            [
                (
                    near * math.cos(a),
                    near * math.sin(a),
                    high * (1 + 0.35 * math.sin(a * 7 + k) + 0.12 * math.sin(a * 23)),
                )
                for a in angles
            ]
        )
        uv.append([(a * near, near) for a in angles])
    shape.sheet(rows, "ridge", uv=uv)
