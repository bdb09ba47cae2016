"""A walk along columns and leaves: two metres sideways close to them, many holes."""

from __future__ import annotations

import math

import bpy

from .kit import plants, props, stage
from .kit.palette import Palette
from .kit.shape import Shape

SAMPLES = 8
CAMERA_PATH = ((-0.75, -2.85, 1.62), (-0.28, -2.72, 1.60), (0.18, -2.52, 1.58), (0.55, -2.30, 1.56))
LOOK_PATH = ((0.0, 4.0, 1.12), (0.0, 4.0, 1.08))


def build(
    *, size: tuple[int, int] = (832, 480), frames: int = 48, samples: int = SAMPLES
) -> bpy.types.Scene:
    """Add the colonnade to the open file and return its scene.

    Args:
        size: Width and height in pixels.
        frames: Length at 24 fps. The camera's way is the same for any length.
        samples: Cycles samples a pixel, denoised.
    """
    scene = stage.new_scene("Colonnade", size=size, frames=frames, samples=samples)
    stage.sky(scene, zenith=(0.10, 0.28, 0.85), horizon=(0.50, 0.66, 0.92), strength=0.6)
    stage.lamp(
        scene,
        "SUN",
        at=(-7, -2.5, 5.2),
        toward=(1.5, 3.0, 0),
        power=7.5,
        color=(1.0, 0.82, 0.60),
        size=0.012,
    )
    stage.furnish(scene, (_columns, _fence, _court, _house, _awning, _trees, _leaves), Palette())
    stage.camera(scene, path=CAMERA_PATH, look=LOOK_PATH, lens=28.0)
    return scene


def _columns(shape: Shape) -> None:
    """Stone columns on a low plinth, with a beam across their tops."""
    shape.box((0, -1.0, -0.05), (14, 4.4, 0.1), "paving", grain=False)
    for n in range(7):
        x = -4.4 + n * 1.55
        shape.place(x, 0, 0)
        shape.box((0, 0, 0.08), (0.46, 0.46, 0.16), "stone")
        shape.lathe(
            [
                (0.20, 0.16),
                (0.21, 0.20),
                (0.18, 0.24),
                (0.135, 0.30),
                (0.14, 1.2),
                (0.118, 2.5),
                (0.15, 2.53),
                (0.135, 2.57),
                (0.19, 2.68),
            ],
            (0, 0, 0),
            "stone",
            sides=26,
        )
        shape.box((0, 0, 2.73), (0.46, 0.46, 0.1), "stone")
    shape.place(0, 0, 0)
    shape.box((0, 0, 2.93), (13, 0.4, 0.3), "stone", grain=False)
    for n in range(26):
        shape.box((-6 + n * 0.48, -0.9, 3.14), (0.09, 3.2, 0.12), "beam")


def _fence(shape: Shape) -> None:
    """Thin pickets in uneven paint, two rails."""
    y = 1.55
    for n in range(70):
        x = -5.2 + n * 0.15
        tone = shape.rng.uniform(0.8, 1.1)
        shape.box(
            (x, y, 0.45 + shape.rng.uniform(-0.01, 0.02)),
            (0.055, 0.02, 0.9),
            "white",
            turn=(0, shape.rng.uniform(-1.5, 1.5), 0),
            tint=(tone, tone, tone),
        )
    for z in (0.25, 0.68):
        shape.box((0, y + 0.022, z), (10.6, 0.025, 0.06), "white")


def _court(shape: Shape) -> None:
    """Tiles, a fountain, a table with chairs, pots."""
    shape.box((0, 5.2, -0.06), (16, 8.0, 0.1), "tiles", grain=False)
    shape.place(1.3, 4.6, 0)
    shape.lathe(
        [
            (0.95, 0),
            (1.0, 0.06),
            (0.92, 0.12),
            (0.92, 0.4),
            (1.0, 0.46),
            (1.0, 0.52),
            (0.86, 0.52),
            (0.86, 0.3),
        ],
        (0, 0, 0),
        "stone",
        sides=40,
    )
    shape.lathe([(0.87, 0.42), (0.0, 0.42)], (0, 0, 0), "water", sides=40)
    shape.lathe(
        [
            (0.16, 0.3),
            (0.10, 0.5),
            (0.09, 0.95),
            (0.13, 1.0),
            (0.45, 1.14),
            (0.46, 1.18),
            (0.38, 1.16),
            (0.06, 1.1),
            (0.05, 1.4),
            (0.09, 1.46),
            (0.0, 1.56),
        ],
        (0, 0, 0),
        "stone",
        sides=32,
    )
    shape.place(-1.9, 4.1, 0, turn=-15)
    props.table(shape, width=1.1, depth=0.75)
    for dx, dy, turn in ((-0.1, -0.6, 10), (-0.75, 0.1, -80), (0.3, 0.65, 170)):
        shape.place(-1.9 + dx, 4.1 + dy, 0, turn=turn)
        props.chair(shape)
    shape.place(-1.85, 4.1, 0.74)
    props.vase(shape)
    plants.bush(
        shape, base=0.22, stems=10, height=0.36, leaf=0.06, spread=0.22, key="flower", per_stem=4
    )
    for x, y in ((-3.4, 6.6), (0.2, 7.1), (3.3, 6.7), (4.6, 4.4)):
        shape.place(x, y, 0)
        plants.pot(shape, radius=0.28, height=0.46)
        plants.bush(shape, base=0.42, stems=24, height=1.3, leaf=0.18, spread=0.55, per_stem=9)


def _house(shape: Shape) -> None:
    """An ochre front with shuttered windows, a door and a creeper, lights on a wire."""
    y, high = 8.4, 4.4
    shape.box((0, y, high / 2), (15, 0.4, high), "ochre", grain=False)
    shape.box((0, y - 0.26, high), (15, 0.7, 0.12), "clay")
    shape.box((0, y - 0.21, 0.35), (15, 0.04, 0.7), "stone", grain=False)
    for x in (-4.4, -1.4, 1.6, 4.6):
        for z in (1.75, 3.5):
            shape.box((x, y - 0.19, z), (0.9, 0.06, 1.2), "frame")
            shape.box((x, y - 0.24, z - 0.64), (1.1, 0.16, 0.07), "stone")
            shape.box((x, y - 0.225, z), (0.04, 0.03, 1.2), "white")
            shape.box((x, y - 0.225, z + 0.1), (0.9, 0.03, 0.03), "white")
            for side in (-1, 1):
                shape.place(x + side * 0.73, y - 0.235, z)
                props.shutter(shape, width=0.46, height=1.18)
            shape.place(0, 0, 0)
    shape.box((0.1, y - 0.19, 1.15), (1.1, 0.08, 2.3), "shutter")
    for z in (0.6, 1.65):
        for side in (-1, 1):
            shape.box(
                (0.1 + side * 0.26, y - 0.24, z), (0.4, 0.04, 0.8), "shutter", tint=(1.2, 1.15, 1.1)
            )
    # A creeper in flower hangs over one corner.
    for low, high, count in (
        ((-7, y - 0.5, 2.4), (-2.6, y - 0.25, 4.3), 420),
        ((-3.2, y - 0.5, 3.3), (-0.4, y - 0.25, 4.3), 160),
    ):
        plants.leafage(shape, count=count, low=low, high=high, leaf=0.24, key="vine")
        plants.leafage(shape, count=count // 2, low=low, high=high, leaf=0.16, key="flower")
    props.wire(shape, (-4.2, 0.1, 2.7), (4.4, 8.1, 3.9), sag=0.6, bulbs=10)


def _awning(shape: Shape) -> None:
    """Striped cloth over the door, with a valance along its lower edge."""
    wide = 0.15
    for n in range(12):
        shape.place(-0.8 + n * wide, 8.2, 2.35)
        stripe = [(0, -0.95, -0.18), (0, -0.95, 0), (0, 0, 0.5)]
        rows = [[(0, y, z), (wide, y, z)] for _, y, z in stripe]
        uv = [[(0, v), (wide, v)] for v in (0.0, 0.18, 1.25)]
        shape.sheet(rows, "rust" if n % 2 else "pages", uv=uv, smooth=False)


def _trees(shape: Shape) -> None:
    """Cut-out crowns with dark hearts behind the roof."""
    for n in range(9):
        x = -7 + n * 1.8
        tall = 5.4 + 0.8 * math.sin(n * 2.3)
        shape.lathe(
            [(0.3, 2.0), (0.75, 4.0), (0.5, tall * 0.9), (0.0, tall + 0.5)],
            (x, 10.5, 0),
            "thicket",
            sides=12,
        )
        plants.cards(shape, count=70, low=(x - 0.8, 9.8, 3.9), high=(x + 0.8, 11.0, tall), size=0.8)


def _leaves(shape: Shape) -> None:
    """Cut-out leaves before and behind the columns, climbers on two of them, tall grass blades."""
    for x, y, count, tall in (
        (-2.5, 1.0, 80, 0.7),
        (-0.75, 0.9, 40, 0.3),
        (1.1, 1.05, 60, 0.5),
        (2.7, 0.95, 80, 0.8),
        (4.2, 1.0, 60, 0.8),
    ):
        plants.cards(
            shape,
            count=count,
            low=(x - 0.55, y - 0.25, 0.0),
            high=(x + 0.55, y + 0.25, tall),
            size=0.42,
        )
    for x in (-1.3, 1.8):
        shape.place(x, 0)
        for n in range(170):
            a, z = n * 2.399, 0.25 + 2.4 * n / 170
            turn = (math.cos(a), math.sin(a), 0.4)
            tone = shape.rng.uniform(0.6, 1.2)
            shape.blade(
                (0.13 * math.cos(a), 0.13 * math.sin(a), z),
                turn,
                "vine",
                length=0.13,
                width=0.1,
                droop=1.0,
                steps=3,
                tint=(tone, tone, tone * 0.8),
            )
    for x, y in ((-1.9, -0.55), (0.55, -0.75), (1.75, -0.5)):
        shape.place(x, y, 0)
        plants.pot(shape, radius=0.2, height=0.34)
        plants.strap_plant(shape, base=0.3, leaves=40, length=0.85, width=0.05)
