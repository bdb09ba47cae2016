"""Waiting for something to become so; imports nothing of Depthshot."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(true: Callable[[], object], *, seconds: float = 120.0) -> None:
    """Return when `true()` is; fail if that takes too long."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"still not: {true}"
        time.sleep(0.02)
