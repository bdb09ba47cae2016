"""A long loft seen from its far end: a slow sideways move, few holes, a lamp that swings."""

from __future__ import annotations

import bpy

from .kit import plants, props, stage
from .kit.palette import Palette
from .kit.shape import Shape

SAMPLES = 8
CAMERA_PATH = ((-0.15, -3.20, 1.60), (-0.05, -3.18, 1.60), (0.06, -3.15, 1.59), (0.15, -3.12, 1.58))
LOOK_PATH = ((0.0, 5.0, 1.30), (0.01, 5.0, 1.30))
HIGH = 3.6


def build(
    *, size: tuple[int, int] = (832, 480), frames: int = 48, samples: int = SAMPLES
) -> bpy.types.Scene:
    """Add the loft to the open file and return its scene.

    Args:
        size: Width and height in pixels.
        frames: Length at 24 fps. The camera's way is the same for any length.
        samples: Cycles samples a pixel, denoised.
    """
    scene = stage.new_scene("Loft", size=size, frames=frames, samples=samples)
    stage.sky(scene, zenith=(0.25, 0.42, 0.85), horizon=(0.80, 0.84, 0.90), strength=0.7)
    stage.lamp(
        scene,
        "SUN",
        at=(-6, 1.2, 4.6),
        toward=(0, 3.0, 0),
        power=11.0,
        color=(1.0, 0.80, 0.56),
        size=0.012,
    )
    palette = Palette()
    stage.furnish(scene, (_room, _window_wall, _far_end, _sitting, _working), palette)
    shape = Shape()
    props.pendant(shape, length=1.35)
    hung = shape.to_object("pendant", scene.collection, palette)
    hung.location = (0.75, 3.4, HIGH - 0.1)
    stage.swing(hung, scene, degrees=14, times=1)
    stage.lamp(scene, "POINT", at=(0.6, 7.2, 1.7), power=45, color=(1.0, 0.60, 0.26), size=0.12)
    stage.camera(scene, path=CAMERA_PATH, look=LOOK_PATH, lens=31.0)
    return scene


def _room(shape: Shape) -> None:
    """The shell, open to the sky between its beams."""
    shape.box((0, 2.6, -0.05), (7.6, 13.0, 0.1), "boards", grain=False)
    shape.box((0, 8.15, HIGH / 2), (7.6, 0.3, HIGH), "brick", grain=False)
    shape.box((3.45, 2.6, HIGH / 2), (0.3, 13.0, HIGH), "limewash", grain=False)
    for n in range(9):
        shape.box((0, -2.6 + n * 1.3, HIGH + 0.05), (7.2, 0.12, 0.2), "beam")
    shape.box((0.75, 3.4, HIGH + 0.05), (0.14, 9.6, 0.16), "beam")
    shape.box((3.28, 2.6, 0.07), (0.03, 13.0, 0.14), "white")


def _window_wall(shape: Shape) -> None:
    """Tall windows with thin bars on the left; the sun comes through them."""
    for y0, y1 in ((-4.0, -1.6), (0.6, 1.0), (3.2, 3.6), (5.8, 8.0)):
        shape.box((-3.45, (y0 + y1) / 2, HIGH / 2), (0.3, y1 - y0, HIGH), "limewash", grain=False)
    for y0, y1 in ((-1.6, 0.6), (1.0, 3.2), (3.6, 5.8)):
        middle, wide = (y0 + y1) / 2, y1 - y0
        shape.box((-3.45, middle, 0.3), (0.3, wide, 0.6), "limewash", grain=False)
        shape.box((-3.45, middle, HIGH - 0.2), (0.3, wide, 0.4), "limewash", grain=False)
        shape.box((-3.32, middle, 0.62), (0.3, wide + 0.1, 0.04), "white")
        for n in range(4):
            shape.box((-3.45, y0 + wide * n / 3, 1.9), (0.05, 0.035, 2.6), "iron")
        for n in range(5):
            shape.box((-3.45, middle, 0.65 + 2.5 * n / 4), (0.04, wide, 0.03), "iron")
        shape.place(-3.25, middle + 0.5, 0.64)
        plants.pot(shape, radius=0.10, height=0.15)
        plants.bush(shape, base=0.12, stems=9, height=0.4, leaf=0.10, spread=0.22, per_stem=6)
        shape.place(0, 0, 0)


def _far_end(shape: Shape) -> None:
    """Shelves to the ceiling, pictures, a ladder, a floor lamp."""
    for x in (-2.35, -0.75):
        shape.place(x, 7.82, 0)
        props.shelf(shape, width=1.55, height=2.7, levels=7)
        for level in range(7):
            shape.place(x - 0.74, 7.80, max(level * 2.7 / 7, 0.05) + 0.014)
            props.books(shape, shape.rng.uniform(0.8, 1.45), tallest=0.33)
    for x, z, key in ((0.75, 2.0, "hills"), (1.65, 2.05, "circles"), (2.5, 1.95, "botanic")):
        shape.place(x, 7.98, z)
        props.framed(shape, width=0.72, height=1.02, key=key)
    shape.place(0, 0, 0)
    for x in (-1.75, -1.30):
        shape.tube([(x, 7.2, 0), (x, 7.66, 2.75)], 0.022, "oak")
    for n in range(8):
        y, z = 7.2 + 0.46 * (n + 1) / 9, 2.75 * (n + 1) / 9
        shape.tube([(-1.75, y, z), (-1.30, y, z)], 0.015, "oak", sides=6)
    shape.place(0.6, 7.2, 0)
    shape.lathe([(0.0, 0), (0.15, 0), (0.15, 0.02), (0.0, 0.03)], (0, 0, 0), "brass")
    shape.tube([(0, 0, 0.02), (0, 0, 1.6)], 0.011, "brass")
    shape.lathe([(0.24, 1.5), (0.16, 1.85)], (0, 0, 0), "pages", sides=24)
    shape.place(2.9, 7.4, 0)
    plants.pot(shape, radius=0.24, height=0.4)
    plants.bush(shape, base=0.36, stems=22, height=1.5, leaf=0.22, spread=0.5, per_stem=8)


def _sitting(shape: Shape) -> None:
    """A sofa on a rug, a low table with books, pictures on the right wall."""
    shape.place(1.5, 5.6)
    props.rug(shape, length=3.2, width=2.4)
    shape.place(1.6, 6.4, 0)
    props.sofa(shape)
    shape.place(1.4, 5.3, 0, turn=4)
    props.table(shape, width=1.0, depth=0.55, height=0.4)
    shape.place(1.2, 5.3, 0.4)
    props.book_pile(shape, (0, 6, 3), twist=14)
    shape.place(1.65, 5.35, 0.4)
    props.mug(shape, "white")
    for y, key in ((2.2, "circles"), (3.2, "botanic"), (4.2, "hills")):
        shape.place(3.285, y, 1.75, turn=-90)
        props.framed(shape, width=0.66, height=0.92, key=key)
    shape.place(3.0, 4.9, 0)
    plants.pot(shape, radius=0.18, height=0.3, key="glaze")
    plants.strap_plant(shape, base=0.27, leaves=34, length=0.9, width=0.06)


def _working(shape: Shape) -> None:
    """A long table by the windows with chairs, a lamp and pots."""
    x, y = -1.35, 3.1
    shape.place(x, y, 0, turn=86)
    props.table(shape, width=2.4, depth=0.85)
    for dx, dy, turn in ((0.75, -0.7, -92), (0.8, 0.5, -78), (-0.8, 0.1, 94), (0.05, -1.6, 8)):
        shape.place(x + dx, y + dy, 0, turn=-turn)
        props.chair(shape)
    shape.place(x - 0.1, y + 0.6, 0.74, turn=-30)
    props.desk_lamp(shape)
    shape.place(x + 0.05, y - 0.5, 0.74)
    plants.pot(shape, radius=0.09, height=0.13, key="glaze")
    plants.bush(shape, base=0.11, stems=10, height=0.34, leaf=0.08, spread=0.2, per_stem=5)
    shape.place(x - 0.15, y, 0.74)
    props.book_pile(shape, (1, 4, 0, 9), twist=24)
    shape.place(x + 0.2, y + 0.2, 0.74)
    props.mug(shape, "white")
