"""Does the picture move as the camera says: neighbouring frames against the exact flow.

The exact flow of a pixel is where its true surface point lies in the next frame (depth and
cameras; `visibility.land`). Only pixels that the next frame shows as well count, so nothing that
gets hidden; nothing that moves by itself. In seen and unseen, all pixels that the next frame is
sampled at must lie in the same region too: on the rim of a hole a made-up pixel would be compared
with a known one, and the truth itself would fail.

    E_warp     mean squared difference between a frame and the next one carried back along the
               exact flow, bilinear (Lai et al. 2018, "Learning Blind Video Temporal Consistency"),
               as a ratio to the same of the truth. 1 is as steady as the truth, above flickers or
               swims, below is smoother than the truth (blur, or lights that do not move).
    flow error mean end-point error in pixels of the take's optical flow (DIS) against the exact
               flow. Read it beside the truth's own, which is the error of measuring.
    speed      measured flow projected on the exact flow, sum(m . e) / sum(e . e), over pixels that
               move by more than half a pixel. 1 follows the camera, 0 stands still.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np

from ..geometry import pixel_centres
from ..wire import Camera
from .flow import measure_flow
from .picture import luma
from .regions import MOVING_PIXEL, SEEN_PIXEL, UNSEEN_PIXEL
from .values import ALL, REGIONS, SEEN, UNSEEN, Masks, Regional, Sums
from .visibility import VISIBLE, Landing, Surface, land, sample, visibility, wholly_inside

WARP_FLOOR = 1 / 6 / 255**2  # squared difference that rounding two pictures to 8 bit makes
LEAST_MOTION = 0.5  # pixels
FROZEN, SLOW, FAST = 0.2, 0.75, 1.33


@dataclass(frozen=True, slots=True)
class PairGeometry:
    """Two neighbouring frames without their pictures.

    Attributes:
        landing: Where the first frame's pixels lie in the second.
        masks: The pixels that count, by region.
    """

    landing: Landing
    masks: Masks

    @classmethod
    def of(
        cls,
        depths: tuple[np.ndarray, np.ndarray],
        cameras: tuple[Camera, Camera],
        labels: tuple[np.ndarray | None, np.ndarray | None],
    ) -> PairGeometry:
        """Find the exact flow and the pixels that count.

        Args:
            depths: True planar depth (H, W) of both frames.
            cameras: Their cameras.
            labels: Their labels (`regions.label`), None where they cannot be had.
        """
        landing = land(depths[0], *cameras)
        valid = visibility(landing, Surface.of(depths[1])) == VISIBLE
        first, second = labels
        if first is None or second is None:
            return cls(landing, {ALL: valid})
        valid &= (first != MOVING_PIXEL) & wholly_inside(second != MOVING_PIXEL, landing)
        masks = {ALL: valid}
        for region, value in ((SEEN, SEEN_PIXEL), (UNSEEN, UNSEEN_PIXEL)):
            masks[region] = valid & (first == value) & wholly_inside(second == value, landing)
        return cls(landing, masks)


@dataclass(slots=True)
class MotionSums:
    """The sums behind the motion metrics of one clip, of one pair or of many."""

    warp_error: Sums = field(default_factory=Sums)
    flow_error: Sums = field(default_factory=Sums)
    along: Sums = field(default_factory=Sums)
    asked: Sums = field(default_factory=Sums)

    @classmethod
    def of(cls, first: np.ndarray, second: np.ndarray, pair: PairGeometry) -> MotionSums:
        """Measure two neighbouring pictures (H, W, 3) float32."""
        sums = cls()
        landing, masks = pair.landing, pair.masks
        difference = first - sample(second, landing)
        sums.warp_error.add(np.square(difference).mean(axis=-1), masks)
        measured = measure_flow(luma(first), luma(second))
        if measured is None:
            return sums
        height, width = first.shape[:2]
        exact = np.stack([landing.u, landing.v], axis=-1) - pixel_centres(width, height)
        sums.flow_error.add(np.linalg.norm(measured - exact, axis=-1), masks)
        asked = np.square(exact).sum(axis=-1)
        moves = asked > LEAST_MOTION**2  # False for NaN
        moving = {region: mask & moves for region, mask in masks.items()}
        sums.along.add((measured * exact).sum(axis=-1), moving)
        sums.asked.add(asked, moving)
        return sums

    def merge(self, other: MotionSums) -> None:
        """Add another pair's sums."""
        for part in fields(self):
            getattr(self, part.name).merge(getattr(other, part.name))

    def speed(self) -> Regional:
        """Return the speed against the camera's, None where the camera asks for no motion."""
        return Regional.of(
            {
                region: self.along.total[region] / self.asked.total[region]
                for region in REGIONS
                if self.asked.weight[region]
            }
        )


def speed_warning(take: float | None, truth: float | None) -> str | None:
    """Return the sentence about a take that does not move as its camera, None if it does.

    Args:
        take: Its speed over all pixels.
        truth: The truth's own, where known: what measuring makes of a right speed.
    """
    if take is None:
        return None
    speed = take / truth if truth is not None and truth > FROZEN else take
    if speed < FROZEN:
        return (
            f"The take stands still: its picture moves at {max(speed, 0.0):.0%} of the speed that"
            " the camera asks for; good numbers elsewhere mean little."
        )
    if not SLOW <= speed <= FAST:
        return (
            f"The take does not follow its camera: its picture moves at {speed:.0%} of the speed"
            " that the camera asks for."
        )
    return None
