"""How far an installation is, told while it runs, and the wish to stop, asked between two steps."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator

_COLLECTING = re.compile(r"^(?:Collecting|Processing) ([\w.\-]+)")
_BYTES = re.compile(r"^Progress (\d+) of (\d+)$")
_UNPACKING = re.compile(r"^Installing collected packages: (.+)$")
# Of a step that downloads and unpacks.
_DOWNLOADING_SHARE = 0.7


class Progress:
    """What an installation tells; this one keeps it for whoever looks, from any thread.

    Attributes:
        text: What is being done, in words.
        share: How much of the whole is done, 0 to 1; it never falls.
        downloaded: Bytes that were downloaded so far.
        notes: What should be known afterwards, a sentence each.
    """

    def __init__(self) -> None:
        self.text = ""
        self.share = 0.0
        self.downloaded = 0
        self.notes: list[str] = []
        self._stop = threading.Event()
        self._step = ""
        self._begin = self._end = 0.0
        self._package = ""
        self._expected = 0.0
        self._before = 0
        self._now = 0

    @property
    def cancelled(self) -> bool:
        """Whether somebody has asked for the end."""
        return self._stop.is_set()

    def cancel(self) -> None:
        """Ask for the end."""
        self._stop.set()

    def note(self, sentence: str) -> None:
        """Say something that should be known afterwards."""
        self.notes.append(sentence)

    @contextlib.contextmanager
    def step(self, text: str, *, until: float, expected: float = 0.0) -> Iterator[None]:
        """Say that a step begins, and when it has ended.

        Args:
            text: what is done in it.
            until: how much of the whole is done after it, 0 to 1.
            expected: bytes it downloads, about.
        """
        self._step, self.text = text, text
        self._begin, self._end = self.share, until
        self._expected, self._before = expected, self.downloaded
        yield
        self.share = max(self.share, until)

    def line(self, line: str) -> None:
        """Take in a line that pip has printed."""
        if match := _COLLECTING.match(line):
            self._package, self._now = match[1].rstrip("."), 0
        elif match := _BYTES.match(line):
            now, size = int(match[1]), int(match[2])
            self.downloaded += max(now - self._now, 0)
            self._now = now
            self.text = f"{self._step}: {self._package}, {now / 1e6:.0f} of {size / 1e6:.0f} MB"
            if self._expected:
                done = (self.downloaded - self._before) / self._expected
                self._at(_DOWNLOADING_SHARE * min(done, 1.0))
        elif match := _UNPACKING.match(line):
            self.text = f"{self._step}: unpacking {match[1].count(',') + 1} packages"
            self._at(_DOWNLOADING_SHARE)

    def _at(self, share: float) -> None:
        self.share = max(self.share, self._begin + (self._end - self._begin) * share)
