"""What a family is given to make one window of a shot, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch

from ...wire import Camera
from ..card import Value
from .control import DepthRange

# Phases that families tell within a window, in their order, each with its share of a window's time.
PROJECTING, ENCODING, DENOISING = "projecting", "encoding", "denoising"
DECODING, COMPOSITING = "decoding", "compositing"
READING = "reading the words"
# Where it is needed, once for a model; no part of a card's phases.
ROUNDING = "rounding the weights"


@dataclass(frozen=True, slots=True)
class WindowFrame:
    """One frame of a window as it is known before it is made. Maps are on the CPU.

    Attributes:
        index: Of the shot's frame; the last of a window may be there several times.
        camera: In pixels of the model's picture.
        colour: (3, h, w) display values 0 to 1; grey where not `seen`.
        seen: (h, w) bool: pixels whose colour is known.
        free: (h, w) bool: pixels that may move, so that their colour holds for a still's own frame
            and, as far as a model needs it, for those right beside it.
        inverse: (h, w) inverse depth, 1 / m.
        kept: Whether the window before has made it, so that all of it is known.
        still: Whether a still is this very frame.
    """

    index: int
    camera: Camera
    colour: torch.Tensor
    seen: torch.Tensor
    free: torch.Tensor
    inverse: torch.Tensor
    kept: bool
    still: bool


@dataclass(frozen=True, slots=True)
class WindowTask:
    """One window to be made.

    Attributes:
        frames: As many as the model's rule wants.
        start: (3, h, w) display values of the first frame, holes filled from beside them: for
            models that begin with a whole picture.
        depth: The shot's range of depth; None for a model that is shown none.
        fps: Rate of these frames.
        seed: Of this window's random numbers.
        settings: A value for every setting of the card.
    """

    frames: tuple[WindowFrame, ...]
    start: torch.Tensor
    depth: DepthRange | None
    fps: float
    seed: int
    settings: Mapping[str, Value]

    def warn_of_start(self, report: Report) -> None:
        """Say that what is begun with is no still, for models that begin with a whole picture."""
        if not (self.frames[0].still or self.frames[0].kept):
            report.warn(
                "The first frame has no still, so the model begins with what the stills show of it,"
                " holes filled from beside them."
            )

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the model's picture."""
        height, width = self.frames[0].seen.shape
        return width, height


class Report(Protocol):
    """Where a family says how far a window is, and what its model was shown."""

    def progress(self, phase: str, done: int, total: int) -> None:
        """Say that `done` of `total` parts of `phase` are finished.

        Raises:
            Cancelled: stop now.
        """

    def shown(self, index: int, video: torch.Tensor, mask: torch.Tensor) -> None:
        """Tell what the model is shown of a frame: (3, h, w) 0 to 1, (1, h, w) 1 = to be made."""

    def preview(self, picture: torch.Tensor) -> None:
        """Show what is being made, (3, h, w) display values, small."""

    def record(self, name: str, value: object) -> None:
        """Keep something about how the take was made in its record, for people."""

    def warn(self, message: str) -> None:
        """Tell the artist one sentence."""


class Generator(Protocol):
    """A loaded model of a family, kept warm between jobs."""

    def read_words(self, prompt: str, negative: str, report: Report) -> None:
        """Take in the words of a job before its windows; only asked if the card `takes_prompt`."""

    def make(self, task: WindowTask, report: Report) -> torch.Tensor:
        """Return the frames (F, 3, h, w) of a window, display values 0 to 1, on the CPU.

        Raises:
            MemoryError, torch.OutOfMemoryError: there is not enough memory, however it is held.
        """

    def rest(self) -> None:
        """Give back what a job needed, whether it came to its end or not."""
