"""Arguments that several benchmarks take."""

from __future__ import annotations

import argparse


def count(text: str) -> int:
    """Return how many; for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 up")
    return int(text)
