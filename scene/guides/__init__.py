"""The guides that a capture can make: one file a guide, one line in GUIDES."""

from .depth import DEPTH
from .flow import FLOW
from .guide import Guide
from .lock import LOCK

GUIDES = (DEPTH, FLOW, LOCK)

__all__ = ["DEPTH", "FLOW", "GUIDES", "LOCK", "Guide"]
