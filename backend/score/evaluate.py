"""Three passes over the footage: single frames, pairs of neighbours, points of the world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .flicker import ANCHORS, Flicker, spread
from .footage import Footage
from .mask import MaskSums
from .motion import MotionSums, PairGeometry
from .patches import PatchStatistics
from .picture import PictureSums
from .regions import EDGE_PIXEL, MOVING_PIXEL, SEEN_PIXEL, UNSEEN_PIXEL, masks_of
from .report import FrameScore
from .values import Regional

TAKE, TRUTH = "take", "truth"
MOST_PAIRS = 12  # pairs of a take whose truth has no neighbours; the motion metrics need no more

_SHARES = {
    "seen": SEEN_PIXEL,
    "unseen": UNSEEN_PIXEL,
    "edge": EDGE_PIXEL,
    "moving": MOVING_PIXEL,
}


@dataclass(slots=True)
class Singles:
    """What single frames give."""

    pictures: PictureSums
    masks: MaskSums
    full_size: Regional
    half_size: Regional
    shares: dict[str, float] | None
    per_frame: tuple[FrameScore, ...]
    with_mask: int


def evaluate_singles(footage: Footage) -> Singles:
    """Compare every scored frame with the truth."""
    pictures, generated = PictureSums(), MaskSums()
    full_size = PatchStatistics(frames=len(footage.scored), halved=False)
    half_size = PatchStatistics(frames=len(footage.scored), halved=True)
    shares: list[dict[str, float]] = []
    per_frame: list[FrameScore] = []
    with_mask = 0
    for index in footage.scored:
        take, truth = footage.take_picture(index), footage.true_picture(index)
        labels, mask = footage.labels(index), footage.mask(index)
        regions = masks_of(labels, footage.shot.size)
        own = PictureSums.of(take, truth, regions)
        own_masks = MaskSums() if mask is None else MaskSums.of(mask, regions)
        with_mask += mask is not None
        pictures.merge(own)
        generated.merge(own_masks)
        full_size.add(take, truth, regions)
        half_size.add(take, truth, regions)
        share = {} if labels is None else _shares(labels)
        if share:
            shares.append(share)
        per_frame.append(
            FrameScore(
                frame=footage.shot.frame(index),
                psnr=own.psnr(),
                ssim=own.ssim(),
                sharpness=own.sharpness(),
                offset=own.offset(),
                mask_recall=own_masks.recall(),
                mask_excess=own_masks.excess(),
                seen=share.get("seen"),
                unseen=share.get("unseen"),
            )
        )
    return Singles(
        pictures=pictures,
        masks=generated,
        full_size=full_size.distance(),
        half_size=half_size.distance(),
        shares=_mean_shares(shares),
        per_frame=tuple(per_frame),
        with_mask=with_mask,
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
    pairs = Pairs(with_truth=bool(with_truth))
    for index in with_truth or spread(neighbours, MOST_PAIRS):
        geometry = PairGeometry.of(
            (footage.depth(index), footage.depth(index + 1)),
            (footage.camera(index), footage.camera(index + 1)),
            (footage.labels(index), footage.labels(index + 1)),
        )
        first, second = footage.take_picture(index), footage.take_picture(index + 1)
        pairs.count += 1
        pairs.motion.merge(MotionSums.of(first, second, geometry))
        if with_truth:
            first, second = footage.true_picture(index), footage.true_picture(index + 1)
            pairs.true_motion.merge(MotionSums.of(first, second, geometry))
    return pairs


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


def _shares(labels: np.ndarray) -> dict[str, float]:
    return {name: float(np.mean(labels == value)) for name, value in _SHARES.items()}


def _mean_shares(shares: Sequence[dict[str, float]]) -> dict[str, float] | None:
    if not shares:
        return None
    return {name: float(np.mean([share[name] for share in shares])) for name in _SHARES}
