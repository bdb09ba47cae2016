"""Running a model on a shot without the rest of the product, and keeping what it gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from backend.errors import Cancelled
from backend.models.interface import Model, Request
from backend.reader import ShotReader
from backend.wire import read_shot, write_shot

Frame = tuple[np.ndarray, np.ndarray, np.ndarray | None]  # image, mask, depth


class Sink:
    """Keeps what a model gives; cancels at part `stop_at` of `phase`, of any phase for None."""

    def __init__(self, stop_at: int | None = None, phase: str | None = None) -> None:
        self.frames: dict[int, Frame] = {}
        self.warnings: list[str] = []
        self.steps: list[tuple[str, int, int]] = []
        self._stop_at, self._phase = stop_at, phase

    def progress(self, phase: str, done: int, total: int) -> None:
        self.steps.append((phase, done, total))
        if self._stop_at is not None and done >= self._stop_at and self._phase in (None, phase):
            raise Cancelled("stopped")

    def frame(
        self,
        index: int,
        *,
        image: np.ndarray,
        mask: np.ndarray,
        depth: np.ndarray | None = None,
    ) -> None:
        assert index not in self.frames
        self.frames[index] = (image, mask, depth)

    def warn(self, message: str) -> None:
        self.warnings.append(message)


def run(
    model: Model,
    folder: Path,
    *,
    seed: int = 0,
    finished: frozenset[int] = frozenset(),
    sink: Sink | None = None,
    **settings: object,
) -> Sink:
    """Let a model make the frames of a shot; return the sink that has them."""
    sink = sink or Sink()
    checked = model.card.check_settings(settings)
    model.generate(Request(ShotReader(folder), checked, seed, finished), sink)
    return sink


def change(folder: Path, **fields: object) -> None:
    """Replace fields of a shot on disk."""
    write_shot(replace(read_shot(folder), **fields), folder)
