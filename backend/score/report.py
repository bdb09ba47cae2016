"""What the scorer found: numbers with their units, as JSON and as a table.

The JSON is stable: keys are added, never renamed; every number is finite or null.

    version         1
    shot, model     the shot's name; the card id in take.json, null without one
    size            [W, H]
    frames          shot, take, truth (numbers of frames there are), scored (in both, stills left
                    out), with_regions (scored ones whose seen and unseen pixels are known),
                    pairs (of neighbours, for the motion metrics), missing_in_take (Blender frames)
    shares          mean share of seen, unseen, edge and moving pixels in the scored frames, or null
    metrics         by key: label, unit, better ("higher", "lower", "1"), values {all, seen,
                    unseen}, truth {all, seen, unseen} or null (what the truth itself gets),
                    reasons {region: why its value is null; a region the metric is not
                    about has none}
    per_frame       frame, psnr, ssim, sharpness, offset {all, seen, unseen}, mask_recall,
                    mask_excess, seen and unseen (shares of the frame)
    joins           where one window of the take ends and the next begins: frame (the first behind
                    it), jump and ratio {all, seen, unseen} (`joins`); empty without windows
    warnings        sentences

The metrics `drift` and `join` are there only where the take was made in windows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .values import REGIONS, Regional

VERSION = 1
HIGHER, LOWER, ONE = "higher", "lower", "1"

_DIGITS = {"dB": 2, "px": 2, "levels": 2}  # after the point in the table; 3 for other units


@dataclass(frozen=True, slots=True)
class Metric:
    """One row: its values by region, those of the truth itself, and why some are missing."""

    label: str
    unit: str
    better: str
    values: Regional
    truth: Regional | None
    reasons: Mapping[str, str]

    def to_json(self) -> dict[str, object]:
        """Return the JSON object of this metric."""
        return {
            "label": self.label,
            "unit": self.unit,
            "better": self.better,
            "values": self.values.to_json(),
            "truth": None if self.truth is None else self.truth.to_json(),
            "reasons": dict(self.reasons),
        }


@dataclass(frozen=True, slots=True)
class FrameScore:
    """What can be said of one frame alone; `frame` is Blender's number."""

    frame: int
    psnr: Regional
    ssim: Regional
    sharpness: Regional
    offset: Regional
    mask_recall: float | None
    mask_excess: float | None
    seen: float | None
    unseen: float | None

    def to_json(self) -> dict[str, object]:
        """Return the JSON object of this frame."""
        return {
            "frame": self.frame,
            "psnr": self.psnr.to_json(),
            "ssim": self.ssim.to_json(),
            "sharpness": self.sharpness.to_json(),
            "offset": self.offset.to_json(),
            "mask_recall": self.mask_recall,
            "mask_excess": self.mask_excess,
            "seen": self.seen,
            "unseen": self.unseen,
        }


@dataclass(frozen=True, slots=True)
class Join:
    """The place between two windows; `frame` is Blender's number of the first behind it.

    Attributes:
        jump: How much the mean colour changes, in levels.
        ratio: That over the median jump between other neighbours.
    """

    frame: int
    jump: Regional
    ratio: Regional

    def to_json(self) -> dict[str, object]:
        """Return the JSON object of this join."""
        return {"frame": self.frame, "jump": self.jump.to_json(), "ratio": self.ratio.to_json()}


@dataclass(frozen=True, slots=True)
class FrameCounts:
    """How many frames there are of each kind, and which the take lacks (Blender frames)."""

    shot: int
    take: int
    truth: int
    scored: int
    with_regions: int
    pairs: int
    missing_in_take: tuple[int, ...]

    def to_json(self) -> dict[str, object]:
        """Return the JSON object of these counts."""
        return {
            "shot": self.shot,
            "take": self.take,
            "truth": self.truth,
            "scored": self.scored,
            "with_regions": self.with_regions,
            "pairs": self.pairs,
            "missing_in_take": list(self.missing_in_take),
        }


@dataclass(frozen=True, slots=True)
class Report:
    """The result of `score`; the module's docstring explains the JSON."""

    shot: str
    model: str | None
    size: tuple[int, int]
    frames: FrameCounts
    shares: Mapping[str, float] | None
    metrics: Mapping[str, Metric]
    per_frame: tuple[FrameScore, ...]
    joins: tuple[Join, ...]
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """Return the content of `score.json`."""
        return {
            "version": VERSION,
            "shot": self.shot,
            "model": self.model,
            "size": list(self.size),
            "frames": self.frames.to_json(),
            "shares": None if self.shares is None else dict(self.shares),
            "metrics": {key: metric.to_json() for key, metric in self.metrics.items()},
            "per_frame": [frame.to_json() for frame in self.per_frame],
            "joins": [join.to_json() for join in self.joins],
            "warnings": list(self.warnings),
        }

    def table(self) -> str:
        """Return the report as text for a terminal: one row a metric, truth's own in brackets."""
        head = ["metric", *REGIONS, "unit", "better"]
        rows = [head, *(_row(metric) for metric in self.metrics.values())]
        widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
        rows.insert(1, ["-" * width for width in widths])
        lines = [*self._headlines(), ""]
        lines += ["  ".join(_aligned(row, widths)).rstrip() for row in rows]
        if any(metric.truth is not None for metric in self.metrics.values()):
            lines.append("(in brackets: what the truth itself gets)")
        reasons = dict.fromkeys(
            reason for metric in self.metrics.values() for reason in metric.reasons.values()
        )
        lines += [f"-: {reason}" for reason in reasons]
        lines += [f"warning: {warning}" for warning in self.warnings]
        return "\n".join(lines)

    def _headlines(self) -> list[str]:
        counts, (width, height) = self.frames, self.size
        lines = [
            f"{self.shot or 'shot'}: {self.model or 'frames without take.json'},"
            f" {width} x {height}, {counts.scored} of {counts.shot} frames scored",
            f"frames: {counts.take} in the take, {counts.truth} in the truth,"
            f" {counts.pairs} pairs of neighbours",
        ]
        if self.shares is not None:
            shares = (f"{name} {share:.1%}" for name, share in self.shares.items())
            lines.append(f"pixels: {', '.join(shares)}")
        if self.joins:
            most = max(self.joins, key=lambda join: join.ratio.all or 0.0)
            frames = ", ".join(str(join.frame) for join in self.joins)
            lines.append(f"windows begin at {frames}; the join at {most.frame} shows most")
        return lines


def _row(metric: Metric) -> list[str]:
    digits = _DIGITS.get(metric.unit, 3)
    cells = []
    for region in REGIONS:
        value = metric.values.get(region)
        own = None if metric.truth is None else metric.truth.get(region)
        if value is None:
            cells.append("-" if region in metric.reasons else "")
        elif own is None:
            cells.append(f"{value:.{digits}f}")
        else:
            cells.append(f"{value:.{digits}f} ({own:.{digits}f})")
    return [metric.label, *cells, metric.unit, metric.better]


def _aligned(row: list[str], widths: list[int]) -> list[str]:
    last = len(REGIONS)
    return [
        cell.rjust(width) if 1 <= column <= last else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
