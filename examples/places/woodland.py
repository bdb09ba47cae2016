"""A path through a wood beside a broken wall: trunks, ferns and leaves at every depth."""

from __future__ import annotations

import math

import bpy

from .kit import plants, props, stage
from .kit.palette import Palette
from .kit.shape import Shape

SAMPLES = 8
CAMERA_PATH = (
    (-0.62, -3.60, 1.50),
    (-0.34, -3.22, 1.51),
    (-0.06, -2.86, 1.52),
    (0.20, -2.52, 1.52),
)
LOOK_PATH = ((0.35, 4.0, 1.25), (0.25, 4.0, 1.22))
# Trunks beside the path: x, y, radius, height.
TRUNKS = (
    (-1.75, -0.70, 0.15, 6.5),
    (1.85, 0.10, 0.18, 7.0),
    (-2.60, 1.30, 0.22, 7.5),
    (2.90, 2.30, 0.20, 7.0),
    (-1.35, 3.10, 0.13, 6.0),
    (0.95, 4.30, 0.12, 6.0),
    (-3.80, 4.20, 0.24, 8.0),
    (4.60, 5.00, 0.24, 8.0),
    (-0.60, 6.60, 0.17, 7.0),
    (2.40, 7.20, 0.20, 7.5),
    (-3.00, 7.90, 0.22, 8.0),
    (6.40, 8.20, 0.26, 8.5),
)


def build(
    *, size: tuple[int, int] = (832, 480), frames: int = 48, samples: int = SAMPLES
) -> bpy.types.Scene:
    """Add the woodland to the open file and return its scene.

    Args:
        size: Width and height in pixels.
        frames: Length at 24 fps. The camera's way is the same for any length.
        samples: Cycles samples a pixel, denoised.
    """
    scene = stage.new_scene("Woodland", size=size, frames=frames, samples=samples)
    stage.sky(scene, zenith=(0.30, 0.48, 0.80), horizon=(0.80, 0.86, 0.84), strength=1.0)
    stage.lamp(
        scene,
        "SUN",
        at=(-5, -4, 7),
        toward=(1, 3, 0),
        power=8.0,
        color=(1.0, 0.86, 0.62),
        size=0.012,
    )
    parts = (_ground, _trunks, _crowns, _undergrowth, _wall, _bench, _far_trees)
    stage.furnish(scene, parts, Palette())
    stage.camera(scene, path=CAMERA_PATH, look=LOOK_PATH, lens=30.0)
    return scene


def _height(x: float, y: float) -> float:
    """The ground: a worn path along Y, banks on both sides, small waves."""
    bank = 0.32 * (1 - math.exp(-((x - 0.25 * math.sin(y * 0.6)) ** 2) / 1.6))
    return bank + 0.05 * math.sin(x * 2.3 + y) + 0.04 * math.sin(y * 3.1 - x * 1.7)


def _ground(shape: Shape) -> None:
    """Leaf litter over the banks, stepping stones on the path."""
    columns, rows, uv = 60, [], []
    for n in range(61):
        y = -4.5 + 20.0 * n / 60
        line = [(-9 + 18.0 * m / columns, y) for m in range(columns + 1)]
        rows.append([(x, y, _height(x, y)) for x, y in line])
        uv.append(line)
    shape.sheet(rows, "litter", uv=uv)
    rng = shape.rng
    for n in range(13):
        y = -2.3 + n * 0.62
        x = 0.25 * math.sin(y * 0.6) + rng.uniform(-0.1, 0.1)
        radius, tone = rng.uniform(0.20, 0.30), rng.uniform(0.75, 1.1)
        stone = [(radius, -0.05), (radius, 0.03), (radius * 0.86, 0.05), (0.0, 0.055)]
        shape.lathe(stone, (x, y, _height(x, y)), "stone", sides=9, tint=(tone, tone, tone))


def _trunks(shape: Shape) -> None:
    """Trunks with roots and dead branches, a hollow one fallen across the bank."""
    rng = shape.rng
    for x, y, radius, tall in TRUNKS:
        foot, tone = _height(x, y) - 0.1, rng.uniform(0.75, 1.2)
        lean = rng.uniform(-0.3, 0.3), rng.uniform(-0.2, 0.2)
        spine = [
            (x + lean[0] * t * t, y + lean[1] * t * t, foot + tall * t) for t in (0, 0.04, 0.3, 1)
        ]
        widths = [radius * 1.7, radius * 1.15, radius, radius * 0.5]
        shape.tube(spine, widths, "bark", sides=14, tint=(tone, tone, tone))
        for n in range(4):
            angle, at = rng.uniform(0, 2 * math.pi), foot + rng.uniform(1.2, 3.2)
            reach = rng.uniform(0.4, 0.9)
            end = (x + reach * math.cos(angle), y + reach * math.sin(angle), at + 0.4 * reach)
            shape.tube([(x, y, at), end], [0.03, 0.007], "bark", sides=6)
            root = (x + 0.4 * math.cos(n * 1.6), y + 0.4 * math.sin(n * 1.6), foot)
            shape.tube([(x, y, foot + 0.2), root], [radius * 0.6, 0.03], "bark", sides=8)
    fallen = [(1.1, 2.5, 0.34), (2.0, 2.9, 0.42), (3.3, 3.1, 0.62)]
    shape.tube(fallen, [0.17, 0.16, 0.13], "bark", sides=14)


def _crowns(shape: Shape) -> None:
    """Branches of leaves that hang into the picture from above."""
    for x, y, _, _ in TRUNKS:
        plants.cards(
            shape,
            count=26,
            low=(x - 1.3, y - 1.0, 2.35),
            high=(x + 1.3, y + 1.0, 4.2),
            size=0.55,
        )
    plants.leafage(shape, count=160, low=(-2.6, -1.2, 2.0), high=(-1.0, -0.2, 2.9), leaf=0.11)
    plants.leafage(shape, count=160, low=(1.2, -0.4, 2.1), high=(2.6, 0.7, 3.0), leaf=0.11)


def _undergrowth(shape: Shape) -> None:
    """Ferns, bushes and grass along the path, thicker away from it."""
    rng = shape.rng
    for n in range(46):
        y = -1.6 + 9.4 * n / 46
        side = 1 if n % 2 else -1
        x = side * rng.uniform(0.75, 3.4)
        shape.place(x, y, _height(x, y) - 0.02)
        if n % 5 == 0:
            plants.bush(
                shape,
                base=0.0,
                stems=13,
                height=0.8,
                leaf=0.12,
                spread=0.45,
                per_stem=8,
                key="vine",
            )
        else:
            plants.strap_plant(
                shape, base=0.0, leaves=22, length=rng.uniform(0.35, 0.7), width=0.045, spread=1.3
            )
    for _ in range(150):
        x, y = rng.uniform(-3.2, 3.2), rng.uniform(-1.8, 6.0)
        if abs(x - 0.25 * math.sin(y * 0.6)) > 0.42:
            shape.place(x, y, _height(x, y) - 0.01)
            plants.strap_plant(shape, base=0.0, leaves=7, length=0.22, width=0.012, key="grass")


def _wall(shape: Shape) -> None:
    """What is left of a brick wall with an archway's foot, mossy stones before it."""
    rng = shape.rng
    for n in range(11):
        x, high = -4.6 + n * 0.62, 0.9 + 0.75 * abs(math.sin(n * 1.3)) + rng.uniform(0, 0.2)
        if n != 6:
            shape.box((x, 5.6, high / 2), (0.62, 0.34, high + 0.3), "brick", grain=False)
    for _ in range(16):
        x, y = rng.uniform(-3.4, 1.6), rng.uniform(4.7, 5.3)
        turn = (rng.uniform(-20, 20), rng.uniform(-20, 20), rng.uniform(0, 90))
        shape.box((x, y, _height(x, y) + 0.05), (0.235, 0.11, 0.078), "brick", turn=turn)


def _bench(shape: Shape) -> None:
    """A bench of planks with a book on it, a plate with a fern drawn on it on a post."""
    shape.place(-1.25, 1.1, _height(-1.25, 1.1) - 0.03, turn=62)
    for n in range(3):
        shape.box((0, (n - 1) * 0.125, 0.43), (1.1, 0.115, 0.035), "oak")
    for side in (-1, 1):
        shape.box((side * 0.45, 0, 0.21), (0.07, 0.32, 0.42), "oak")
    shape.place(-1.3, 1.0, _height(-1.25, 1.1) + 0.42, turn=30)
    props.book_pile(shape, (0, 6), twist=12)
    shape.place(1.12, 1.2, 0.1, turn=-14)
    shape.box((0, 0.03, 0.62), (0.08, 0.06, 1.25), "beam")
    shape.place(1.12, 1.18, 1.22, turn=-14)
    props.framed(shape, width=0.42, height=0.56, key="botanic")


def _far_trees(shape: Shape) -> None:
    """A dark edge of the wood with leaves before it."""
    for n in range(15):
        x, y = -10.5 + n * 1.5, 11.5 + 0.9 * math.sin(n * 2.1)
        tall = 5.0 + 1.4 * math.sin(n * 1.7)
        heart = [(0.3, 0.0), (1.0, 1.6), (0.8, tall * 0.7), (0.0, tall)]
        shape.lathe(heart, (x, y, 0), "thicket", sides=10)
        plants.cards(
            shape, count=26, low=(x - 1.1, y - 1.4, 0.2), high=(x + 1.1, y - 0.6, tall), size=0.9
        )
