"""The guides that a capture can make: one file a guide, one line in GUIDES."""

from .depth import DEPTH
from .flow import FLOW
from .guide import Guide
from .lock import LOCK

GUIDES = (DEPTH, FLOW, LOCK)

__all__ = ["DEPTH", "FLOW", "GUIDES", "LOCK", "Guide", "wanted"]


def wanted(*, flow: bool, lock: bool) -> list[Guide]:
    """Return the guides of a capture: depth, and those of the two others that are asked for."""
    left_out = [guide for guide, asked in ((FLOW, flow), (LOCK, lock)) if not asked]
    return [guide for guide in GUIDES if guide not in left_out]
