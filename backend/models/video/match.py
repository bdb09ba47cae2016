"""Colours of what a model made brought to those that are known.

A video model's colours drift from its stills by a few levels, differently in every window, which
shows as a step at every join and along every hole. What is known in a window (pixels that a still
shows, frames that the window before has made) says how far: one gain and one offset for each
channel, by least squares over known pixels, those far off left out. Of many a part is enough: two
numbers of a hundred thousand pixels are certain to far less than a level.
"""

from __future__ import annotations

import math

import torch

_ROUNDS = 3
_FAR = 2.5  # in deviations: what is farther from the line is another thing, not another colour
_FEWEST = 256  # known pixels from which there is something to go by
_ENOUGH = 100_000  # known pixels that are looked at
_GAIN = (0.7, 1.4)  # beyond these it is no drift of colours


def match_colours(made: torch.Tensor, known: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Return `made` with its colours brought to the known ones.

    Args:
        made: (F, 3, h, w) display values 0 to 1.
        known: (F, 3, h, w) display values, of which those `where` count.
        where: (F, h, w) bool.
    """
    count = int(where.sum())
    if count < _FEWEST:
        return made
    step = _step(count // _ENOUGH, made.shape[-1])
    chosen = where.flatten()[::step]
    result = torch.empty_like(made)
    for channel in range(3):
        x, y = (video[:, channel].flatten()[::step][chosen].double() for video in (made, known))
        gain, offset = _line(x, y)
        torch.add(made[:, channel] * gain, offset, out=result[:, channel])
    return result.clamp_(0.0, 1.0)


def _step(wanted: int, width: int) -> int:
    """Return every how many-th pixel is looked at, so that the rows' columns take turns."""
    step = max(wanted, 1)
    while math.gcd(step, width) > 1:
        step += 1
    return step


def _line(made: torch.Tensor, known: torch.Tensor) -> tuple[float, float]:
    """Return gain and offset from `made` (N,) to `known` (N,)."""
    fits = torch.ones_like(made, dtype=torch.bool)
    gain, offset = 1.0, 0.0
    for _ in range(_ROUNDS):
        x, y = made[fits], known[fits]
        spread = float(x.var(correction=0))
        slope = float(((x - x.mean()) * (y - y.mean())).mean()) / spread if spread > 1e-6 else 1.0
        gain = min(max(slope, _GAIN[0]), _GAIN[1])
        offset = float(y.mean() - gain * x.mean())
        away = (made * gain + offset - known).abs()
        bound = _FAR * float(away[fits].square().mean().sqrt())
        fits = away <= max(bound, 1e-4)
        if int(fits.sum()) < _FEWEST:
            break
    return gain, offset
