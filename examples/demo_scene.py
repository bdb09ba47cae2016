"""The demo: a furnished courtyard in late sun, and a camera that passes it by.

    python examples/demo_scene.py -- --out demo.blend --size 832x480 --frames 48

Needs bpy and the standard library alone, and makes the same scene in Blender 4.5 and 5.0.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from pathlib import Path

import bpy

if __package__:
    from .kit import materials as m
    from .kit import pictures, props, stage
    from .kit.shape import Shape
else:
    from kit import materials as m
    from kit import pictures, props, stage
    from kit.shape import Shape

SAMPLES = 8
CAMERA_PATH = ((0.85, -3.10, 1.52), (0.48, -2.92, 1.49), (0.14, -2.72, 1.46), (-0.16, -2.50, 1.43))
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
    stage.lamp(scene, "SUN", at=(6, -4, 6), toward=(0, 1.2, 0), power=7.5,
               color=(1.0, 0.78, 0.52), size=0.012)
    kit = _materials()
    for part in (_walls, _room_behind, _pergola, _table_group, _shelf_group, _plants, _garden):
        shape = Shape(random.Random(part.__name__))
        part(shape, scene)
        shape.to_object(part.__name__.strip("_"), scene.collection, kit)
    stage.camera(
        scene,
        path=CAMERA_PATH,
        look=LOOK_PATH,
        lens=29.0,
    )
    return scene


def _materials() -> dict[str, bpy.types.Material]:
    return {
        "brick": m.brick(),
        "plaster": m.plaster("plaster", (0.72, 0.56, 0.36), (0.56, 0.40, 0.25)),
        "inside": m.plaster("inside", (0.55, 0.36, 0.20), (0.40, 0.24, 0.13)),
        "tiles": m.tiles("tiles", (0.62, 0.52, 0.38), (0.16, 0.26, 0.30)),
        "boards": m.planks("boards"),
        "oak": m.wood("oak", (0.16, 0.07, 0.028), (0.50, 0.28, 0.12)),
        "pine": m.wood("pine", (0.34, 0.19, 0.08), (0.66, 0.45, 0.23)),
        "beam": m.wood("beam", (0.14, 0.085, 0.05), (0.36, 0.24, 0.15), rough=0.8),
        "paint": m.plain("teal paint", (0.03, 0.22, 0.24), rough=0.45),
        "shutter": m.plain("shutter", (0.05, 0.20, 0.26), rough=0.55),
        "frame": m.plain("frame", (0.06, 0.045, 0.035), rough=0.5),
        "white": m.plain("white paint", (0.75, 0.72, 0.64), rough=0.5),
        "iron": m.plain("iron", (0.035, 0.035, 0.04), rough=0.5, metal=0.6),
        "brass": m.plain("brass", (0.80, 0.50, 0.18), rough=0.28, metal=1.0),
        "clay": m.plain("clay", (0.56, 0.20, 0.09), rough=0.8),
        "glaze": m.plain("glaze", (0.05, 0.16, 0.36), rough=0.15),
        "earth": m.plain("earth", (0.05, 0.03, 0.02), rough=0.95),
        "cover": m.plain("cover", (1.0, 1.0, 1.0), rough=0.55),
        "pages": m.plain("pages", (0.78, 0.70, 0.54), rough=0.9),
        "gilt": m.plain("gilt", (0.80, 0.58, 0.22), rough=0.35, metal=0.7),
        "fruit": m.plain("fruit", (0.90, 0.22, 0.004), rough=0.4),
        "stem": m.plain("stem", (0.16, 0.15, 0.05), rough=0.8),
        "leaf": m.leaf("leaf", (0.075, 0.21, 0.035)),
        "vine": m.leaf("vine", (0.16, 0.30, 0.04)),
        "flower": m.leaf("flower", (0.75, 0.08, 0.22), rib=(0.9, 0.3, 0.4)),
        "grass": m.plain("grass", (0.16, 0.24, 0.06), rough=0.95),
        "thicket": m.plain("thicket", (0.018, 0.045, 0.010), rough=0.95),
        "ridge": m.plain("ridge", (0.13, 0.22, 0.17), rough=0.95),
        "enamel": m.plain("enamel", (0.85, 0.42, 0.03), rough=0.3),
        "bulb": m.glow("bulb", (1.0, 0.62, 0.25), 9.0),
        "hills": m.picture("hills", pictures.draw("hills", (168, 240), pictures.hills)),
        "circles": m.picture("circles", pictures.draw("circles", (160, 240), pictures.circles)),
        "botanic": m.picture("botanic", pictures.draw("botanic", (168, 240), pictures.botanic)),
        "rug": m.picture("rug", pictures.draw("rug", (192, 288), pictures.rug), rough=0.95,
                         pile=0.004),
    }


def _walls(shape: Shape, scene: bpy.types.Scene) -> None:
    """Tiles, a brick wall with a door and a window, a plaster wall with posters."""
    shape.box((0.2, -1.0, -0.05), (6.6, 9.0, 0.1), "tiles", grain=False)
    high, y = 3.1, 3.35
    for x0, x1, z0, z1 in ((-3.1, -2.45, 0, high), (-2.45, -1.35, 2.25, high),
                           (-1.35, 0.85, 0, high), (0.85, 2.15, 0, 0.95),
                           (0.85, 2.15, 2.15, high), (2.15, 3.4, 0, high)):
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
        for n in range(15):
            shape.box((x, y - 0.19, 1.0 + n * 0.08), (0.5, 0.03, 0.06), "shutter", turn=(24, 0, 0))
        for side in (-1, 1):
            shape.box((x + side * 0.27, y - 0.19, 1.55), (0.05, 0.04, 1.26), "shutter")
    shape.box((-3.0, -1.0, high / 2), (0.2, 9.0, high), "plaster", grain=False)
    for y0, z, key in ((-0.05, 1.70, "botanic"), (0.78, 1.78, "hills"), (1.60, 1.70, "circles")):
        shape.place(-2.885, y0, z, turn=90)
        props.framed(shape, width=0.60, height=0.84, key=key)
    shape.place(0, 0, 0)


def _room_behind(shape: Shape, scene: bpy.types.Scene) -> None:
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
    stage.lamp(scene, "AREA", at=(-0.3, 4.5, 2.6), toward=(-0.3, 4.5, 0), power=150,
               color=(1.0, 0.56, 0.22), size=2.4)


def _pergola(shape: Shape, scene: bpy.types.Scene) -> None:
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
        props.leafage(shape, rng, count=90, low=(1.6, y - 0.5, 2.78), high=(2.9, y + 0.5, 3.14),
                      leaf=0.12, key="vine")
    props.leafage(shape, rng, count=120, low=(2.42, -0.68, 1.5), high=(2.7, -0.42, 2.9), leaf=0.11,
                  key="vine")
    for n in range(9):
        x, y = rng.uniform(1.4, 2.7), rng.uniform(-0.8, 2.6)
        end = rng.uniform(0.35, 0.8)
        shape.tube([(x, y, 2.9), (x + 0.03, y + 0.02, 2.9 - end)], 0.004, "stem", sides=4)
        props.leafage(shape, rng, count=14, low=(x - 0.05, y - 0.05, 2.9 - end),
                      high=(x + 0.05, y + 0.05, 2.85), leaf=0.10, key="vine")


def _table_group(shape: Shape, scene: bpy.types.Scene) -> None:
    """A laid table on a rug, three chairs, a lamp, fruit, books, a vase of flowers."""
    x, y = 0.05, 0.95
    shape.place(x, y, 0.006, turn=8)
    shape.face([(-1.45, -0.98, 0), (1.45, -0.98, 0), (1.45, 0.98, 0), (-1.45, 0.98, 0)], "rug",
               uv=[(0, 1), (0, 0), (1, 0), (1, 1)])
    shape.place(x, y, 0, turn=8)
    props.table(shape)
    for dx, dy, turn in ((-0.35, -0.62, 12), (0.52, -0.78, -34), (0.30, 0.72, 176)):
        shape.place(x + dx, y + dy, 0.01, turn=turn)
        props.chair(shape)
    top = 0.74
    shape.place(x - 0.52, y + 0.1, top, turn=-20)
    props.desk_lamp(shape)
    stage.lamp(scene, "POINT", at=(x - 0.285, y + 0.015, top + 0.36), power=22,
               color=(1.0, 0.62, 0.28), size=0.05)
    shape.place(x + 0.2, y + 0.02, top)
    shape.lathe([(0.0, 0), (0.06, 0), (0.13, 0.05), (0.16, 0.085), (0.152, 0.085), (0.11, 0.04),
                 (0.0, 0.02)], (0, 0, 0), "glaze", sides=28)
    for dx, dy, dz in ((-0.05, 0, 0.075), (0.05, 0.03, 0.075), (0.0, -0.055, 0.075), (0, 0.01, 0.14)):
        ball = [(0.042 * (1 - (n / 4 - 1) ** 2) ** 0.5, 0.042 * (n / 4 - 1)) for n in range(9)]
        shape.lathe(ball, (dx, dy, dz), "fruit", sides=14)
    shape.place(x - 0.02, y - 0.2, top)
    for n, (turn, color) in enumerate(((6, 0), (-11, 1), (17, 3))):
        z = n * 0.034
        tint = props.BOOK_COLORS[color]
        shape.box((0, 0, z + 0.017), (0.25, 0.18, 0.034), "cover", turn=(0, 0, turn), tint=tint)
        shape.box((0.003, -0.004, z + 0.017), (0.25, 0.18, 0.024), "pages", turn=(0, 0, turn))
    shape.place(x + 0.45, y - 0.15, top, turn=40)
    props.mug(shape, "white")
    shape.place(x + 0.5, y + 0.2, top)
    shape.lathe([(0.0, 0), (0.05, 0), (0.075, 0.07), (0.05, 0.17), (0.03, 0.21), (0.042, 0.24),
                 (0.036, 0.24), (0.022, 0.2)], (0, 0, 0), "glaze")
    props.bush(shape, base=0.22, stems=9, height=0.34, leaf=0.07, spread=0.2, per_stem=4)
    props.bush(shape, base=0.26, stems=7, height=0.36, leaf=0.05, spread=0.2, key="flower",
               per_stem=3)


def _shelf_group(shape: Shape, scene: bpy.types.Scene) -> None:
    """An open shelf of books and pots before the brick wall, a bench under the posters."""
    x, y = -0.35, 2.98
    shape.place(x, y, 0)
    props.shelf(shape, width=1.5, height=1.84, levels=4)
    for level, start, length in ((0, -0.7, 0.8), (1, -0.7, 1.4), (2, -0.15, 0.85), (3, -0.7, 0.75)):
        shape.place(x + start, y - 0.02, max(level * 0.46, 0.05) + 0.014)
        props.books(shape, length, tallest=0.36)
    for dx, level, radius, key in ((0.40, 0, 0.12, "clay"), (-0.45, 2, 0.10, "glaze"),
                                   (0.35, 3, 0.09, "clay"), (0.55, 3, 0.07, "white"),
                                   (-0.4, 4, 0.10, "clay"), (0.2, 4, 0.08, "glaze")):
        shape.place(x + dx, y - 0.02, max(level * 0.46, 0.05) + 0.013)
        props.pot(shape, radius=radius, height=radius * 1.5, key=key)
        if level in (2, 4):
            props.bush(shape, base=radius * 1.3, stems=8, height=0.3, leaf=0.08, spread=0.22,
                       per_stem=6)
    shape.place(-2.62, 0.7, 0, turn=90)
    for n in range(3):
        shape.box((0, (n - 1) * 0.125, 0.43), (1.7, 0.115, 0.035), "oak")
    for side in (-1, 1):
        for end in (-1, 1):
            shape.tube([(side * 0.72, end * 0.12, 0.42), (side * 0.78, end * 0.15, 0)], 0.018, "iron")
    shape.place(-2.62, 0.2, 0.45, turn=80)
    shape.box((0, 0, 0.02), (0.3, 0.22, 0.04), "cover", tint=(0.5, 0.1, 0.06))
    shape.place(-2.6, 1.2, 0.45)
    props.pot(shape, radius=0.13, height=0.2, key="glaze")
    props.strap_plant(shape, base=0.18, leaves=26, length=0.5, width=0.035)


def _plants(shape: Shape, scene: bpy.types.Scene) -> None:
    """Pots on the ground: two near the camera, the others along the walls."""
    for x, y, radius, height in ((1.55, -0.75, 0.24, 0.40), (-1.55, -0.35, 0.22, 0.36),
                                 (2.1, 2.2, 0.26, 0.42), (0.75, 2.75, 0.18, 0.28),
                                 (-1.12, 2.75, 0.16, 0.26)):
        shape.place(x, y, 0)
        props.pot(shape, radius=radius, height=height)
    shape.place(1.55, -0.75, 0)
    props.strap_plant(shape, base=0.36, leaves=46, length=0.95, width=0.075)
    shape.place(-1.55, -0.35, 0)
    props.bush(shape, base=0.32, stems=22, height=0.85, leaf=0.17, spread=0.45, per_stem=9)
    shape.place(2.1, 2.2, 0)
    props.bush(shape, base=0.38, stems=24, height=1.2, leaf=0.15, spread=0.5, per_stem=10)
    shape.place(0.75, 2.75, 0)
    props.bush(shape, base=0.25, stems=14, height=0.5, leaf=0.10, spread=0.25, per_stem=7)
    props.bush(shape, base=0.3, stems=12, height=0.5, leaf=0.055, spread=0.3, key="flower",
               per_stem=5)
    shape.place(-1.12, 2.75, 0)
    props.strap_plant(shape, base=0.24, leaves=30, length=0.6, width=0.05)


def _garden(shape: Shape, scene: bpy.types.Scene) -> None:
    """What lies beyond the railing: grass, a hedge with a dark heart, a far ridge."""
    shape.box((28, 20, -0.16), (49, 70, 0.1), "grass", grain=False)
    rng = shape.rng
    for n in range(34):
        x, y = 5.6 + rng.uniform(-0.3, 0.5) + n * 0.12, -1.5 + n * 0.5
        tall = 1.5 + 0.5 * math.sin(n * 1.7) + rng.uniform(0.0, 0.5)
        heart = [(0.0, -0.1), (0.42, 0.2), (0.5, tall * 0.6), (0.3, tall * 0.9), (0.0, tall)]
        shape.lathe(heart, (x, y, 0), "thicket", sides=9)
        props.leafage(shape, rng, count=150, low=(x - 0.62, y - 0.62, 0.0),
                      high=(x + 0.62, y + 0.62, tall + 0.15), leaf=0.2)
    rows, uv = [], []
    for k, (near, high) in enumerate(((40.0, 0.0), (46.0, 3.5), (56.0, 6.5), (70.0, 4.0))):
        angles = [math.radians(-20 + 130 * n / 40) for n in range(41)]
        rows.append([(near * math.cos(a), near * math.sin(a),
                      high * (1 + 0.35 * math.sin(a * 7 + k) + 0.12 * math.sin(a * 23)))
                     for a in angles])
        uv.append([(a * near, near) for a in angles])
    shape.sheet(rows, "ridge", uv=uv)


def main(arguments: list[str]) -> int:
    """Write the demo as a .blend file."""
    parser = argparse.ArgumentParser(prog="demo_scene.py", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the .blend to write")
    parser.add_argument("--size", default="832x480", help="width x height in pixels")
    parser.add_argument("--frames", type=int, default=48, help="length at 24 fps")
    parser.add_argument("--samples", type=int, default=SAMPLES, help="Cycles samples a pixel")
    options = parser.parse_args(arguments)
    width, _, height = options.size.partition("x")
    if not (width.isdigit() and height.isdigit()):
        parser.error(f"--size {options.size!r} is not like 832x480")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    empty = bpy.context.scene
    build(size=(int(width), int(height)), frames=options.frames, samples=options.samples)
    bpy.data.scenes.remove(empty)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(options.out.resolve()), compress=True)
    return 0


if __name__ == "__main__":
    own = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    sys.exit(main(own))
