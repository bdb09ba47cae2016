"""Frame against true frame: PSNR, SSIM, sharpness, and how far the picture is out of place.

All of them compare display values (sRGB, 0 to 1) of the same frame.

    PSNR        -10 log10 of the mean squared error over all channels and pixels of a region, dB.
                The pixels of all frames are pooled before the logarithm, so a frame with a tiny
                hole weighs little. Equal pictures would give infinity: it ends at 100 dB.
    SSIM        Wang et al. 2004, Gaussian window of sigma 1.5, per channel (scikit-image); the
                mean of its map over a region. A window reaches 5 pixels over the border.
    sharpness   mean |Laplacian| of the luma of the take / of the truth. 1 is right, below is
                blurred, above is noise. PSNR rewards blur, so never read it without this one.
    offset      mean length in pixels of the optical flow (DIS) from the true frame to the take's.
                0 is in place; a frame that comes late is off by the motion of one frame. Where the
                content differs (unseen pixels) it means little.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
from skimage.metrics import structural_similarity

from .flow import measure_flow
from .values import REGIONS, Masks, Regional, Sums, ratio

PSNR_CAP = 100.0
SSIM_LEAST_SIDE = 11  # the Gaussian window: 2 * round(3.5 * 1.5) + 1
SHARPNESS_FLOOR = 1 / 255  # mean |Laplacian| that rounding to 8 bit makes in a flat picture

_LUMA = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)  # ITU-R BT.709


def luma(image: np.ndarray) -> np.ndarray:
    """Return the BT.709 luma (H, W) float32 of display values (H, W, 3)."""
    return image @ _LUMA


@dataclass(slots=True)
class PictureSums:
    """The sums behind the picture metrics, of one frame or of many."""

    squared_error: Sums = field(default_factory=Sums)
    similarity: Sums = field(default_factory=Sums)
    detail: Sums = field(default_factory=Sums)
    true_detail: Sums = field(default_factory=Sums)
    displacement: Sums = field(default_factory=Sums)

    @classmethod
    def of(cls, take: np.ndarray, truth: np.ndarray, masks: Masks) -> PictureSums:
        """Compare one frame (H, W, 3) float32 with the truth."""
        sums = cls()
        sums.squared_error.add(np.square(take - truth).mean(axis=-1), masks)
        if min(take.shape[:2]) >= SSIM_LEAST_SIDE:
            sums.similarity.add(_similarity(take, truth), masks)
        take_luma, true_luma = luma(take), luma(truth)
        sums.detail.add(_laplacian(take_luma), masks)
        sums.true_detail.add(_laplacian(true_luma), masks)
        flow = measure_flow(true_luma, take_luma)
        if flow is not None:
            sums.displacement.add(np.linalg.norm(flow, axis=-1), masks)
        return sums

    def merge(self, other: PictureSums) -> None:
        """Add another frame's sums."""
        self.squared_error.merge(other.squared_error)
        self.similarity.merge(other.similarity)
        self.detail.merge(other.detail)
        self.true_detail.merge(other.true_detail)
        self.displacement.merge(other.displacement)

    def psnr(self) -> Regional:
        """Return the PSNR in dB, at most `PSNR_CAP`."""
        error = self.squared_error.mean()
        return Regional.of({region: _decibels(error.get(region)) for region in REGIONS})

    def ssim(self) -> Regional:
        """Return the mean SSIM."""
        return self.similarity.mean()

    def sharpness(self) -> Regional:
        """Return the sharpness of the take / that of the truth."""
        return ratio(self.detail.mean(), self.true_detail.mean(), floor=SHARPNESS_FLOOR)

    def offset(self) -> Regional:
        """Return the mean displacement against the truth in pixels."""
        return self.displacement.mean()


def _decibels(error: float | None) -> float | None:
    if error is None:
        return None
    return min(PSNR_CAP, -10 * math.log10(error)) if error > 0 else PSNR_CAP


def _similarity(take: np.ndarray, truth: np.ndarray) -> np.ndarray:
    _, similarity = structural_similarity(
        truth,
        take,
        full=True,
        data_range=1.0,
        channel_axis=-1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    return similarity.mean(axis=-1)


def _laplacian(values: np.ndarray) -> np.ndarray:
    return abs(cv2.Laplacian(values, cv2.CV_32F, ksize=1, borderType=cv2.BORDER_REPLICATE))
