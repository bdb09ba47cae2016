"""The guides that a capture can make: one file a guide, one line in GUIDES."""

from .depth import DEPTH
from .flow import FLOW
from .guide import Guide

GUIDES = (DEPTH, FLOW)

__all__ = ["DEPTH", "FLOW", "GUIDES", "Guide"]
