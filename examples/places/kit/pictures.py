"""Images drawn in plain Python and packed into the file: posters and a rug."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable

import bpy

from .shape import Color

Painter = Callable[[float, float], tuple[float, ...]]


def draw(name: str, size: tuple[int, int], painter: Painter) -> bpy.types.Image:
    """Return an sRGB image of `painter(u, v)`, with u to the right and v up, both 0 to 1.

    The painter returns a colour, or a colour and its alpha.

    It is packed, because a copy of the file loses the pixels of an image that was never saved.
    """
    width, height = size
    pixels = array("f")
    for y in range(height):
        for x in range(width):
            painted = painter((x + 0.5) / width, (y + 0.5) / height)
            pixels.extend(painted if len(painted) == 4 else (*painted, 1.0))
    image = bpy.data.images.new(name, width, height, alpha=True)
    image.pixels.foreach_set(pixels)
    image.update()
    image.pack()
    return image


def _mix(a: Color, b: Color, t: float) -> Color:
    return tuple(x + (y - x) * t for x, y in zip(a, b, strict=True))


def _speckle(u: float, v: float) -> float:
    """Return a repeatable 0..1 value that looks like paper grain."""
    return math.modf(abs(math.sin(u * 127.1 + v * 311.7) * 43758.5))[0]


def hills(u: float, v: float) -> Color:
    """Paint a sun behind four ridges, inside a paper margin with a line of lettering."""
    paper = (0.93, 0.89, 0.80)
    if not (0.07 < u < 0.93 and 0.16 < v < 0.95):
        lettering = 0.075 < v < 0.105 and 0.2 < u < 0.8 and math.sin(u * 130) > -0.3
        return (0.2, 0.17, 0.18) if lettering else paper
    color = _mix((0.98, 0.80, 0.50), (0.20, 0.45, 0.55), (v - 0.16) / 0.79)
    if math.hypot((u - 0.62) * 0.75, v - 0.66) < 0.13:
        color = (0.93, 0.36, 0.20)
    ridges = (
        (0.56, 3.0, 0.06, (0.62, 0.42, 0.45)),
        (0.46, 5.0, 0.05, (0.42, 0.28, 0.40)),
        (0.36, 4.0, 0.06, (0.22, 0.20, 0.34)),
        (0.25, 7.0, 0.03, (0.09, 0.12, 0.22)),
    )
    for base, waves, high, ridge in ridges:
        line = base + high * math.sin(u * waves + base * 40) + 0.012 * math.sin(u * 41 + base * 9)
        if v < line:
            color = ridge
    return _mix(color, paper, 0.10 * _speckle(u, v))


def circles(u: float, v: float) -> Color:
    """Paint overlapping half circles on a grid, four colours by place."""
    paper = (0.90, 0.87, 0.78)
    if not (0.06 < u < 0.94 and 0.05 < v < 0.95):
        return paper
    x, y = (u - 0.06) / 0.88 * 4, (v - 0.05) / 0.9 * 6
    column, row = int(x), int(y)
    inks = ((0.85, 0.30, 0.16), (0.10, 0.32, 0.42), (0.93, 0.68, 0.20), (0.16, 0.16, 0.20))
    ink, back = inks[(column * 3 + row * 5) % 4], inks[(column + row * 2 + 1) % 4]
    a, b = x - column, y - row
    if (column + row) % 2:
        a, b = b, a
    near = math.hypot(a - 0.5, b)
    color = ink if near < 0.5 else back if (column * row) % 3 == 0 else paper
    if near < 0.22:
        color = paper
    return _mix(color, paper, 0.08 * _speckle(u, v))


def botanic(u: float, v: float) -> Color:
    """Paint a fern as in an old plate: a stem, paired leaflets, a caption line."""
    paper = _mix((0.90, 0.86, 0.72), (0.80, 0.72, 0.55), 0.5 * _speckle(u * 3, v * 2) * v)
    if 0.05 < v < 0.065 and 0.3 < u < 0.7 and math.sin(u * 160) > -0.4:
        return (0.30, 0.24, 0.18)
    bend = 0.5 + 0.08 * math.sin(v * 3.2)
    if 0.12 < v < 0.92 and abs(u - bend) < 0.010:
        return (0.16, 0.26, 0.12)
    for n in range(11):
        base, reach = 0.2 + n * 0.064, 0.36 * (1 - n / 14)
        for side in (-1, 1):
            x = (u - 0.5 - 0.08 * math.sin(base * 3.2)) * side
            if 0 < x < reach:
                rise = v - base - x * 0.45
                half = 0.026 * math.sin(math.pi * x / reach) ** 0.7
                if abs(rise) < half:
                    return (0.12, 0.30, 0.14) if rise > 0 else (0.22, 0.42, 0.18)
    return paper


def spray(u: float, v: float) -> tuple[float, float, float, float]:
    """Paint a twig with leaves on both sides; between them it is clear."""
    middle = 0.5 + 0.06 * math.sin(v * 5)
    if abs(u - middle) < 0.014 and v < 0.8:
        return (0.30, 0.22, 0.12, 1.0)
    for n in range(7):
        base, side = 0.10 + n * 0.115, 1 if n % 2 else -1
        # Along the leaf and across it: each rises at its own angle from the twig.
        angle = math.radians(28 + 9 * math.sin(n * 2.1))
        x, y = (u - middle) * side * 0.75, v - base
        along = (x * math.cos(angle) + y * math.sin(angle)) / 0.36
        across = -x * math.sin(angle) + y * math.cos(angle)
        if 0 < along < 1 and abs(across) < 0.085 * math.sin(math.pi * along**0.8) ** 0.8:
            tone = 0.75 + 0.35 * along + (0.12 if across > 0 else 0.0)
            if abs(across) < 0.006:
                tone += 0.35
            return (0.30 * tone, 0.50 * tone, 0.15 * tone, 1.0)
    return (0.25, 0.40, 0.12, 0.0)


def rug(u: float, v: float) -> Color:
    """Weave a rug: border bands, a zigzag, and stepped diamonds in a dark red field."""
    red, navy, cream, ochre = (
        (0.48, 0.09, 0.08),
        (0.07, 0.11, 0.24),
        (0.86, 0.78, 0.62),
        (0.78, 0.47, 0.14),
    )
    edge = min(u * 0.66, (1 - u) * 0.66, v, 1 - v)
    weave = 0.85 + 0.25 * _speckle(round(u * 160), round(v * 240))
    if edge < 0.02:
        color = cream
    elif edge < 0.045:
        color = navy
    elif edge < 0.10:
        along = v if min(u, 1 - u) * 0.66 < min(v, 1 - v) else u * 0.66
        tooth = abs(math.modf(along * 18)[0] - 0.5) * 2
        color = ochre if (edge - 0.045) / 0.055 < tooth else navy
    elif edge < 0.115:
        color = cream
    else:
        x, y = abs(math.modf(u * 2 + 0.5)[0] - 0.5) * 0.66, abs(math.modf(v * 3 + 0.5)[0] - 0.5)
        step = math.floor((x * 1.4 + y) * 22)
        color = (red, red, cream, navy, ochre, navy, red, cream, red, navy, red)[min(step, 10)]
    return tuple(min(c * weave, 1.0) for c in color)
