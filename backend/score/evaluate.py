"""Three passes over the footage: single frames, pairs of neighbours, points of the world."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np

from .flicker import ANCHORS, Flicker, spread
from .footage import Footage
from .mask import MaskSums
from .motion import MotionSums, PairGeometry
from .patches import (
    LEAST,
    MOST,
    PatchSets,
    draw_patches,
    halve,
    halve_masks,
    patch_distance,
)
from .picture import PictureSums, luma
from .regions import EDGE_PIXEL, MOVING_PIXEL, SEEN_PIXEL, UNSEEN_PIXEL, masks_of
from .report import FrameScore
from .values import SEEN, UNSEEN, Regional

TAKE, TRUTH = "take", "truth"
MOST_PAIRS = 12  # pairs of a take whose truth has no neighbours; the motion metrics need no more

MOST_THREADS = 4  # each holds the pictures of a pair of frames

T = TypeVar("T")

_SHARES = {
    SEEN: SEEN_PIXEL,
    UNSEEN: UNSEEN_PIXEL,
    "edge": EDGE_PIXEL,
    "moving": MOVING_PIXEL,
}


@dataclass(frozen=True, slots=True)
class Singles:
    """What single frames give."""

    pictures: PictureSums
    masks: MaskSums
    full_size: Regional
    half_size: Regional
    shares: dict[str, float] | None
    per_frame: tuple[FrameScore, ...]
    with_mask: int


@dataclass(frozen=True, slots=True)
class _Single:
    """What one frame gives."""

    frame: FrameScore
    picture: PictureSums
    mask: MaskSums | None
    shares: dict[str, float] | None
    full_size: PatchSets
    half_size: PatchSets


def evaluate_singles(footage: Footage) -> Singles:
    """Compare every scored frame with the truth."""
    most = max(LEAST, MOST // len(footage.scored))
    frames = in_threads(partial(_single, footage, most_patches=most), footage.scored)
    pictures, generated = PictureSums(), MaskSums()
    masks = [frame.mask for frame in frames if frame.mask is not None]
    for frame in frames:
        pictures.merge(frame.picture)
    for mask in masks:
        generated.merge(mask)
    return Singles(
        pictures=pictures,
        masks=generated,
        full_size=patch_distance([frame.full_size for frame in frames]),
        half_size=patch_distance([frame.half_size for frame in frames]),
        shares=_mean_shares([frame.shares for frame in frames if frame.shares is not None]),
        per_frame=tuple(frame.frame for frame in frames),
        with_mask=len(masks),
    )


def _single(footage: Footage, index: int, *, most_patches: int) -> _Single:
    take, truth = footage.take_picture(index), footage.true_picture(index)
    labels, mask = footage.labels(index), footage.mask(index)
    regions = masks_of(labels, footage.shot.size)
    picture = PictureSums.of(take, truth, regions)
    generated = None if mask is None else MaskSums.of(mask, regions)
    shares = None if labels is None else _shares(labels)
    lumas = luma(take), luma(truth)
    halves = halve(lumas[0]), halve(lumas[1])
    return _Single(
        frame=FrameScore(
            frame=footage.shot.frame(index),
            psnr=picture.psnr(),
            ssim=picture.ssim(),
            sharpness=picture.sharpness(),
            offset=picture.offset(),
            mask_recall=None if generated is None else generated.recall(),
            mask_excess=None if generated is None else generated.excess(),
            seen=None if shares is None else shares[SEEN],
            unseen=None if shares is None else shares[UNSEEN],
        ),
        picture=picture,
        mask=generated,
        shares=shares,
        full_size=draw_patches(*lumas, regions, most=most_patches, seed=index),
        half_size=draw_patches(*halves, halve_masks(regions), most=most_patches, seed=index),
    )


@dataclass(slots=True)
class Pairs:
    """What pairs of neighbouring frames give; `true_motion` is empty unless `with_truth`."""

    count: int = 0
    with_truth: bool = False
    motion: MotionSums = field(default_factory=MotionSums)
    true_motion: MotionSums = field(default_factory=MotionSums)


def evaluate_pairs(footage: Footage) -> Pairs:
    """Compare neighbouring frames with the exact flow.

    Pairs of which the truth has both frames are taken; where it has no such pair, a few of the
    take's, for which there is no true value to compare with.
    """
    in_truth = set(footage.in_truth)
    usable = {
        index
        for index in footage.in_take
        if index not in footage.still_frames and footage.has_depth(index)
    }
    neighbours = [index for index in sorted(usable) if index + 1 in usable]
    with_truth = [index for index in neighbours if {index, index + 1} <= in_truth]
    chosen = with_truth or spread(neighbours, MOST_PAIRS)
    pairs = Pairs(count=len(chosen), with_truth=bool(with_truth))
    for own, true in in_threads(partial(_pair, footage, with_truth=pairs.with_truth), chosen):
        pairs.motion.merge(own)
        pairs.true_motion.merge(true)
    return pairs


def _pair(footage: Footage, index: int, *, with_truth: bool) -> tuple[MotionSums, MotionSums]:
    """Return what the take and the truth give for a frame and the next."""
    both = index, index + 1
    geometry = PairGeometry.of(
        tuple(footage.depth(each) for each in both),
        tuple(footage.camera(each) for each in both),
        tuple(footage.labels(each) for each in both),
    )
    own = MotionSums.of(*(footage.take_picture(each) for each in both), geometry)
    if not with_truth:
        return own, MotionSums()
    return own, MotionSums.of(*(footage.true_picture(each) for each in both), geometry)


def evaluate_flicker(footage: Footage) -> dict[str, Regional]:
    """Return the world-locked flicker of the take and of the truth over the scored frames."""
    known = [index for index in footage.scored if footage.has_depth(index)]
    anchors = [(footage.depth(index), footage.camera(index)) for index in spread(known, ANCHORS)]
    flicker = Flicker(anchors, clips=(TAKE, TRUTH))
    for index in known:
        flicker.add(
            {TAKE: footage.take_picture(index), TRUTH: footage.true_picture(index)},
            depth=footage.depth(index),
            camera=footage.camera(index),
            labels=footage.labels(index),
        )
    return {clip: flicker.deviation(clip) for clip in (TAKE, TRUTH)}


def in_threads(function: Callable[[int], T], indices: Sequence[int]) -> list[T]:
    """Return the results in order; numpy, scipy and OpenCV work outside Python's lock."""
    with ThreadPoolExecutor(max_workers=min(MOST_THREADS, os.cpu_count() or 1)) as pool:
        return list(pool.map(function, indices))


def _shares(labels: np.ndarray) -> dict[str, float]:
    return {name: float(np.mean(labels == value)) for name, value in _SHARES.items()}


def _mean_shares(shares: Sequence[dict[str, float]]) -> dict[str, float] | None:
    if not shares:
        return None
    return {name: float(np.mean([share[name] for share in shares])) for name in _SHARES}
