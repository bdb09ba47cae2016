"""Frames a second as an exact fraction, as movie files keep them."""

from __future__ import annotations

from fractions import Fraction

# 24000 / 1001 is written 23.976, which is off by a millionth, and Blender's own value by less.
_NTSC_TOLERANCE = 5e-6
_FLOAT_TOLERANCE = 1e-7  # Blender keeps the base of a rate as a float32
_MOST_SIMPLE = 1000
_MOST = 1_000_000


def exact_rate(fps: float) -> Fraction:
    """Return the rate that `fps` stands for: 23.976 is 24000 / 1001, 12.5 is 25 / 2.

    Args:
        fps: Frames a second, above 0.
    """
    if fps == round(fps):
        return Fraction(round(fps))
    ntsc = Fraction(round(fps * 1.001) * 1000, 1001)
    if ntsc and abs(ntsc / Fraction(fps) - 1) < _NTSC_TOLERANCE:
        return ntsc
    simple = Fraction(fps).limit_denominator(_MOST_SIMPLE)
    if simple and abs(simple / Fraction(fps) - 1) < _FLOAT_TOLERANCE:
        return simple
    return Fraction(fps).limit_denominator(_MOST)
