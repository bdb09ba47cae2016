"""Is the take honest about what it made up: its mask against the true unseen pixels.

Both are means of the mask's value (0 to 1, so a soft seam counts by its share) over a region:

    recall    where the surface is unseen; 1 is right. Less means that made-up or stretched pixels
              are passed off as the still's.
    excess    where the surface is seen; 0 is right. More throws away what is known.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .values import SEEN, UNSEEN, Masks, Sums


@dataclass(slots=True)
class MaskSums:
    """The sums behind recall and excess, of one frame or of many."""

    generated: Sums = field(default_factory=Sums)

    @classmethod
    def of(cls, mask: np.ndarray, masks: Masks) -> MaskSums:
        """Compare a take's mask (H, W), 0 to 1, with the regions of its frame."""
        sums = cls()
        sums.generated.add(mask, masks)
        return sums

    def merge(self, other: MaskSums) -> None:
        """Add another frame's sums."""
        self.generated.merge(other.generated)

    def recall(self) -> float | None:
        """Return the recall, None when no pixel is known to be unseen."""
        return self.generated.mean().get(UNSEEN)

    def excess(self) -> float | None:
        """Return the excess, None when no pixel is known to be seen."""
        return self.generated.mean().get(SEEN)
