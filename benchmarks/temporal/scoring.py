"""The score's own numbers (`backend.score`) for frames in memory, in unseen pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backend.score.flicker import ANCHORS, Flicker, spread
from backend.score.motion import WARP_FLOOR, MotionSums, PairGeometry
from backend.score.patches import MOST, PatchSets, draw_patches, patch_distance
from backend.score.picture import PictureSums, luma
from backend.score.regions import StillView, label, masks_of
from backend.score.values import ratio
from backend.score.visibility import Surface

from .clips import Clip

_PATCHES = MOST // 128  # a frame


@dataclass(frozen=True, slots=True)
class Score:
    """What the frames of one clip give, to be pooled.

    Attributes:
        pictures: Sums against the truth.
        patches: Of each frame, beside the truth's.
        motion: Sums of neighbours.
        flicker: Mean deviation in 8-bit levels, None where no unseen point is found twice.
    """

    pictures: PictureSums
    patches: tuple[PatchSets, ...]
    motion: MotionSums
    flicker: float | None


@dataclass(frozen=True, slots=True)
class Numbers:
    """Of unseen pixels; None where there are too few.

    In dB; take / truth; 8-bit levels; take / truth; take / truth.
    """

    psnr: float | None
    sharpness: float | None
    patches: float | None
    e_warp: float | None
    flicker: float | None


class Judge:
    """Scores takes of one clip.

    Attributes:
        truth: What the true frames themselves get.
    """

    def __init__(self, clip: Clip) -> None:
        still = StillView(clip.cameras[0], Surface.of(clip.depths[0]), None)
        self._depths, self._cameras = clip.depths[1:], clip.cameras[1:]
        self._labels = [
            label(depth, camera, [still], moving=None)
            for depth, camera in zip(self._depths, self._cameras, strict=True)
        ]
        self._pairs = [
            PairGeometry.of(
                (self._depths[number], self._depths[number + 1]),
                (self._cameras[number], self._cameras[number + 1]),
                (self._labels[number], self._labels[number + 1]),
            )
            for number in range(len(self._depths) - 1)
        ]
        truth = clip.truth.transpose(0, 2, 3, 1)
        self._truth = _pictures(truth)
        (self.truth,) = self.score([truth])

    def score(self, takes: Sequence[np.ndarray]) -> list[Score]:
        """Score takes, each (N, H, W, 3) uint8."""
        pictures = [_pictures(take) for take in takes]
        flickers = self._flickers(pictures)
        return [self._score(*both) for both in zip(pictures, flickers, strict=True)]

    def _score(self, take: np.ndarray, flicker: float | None) -> Score:
        size = take.shape[2], take.shape[1]
        pictures, motion, patches = PictureSums(), MotionSums(), []
        for number, (own, true) in enumerate(zip(take, self._truth, strict=True)):
            masks = masks_of(self._labels[number], size)
            pictures.merge(PictureSums.of(own, true, masks))
            patches.append(draw_patches(luma(own), luma(true), masks, most=_PATCHES, seed=number))
        for number, pair in enumerate(self._pairs):
            motion.merge(MotionSums.of(take[number], take[number + 1], pair))
        return Score(pictures, tuple(patches), motion, flicker)

    def _flickers(self, takes: Sequence[np.ndarray]) -> list[float | None]:
        names = [str(number) for number in range(len(takes))]
        anchors = spread(range(len(self._depths)), ANCHORS)
        flicker = Flicker([(self._depths[n], self._cameras[n]) for n in anchors], clips=names)
        frames = zip(self._depths, self._cameras, self._labels, strict=True)
        for number, (depth, camera, labels) in enumerate(frames):
            pictures = {name: take[number] for name, take in zip(names, takes, strict=True)}
            flicker.add(pictures, depth=depth, camera=camera, labels=labels)
        return [flicker.deviation(name).unseen for name in names]


def pool(scores: Sequence[Score], truths: Sequence[Score]) -> Numbers:
    """Return the numbers of several clips together.

    Args:
        scores: Of a take of each clip.
        truths: What the truth of each gets.
    """
    pictures, motion, true_motion = PictureSums(), MotionSums(), MotionSums()
    for score, truth in zip(scores, truths, strict=True):
        pictures.merge(score.pictures)
        motion.merge(score.motion)
        true_motion.merge(truth.motion)
    warp = ratio(motion.warp_error.mean(), true_motion.warp_error.mean(), floor=WARP_FLOOR)
    both = [
        (score.flicker, truth.flicker)
        for score, truth in zip(scores, truths, strict=True)
        if score.flicker is not None
    ]
    own, true = np.sum(both, axis=0) if both else (0.0, 0.0)
    return Numbers(
        psnr=pictures.psnr().unseen,
        sharpness=pictures.sharpness().unseen,
        patches=patch_distance([frame for score in scores for frame in score.patches]).unseen,
        e_warp=warp.unseen,
        flicker=float(own / true) if true else None,
    )


def _pictures(frames: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(frames).astype(np.float32) / 255
