"""The bars that the draft has to reach in unseen pixels, and whether it does."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

from .classical import CHEAT, CLASSICAL_FILLS

START = "draft, what its network starts from"
RANDOM, MEAN, SAMPLE = "draft, random weights", "draft, `mean`", "**draft, one sample**"

SAMPLE_BELOW = 2.0  # dB; a true sampler loses up to 3 against the mean
MEAN_ABOVE = 0.5  # dB
SHARPNESS = 0.7, 1.2
PATCHES_OF_CLASSICAL, PATCHES_OF_CHEAT = 0.7, 1.0
E_WARP, FLICKER = 1.3, 1.5


@dataclass(frozen=True, slots=True)
class Numbers:
    """What the score says of the unseen pixels of one take; nan where it cannot be said.

    Attributes:
        psnr: dB.
        sharpness: Mean |Laplacian|, take / truth.
        full: Patch distance at full resolution, 8-bit levels.
        half: The same at half resolution.
        e_warp: Take / truth.
        flicker: Take / truth.
    """

    psnr: float
    sharpness: float
    full: float
    half: float
    e_warp: float
    flicker: float

    @classmethod
    def of(cls, score: Mapping) -> Numbers:
        """Read the JSON of a report of `backend.score`."""
        unseen = {
            name: _number(metric["values"]["unseen"]) for name, metric in score["metrics"].items()
        }
        own = _number(score["metrics"]["flicker"]["truth"]["unseen"])
        return cls(
            psnr=unseen["psnr"],
            sharpness=unseen["sharpness"],
            full=unseen["swd_full"],
            half=unseen["swd_half"],
            e_warp=unseen["e_warp"],
            flicker=unseen["flicker"] / own,
        )

    @classmethod
    def mean(cls, several: list[Numbers]) -> Numbers:
        """Return the mean of each number."""
        return cls(
            *(
                sum(getattr(one, field.name) for one in several) / len(several)
                for field in fields(cls)
            )
        )

    @property
    def patches(self) -> float:
        """The worse of both patch distances."""
        return max(self.full, self.half)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One bar in one scene.

    Attributes:
        bar: What is asked for.
        value: What was reached.
        least: The bar, -inf where there is none below.
        most: The bar, +inf where there is none above.
        strict: Whether the bar itself misses.
    """

    bar: str
    value: float
    least: float = -math.inf
    most: float = math.inf
    strict: bool = False

    @property
    def limit(self) -> str:
        """The bar in words."""
        if math.isfinite(self.least) and math.isfinite(self.most):
            return f"{self.least:.2f} to {self.most:.2f}"
        if math.isfinite(self.least):
            return f"at least {self.least:.2f}"
        return f"{'below' if self.strict else 'at most'} {self.most:.2f}"

    @property
    def missed_by(self) -> float:
        """How far the value is outside, 0 or less when it is met; nan is missed by nan."""
        return max(self.least - self.value, self.value - self.most)

    @property
    def met(self) -> bool:
        """Whether the bar is reached."""
        return self.missed_by < 0 or (self.missed_by == 0 and not self.strict)


def verdicts(rows: Mapping[str, Numbers], *, imported: bool, unlocked: int) -> list[Verdict]:
    """Return a verdict for every bar of one scene.

    Args:
        rows: Numbers of the classical fills, the cheat, `MEAN` and `SAMPLE`.
        imported: Whether the models knew the still's depth alone; they cannot be steady then.
        unlocked: How many seen pixels differ from those of the projection.
    """
    sample, mean = rows[SAMPLE], rows[MEAN]
    psnr = max(rows[way].psnr for way in CLASSICAL_FILLS)
    patches = min(rows[way].patches for way in CLASSICAL_FILLS)
    found = [
        Verdict("PSNR, one sample", sample.psnr, least=psnr - SAMPLE_BELOW),
        Verdict("PSNR, `mean`", mean.psnr, least=psnr + MEAN_ABOVE),
        Verdict("sharpness, one sample", sample.sharpness, *SHARPNESS),
        Verdict(
            "patches / best classical fill's", sample.patches / patches, most=PATCHES_OF_CLASSICAL
        ),
        Verdict(
            "patches / the cheat's",
            sample.patches / rows[CHEAT].patches,
            most=PATCHES_OF_CHEAT,
            strict=True,
        ),
    ]
    if not imported:
        found += [
            Verdict("E_warp / truth's", sample.e_warp, most=E_WARP),
            Verdict("flicker / truth's", sample.flicker, most=FLICKER),
        ]
    return [*found, Verdict("locked pixels that differ", float(unlocked), most=0.0)]


def _number(value: float | None) -> float:
    return math.nan if value is None else value
