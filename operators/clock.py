"""How far a generation is and how long the rest will take."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum

# Before this share is done, or this time has passed, an estimate would only jump about.
_LEAST_SHARE = 0.1
_LEAST_SECONDS = 5.0


class Stage(Enum):
    """A part of the work: what it is called, and where it begins and ends in the whole."""

    CAPTURE = ("Capturing", 0.0, 0.5)
    ATTACH = ("Starting the backend", 0.5, 0.52)
    SEND = ("Sending the shot", 0.52, 0.55)
    RUN = ("Making frames", 0.55, 0.95)
    FETCH = ("Fetching the take", 0.95, 0.97)
    LINEAR = ("Making EXR frames", 0.97, 0.99)
    LAND = ("Placing the take", 0.99, 1.0)

    def __init__(self, label: str, begin: float, end: float) -> None:
        self.label = label
        self.begin = begin
        self.end = end


class Clock:
    """What is being done, how much of the whole is done, and an estimate of the rest.

    Attributes:
        phase: What is being done, in words.
        share: How much of the whole is done, 0 to 1; it never falls.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self.phase = ""
        self.share = 0.0
        self._now = now
        self._began: float | None = None
        self._first = 0.0

    def at(self, stage: Stage, share: float, *, detail: str = "") -> None:
        """Say that `share` of a stage is done."""
        whole = stage.begin + (stage.end - stage.begin) * min(max(share, 0.0), 1.0)
        if self._began is None:
            self._began, self._first = self._now(), whole
        self.share = max(self.share, whole)
        self.phase = f"{stage.label}: {detail}" if detail else stage.label

    def seconds_left(self) -> float | None:
        """Return an estimate of the seconds left, None while there is nothing to tell it by."""
        if self._began is None:
            return None
        passed, done = self._now() - self._began, self.share - self._first
        if passed < _LEAST_SECONDS or done < _LEAST_SHARE:
            return None
        return passed * (1 - self.share) / done


def in_words(seconds: float | None) -> str:
    """Return a duration as a panel shows it: "about 40 s", "about 3 min", "" for unknown."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"about {max(1, round(seconds))} s"
    if seconds < 3600:
        return f"about {round(seconds / 60)} min"
    return f"about {seconds / 3600:.1f} h"
