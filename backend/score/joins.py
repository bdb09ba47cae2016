"""Takes that were made in windows: how far colours drift, and whether the joins can be told.

Windows are those in the take's record; a take that was made frame by frame has none, and none of
these numbers. All of them are about mean colours of a frame by region, in 8-bit levels.

    drift   of the first and of the last frame that is no still: mean colour of the take minus that
            of the truth. The mean of the channels' absolute change from first to last. Where the
            truth lacks one of the two, both are compared with what the still shows of their seen
            pixels, which carries no change of light. 0 is right.
    join    the jump from a window's last frame to the next one's first: how much the mean colour
            changes, the mean of the channels' absolute changes. It is divided by the median jump
            between neighbours inside windows (up to 48 of them, spread over the take), and the
            join that shows most counts. 1 cannot be told; the largest of many is a little above it
                    by chance, so read it beside the truth's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

import numpy as np

from .evaluate import in_threads
from .flicker import spread
from .footage import Footage
from .regions import masks_of
from .report import Join
from .values import REGIONS, SEEN, Masks, Regional, ratio
from .visibility import VISIBLE, Landing, land, sample, visibility

LEAST_PIXELS = 64  # of a region in each of two frames that are compared
LEAST_PAIRS = 3  # whose median says what an ordinary jump is
MOST_PAIRS = 48
JUMP_FLOOR = 0.05  # levels: what 8-bit rounding and a few changed pixels do to a mean

_Colours = Mapping[str, np.ndarray]
"""Mean colour (3,) by region, in levels; regions of too few pixels are left out."""


@dataclass(frozen=True, slots=True)
class LongShot:
    """What a take that was made in windows gives.

    Attributes:
        windows: How many there are.
        drift: In levels.
        against_truth: Whether the drift is compared with the truth, else with the still.
        joins: Those of which the take has both frames.
        true_joins: The same of the truth; none unless it has all their frames.
    """

    windows: int
    drift: Regional
    against_truth: bool
    joins: tuple[Join, ...]
    true_joins: tuple[Join, ...]


def worst(joins: Sequence[Join]) -> Regional:
    """Return the largest ratio of all joins by region."""
    largest: dict[str, float | None] = {}
    for region in REGIONS:
        values = [join.ratio.get(region) for join in joins]
        largest[region] = max((value for value in values if value is not None), default=None)
    return Regional.of(largest)


def evaluate_joins(footage: Footage) -> LongShot | None:
    """Measure drift and joins; None for a take whose record names no windows."""
    windows = footage.windows
    if not windows:
        return None
    drift, against_truth = _drift(footage)
    there = set(footage.in_take)
    joins = [index for index in windows[1:] if {index - 1, index} <= there]
    others = [
        index
        for index in footage.in_take
        if index - 1 in there
        and index not in windows
        and not footage.still_frames & {index - 1, index}
    ]
    true = set(footage.in_truth)
    in_truth = [index for index in others if {index - 1, index} <= true]
    known = all({index - 1, index} <= true for index in joins)
    return LongShot(
        windows=len(windows),
        drift=drift,
        against_truth=against_truth,
        joins=_joins(footage, joins, others, truth=False),
        true_joins=_joins(footage, joins, in_truth, truth=True) if known else (),
    )


def _joins(
    footage: Footage, joins: Sequence[int], others: Sequence[int], *, truth: bool
) -> tuple[Join, ...]:
    """Return the joins before frames `joins`, beside the neighbours before frames `others`."""
    others = spread(others, MOST_PAIRS) if joins else []
    behind = [*joins, *others]
    needed = sorted({frame for index in behind for frame in (index - 1, index)})
    means = in_threads(partial(_colours, footage, truth=truth), needed) if needed else []
    colours = dict(zip(needed, means, strict=True))
    jumps = {index: _jump(colours[index - 1], colours[index]) for index in behind}
    usual = Regional.of({region: _usual(jumps, others, region) for region in REGIONS})
    return tuple(
        Join(
            footage.shot.frame(index),
            jumps[index],
            ratio(jumps[index], usual, floor=JUMP_FLOOR),
        )
        for index in joins
    )


def _usual(jumps: Mapping[int, Regional], others: Sequence[int], region: str) -> float | None:
    values = [jumps[index].get(region) for index in others]
    known = [value for value in values if value is not None]
    return median(known) if len(known) >= LEAST_PAIRS else None


def _jump(before: _Colours, after: _Colours) -> Regional:
    """Return the mean absolute difference of two colours by region."""
    return Regional.of(
        {
            region: float(np.abs(after[region] - before[region]).mean())
            for region in REGIONS
            if region in before and region in after
        }
    )


def _drift(footage: Footage) -> tuple[Regional, bool]:
    """Return the drift, and whether it is compared with the truth."""
    made = [index for index in footage.in_take if index not in footage.still_frames]
    ends = made[0], made[-1]
    if set(ends) <= set(footage.in_truth):
        errors = []
        for index in ends:
            own, true = (_colours(footage, index, truth=truth) for truth in (False, True))
            errors.append({region: own[region] - true[region] for region in own})
        return _jump(*errors), True
    return _jump(*(_from_still(footage, index) for index in ends)), False


def _colours(footage: Footage, index: int, *, truth: bool) -> _Colours:
    """Return the mean colours of a frame of the take, or of the truth."""
    picture = footage.true_picture(index) if truth else footage.take_picture(index)
    return _means(picture, masks_of(footage.labels(index), footage.shot.size))


def _from_still(footage: Footage, index: int) -> _Colours:
    """Return the mean of the take minus what the first still that shows it has, of seen pixels."""
    labels, depth = footage.labels(index), footage.depth(index)
    if labels is None or depth is None or footage.stills is None:
        return {}
    error = np.zeros((*depth.shape, 3), np.float32)
    seen = masks_of(labels, footage.shot.size)[SEEN]
    left = seen.copy()
    picture = footage.take_picture(index)
    for position, still in enumerate(footage.stills):
        landing = land(depth, footage.camera(index), still.camera)
        shown = left & (visibility(landing, still.surface) == VISIBLE)
        error[shown] = (picture - _sampled(footage, position, landing))[shown]
        left &= ~shown
    return _means(error, {SEEN: seen & ~left})


def _sampled(footage: Footage, position: int, landing: Landing) -> np.ndarray:
    """Return the colours of a still, which may be larger than the shot, where points land."""
    pixels = footage.reader.still(position).pixels
    across, down = pixels.shape[1] / footage.shot.size[0], pixels.shape[0] / footage.shot.size[1]
    return sample(pixels, Landing(landing.u * across, landing.v * down, landing.inverse))


def _means(picture: np.ndarray, masks: Masks) -> _Colours:
    return {
        region: picture[mask].mean(axis=0, dtype=np.float64) * 255
        for region, mask in masks.items()
        if np.count_nonzero(mask) >= LEAST_PIXELS
    }
