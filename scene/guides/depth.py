"""Depth: planar z at pixel centres, in metres, 1e10 where nothing is hit."""

from .guide import Guide

DEPTH = Guide(name="depth", passes=("use_pass_z",), in_metres=True)
