"""Numbers by region: all pixels that count, the seen ones, the unseen ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

ALL, SEEN, UNSEEN = "all", "seen", "unseen"
REGIONS = (ALL, SEEN, UNSEEN)

Masks = Mapping[str, np.ndarray]
"""Boolean maps (H, W) by region; "seen" and "unseen" are left out where they are not known."""


@dataclass(frozen=True, slots=True)
class Regional:
    """One number for each region, None where it cannot be said."""

    all: float | None = None
    seen: float | None = None
    unseen: float | None = None

    @classmethod
    def of(cls, values: Mapping[str, float | None]) -> Regional:
        """Make one from a mapping of region names; a missing region is None."""
        return cls(*(values.get(region) for region in REGIONS))

    def get(self, region: str) -> float | None:
        """Return the number of a region."""
        return getattr(self, region)

    def to_json(self) -> dict[str, float | None]:
        """Return the JSON object of these numbers."""
        return {region: self.get(region) for region in REGIONS}


def _zeros() -> dict[str, float]:
    return dict.fromkeys(REGIONS, 0.0)


@dataclass(slots=True)
class Sums:
    """Sums over the pixels of each region, in float64, added to frame by frame."""

    total: dict[str, float] = field(default_factory=_zeros)
    weight: dict[str, float] = field(default_factory=_zeros)

    def add(self, values: np.ndarray, masks: Masks) -> None:
        """Add a map (H, W): each region's values, and the number of its pixels as weight."""
        for region, mask in masks.items():
            self.total[region] += float(values[mask].sum(dtype=np.float64))
            self.weight[region] += float(np.count_nonzero(mask))

    def merge(self, other: Sums) -> None:
        """Add the sums of another part."""
        for region in REGIONS:
            self.total[region] += other.total[region]
            self.weight[region] += other.weight[region]

    def mean(self) -> Regional:
        """Return total / weight, None where there is no weight."""
        return Regional.of(
            {
                region: self.total[region] / self.weight[region] if self.weight[region] else None
                for region in REGIONS
            }
        )


def ratio(take: Regional, truth: Regional, *, floor: float) -> Regional:
    """Return take / truth by region, with both raised to at least `floor` (> 0).

    The floor is what 8-bit rounding alone may cause: below it a quotient says nothing.
    """
    pairs = {region: (take.get(region), truth.get(region)) for region in REGIONS}
    return Regional.of(
        {
            region: None if own is None or true is None else max(own, floor) / max(true, floor)
            for region, (own, true) in pairs.items()
        }
    )
