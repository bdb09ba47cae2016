"""The way from three folders to a report: evaluate, name the numbers, say what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from .evaluate import (
    TAKE,
    TRUTH,
    Pairs,
    Singles,
    evaluate_flicker,
    evaluate_pairs,
    evaluate_singles,
)
from .footage import Footage
from .joins import LongShot, evaluate_joins, worst
from .motion import WARP_FLOOR, speed_warning
from .report import HIGHER, LOWER, ONE, FrameCounts, Metric, Report
from .values import ALL, REGIONS, SEEN, UNSEEN, Regional, ratio

NO_REGIONS = (
    "seen and unseen need the depth of the scored frames and of every still, which this shot does"
    " not have"
)
TOO_FEW = "too few such pixels in the frames that are scored"
TOO_SMALL = "the pictures are too small to measure it"
NO_PAIRS = "needs two neighbouring frames with known depth"
NO_TRUE_PAIRS = "needs two neighbouring frames with known depth, in the take and in the truth"
NO_TRACKS = "needs two frames with known depth that show the same surfaces"
NO_MOTION = "nothing there moves by more than half a pixel from one frame to the next"
NO_ENDS = "needs depth at the take's first and last frame, or true frames there"
NO_JOINS = "needs two windows and a few neighbouring frames inside them"
NO_MASK = "the take has no mask for these frames"


def score(shot: Path, take: Path, *, truth: Path) -> Report:
    """Score a take.

    Args:
        shot: Folder of the shot.
        take: Folder of the take: `frames/0001.png`, `mask/0001.png`, `take.json` (the last two
            may be missing, which the report says).
        truth: Folder with the true pictures, `frames/0001.png`; some may be missing.

    Raises:
        ShotError: the shot is not usable.
        TakeError: take or truth have no frames, none in common, one of another size, or one that
            cannot be read.
    """
    footage = Footage(shot, take, truth=truth)
    singles = evaluate_singles(footage)
    pairs = evaluate_pairs(footage)
    flicker = evaluate_flicker(footage)
    long_shot = evaluate_joins(footage)
    with_regions = sum(frame.seen is not None for frame in singles.per_frame)
    return Report(
        shot=footage.shot.name,
        model=None if footage.record is None else footage.record.model,
        size=footage.shot.size,
        frames=FrameCounts(
            shot=footage.shot.frames,
            take=len(footage.in_take),
            truth=len(footage.in_truth),
            scored=len(footage.scored),
            with_regions=with_regions,
            pairs=pairs.count,
            missing_in_take=_missing(footage),
        ),
        shares=singles.shares,
        metrics=_metrics(singles, pairs, flicker, long_shot, with_regions=with_regions > 0),
        per_frame=singles.per_frame,
        joins=() if long_shot is None else long_shot.joins,
        warnings=tuple(_warnings(footage, singles, pairs)),
    )


def _metrics(
    singles: Singles,
    pairs: Pairs,
    flicker: dict[str, Regional],
    long_shot: LongShot | None,
    *,
    with_regions: bool,
) -> dict[str, Metric]:
    """Name every number, its unit, which way is better, and why it is missing where it is."""

    def metric(
        label: str,
        unit: str,
        better: str,
        values: Regional,
        *,
        truth: Regional | None = None,
        missing: str = TOO_FEW,
        regions: Sequence[str] = REGIONS,
    ) -> Metric:
        nothing = all(values.get(region) is None for region in regions)
        reasons = {}
        for region in regions:
            if values.get(region) is None:
                unknown = region != ALL and not with_regions
                reasons[region] = NO_REGIONS if unknown else missing if nothing else TOO_FEW
        return Metric(label, unit, better, values, truth, reasons)

    pictures, motion = singles.pictures, pairs.motion
    true_motion = pairs.true_motion
    no_flow = TOO_SMALL if pairs.count else NO_PAIRS
    no_mask = TOO_FEW if singles.with_mask else NO_MASK
    warp = ratio(motion.warp_error.mean(), true_motion.warp_error.mean(), floor=WARP_FLOOR)
    recall, excess = Regional(unseen=singles.masks.recall()), Regional(seen=singles.masks.excess())
    metrics = {
        "psnr": metric("PSNR", "dB", HIGHER, pictures.psnr()),
        "ssim": metric("SSIM", "", HIGHER, pictures.ssim(), missing=TOO_SMALL),
        "sharpness": metric("sharpness", "of truth", ONE, pictures.sharpness()),
        "offset": metric("offset", "px", LOWER, pictures.offset(), missing=TOO_SMALL),
        "swd_full": metric("patches", "levels", LOWER, singles.full_size),
        "swd_half": metric("patches, half size", "levels", LOWER, singles.half_size),
        "e_warp": metric("E_warp", "of truth", ONE, warp, missing=NO_TRUE_PAIRS),
        "flicker": metric(
            "flicker", "levels", LOWER, flicker[TAKE], truth=flicker[TRUTH], missing=NO_TRACKS
        ),
        "flow_error": metric(
            "flow error",
            "px",
            LOWER,
            motion.flow_error.mean(),
            truth=true_motion.flow_error.mean() if pairs.with_truth else None,
            missing=no_flow,
        ),
        "speed": metric(
            "speed",
            "of camera",
            ONE,
            motion.speed(),
            truth=true_motion.speed() if pairs.with_truth else None,
            missing=NO_MOTION if motion.flow_error.weight[ALL] else no_flow,
        ),
        "mask_recall": metric(
            "mask recall", "share", HIGHER, recall, missing=no_mask, regions=(UNSEEN,)
        ),
        "mask_excess": metric(
            "mask excess", "share", LOWER, excess, missing=no_mask, regions=(SEEN,)
        ),
    }
    if long_shot is not None:
        compared = REGIONS if long_shot.against_truth else (SEEN,)
        drift = long_shot.drift
        metrics["drift"] = metric(
            "drift", "levels", LOWER, drift, missing=NO_ENDS, regions=compared
        )
        true_joins = worst(long_shot.true_joins) if long_shot.true_joins else None
        metrics["join"] = metric(
            "join", "of others", LOWER, worst(long_shot.joins), truth=true_joins, missing=NO_JOINS
        )
    return metrics


def _warnings(footage: Footage, singles: Singles, pairs: Pairs) -> Iterator[str]:
    """Yield a sentence for everything that makes the numbers mean less than they seem to."""
    missing = _missing(footage)
    if missing:
        yield (
            f"The take lacks {len(missing)} of the shot's {footage.shot.frames} frames"
            f" ({ranges(missing)}); generate it again to have it whole."
        )
    if footage.unexpected:
        yield (
            "The take holds pictures that are no frame of the shot"
            f" ({len(footage.unexpected)}, the first is '{footage.unexpected[0]}'); they are not"
            " scored."
        )
    if footage.record is None:
        yield "The take has no take.json, so nothing says what made it."
    elif not footage.is_of_this_shot:
        yield (
            "The take was made from another state of the shot than this one; generate it again"
            " before its numbers are trusted."
        )
    if 0 < singles.with_mask < len(footage.scored):
        yield (
            f"Only {singles.with_mask} of the {len(footage.scored)} scored frames have a mask;"
            " recall and excess are said of these."
        )
    truth = pairs.true_motion.speed().all if pairs.with_truth else None
    slow = speed_warning(pairs.motion.speed().all, truth)
    if slow is not None:
        yield slow


def _missing(footage: Footage) -> tuple[int, ...]:
    """Return the Blender frames that the take lacks."""
    present = set(footage.in_take)
    indices = range(footage.shot.frames)
    return tuple(footage.shot.frame(index) for index in indices if index not in present)


def ranges(frames: Sequence[int]) -> str:
    """Return sorted frame numbers in words: "1 to 3, 7, 9 to 12"."""
    parts: list[list[int]] = []
    for frame in frames:
        if parts and frame == parts[-1][-1] + 1:
            parts[-1].append(frame)
        else:
            parts.append([frame])
    return ", ".join(
        str(part[0]) if len(part) == 1 else f"{part[0]} to {part[-1]}" for part in parts
    )
