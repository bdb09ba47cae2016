"""What a family of models is given and what it gives back.

A family is a folder here whose `__init__` holds `CARDS` (a tuple of `Card`) and
`load_model(card, *, device) -> Model`, which imports the pipeline late, so that cards can be read
without torch. (A function `load` would give way to a module `load` of the family, once imported.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from .card import Value

if TYPE_CHECKING:
    import numpy as np

    from ..reader import ShotReader


@dataclass(frozen=True, slots=True)
class Request:
    """One job for a loaded model.

    Attributes:
        shot: The shot with its pixels, decoded as they are asked for.
        settings: A value for every setting of the card, checked.
        seed: Seed of every random number of this job.
        finished: Indices whose frames exist already (from an attempt that was interrupted); the
            model may leave them out.
        bits: Bits a value of the frames it is to give, 8 or 16.
        read_frame: Returns the image of a finished frame by its index, as it was given to the sink.
    """

    shot: ShotReader
    settings: Mapping[str, Value]
    seed: int
    finished: frozenset[int] = frozenset()
    bits: int = 8
    read_frame: Callable[[int], np.ndarray] | None = None


class Sink(Protocol):
    """Where a model puts its frames and says how far it is."""

    def progress(
        self, phase: str, done: int, total: int, *, part: str = "", share: float | None = None
    ) -> None:
        """Say that `done` of `total` parts of `phase` are finished.

        To be called at least twice a second of work, before it begins as well: this is where a
        job is cancelled. `part` says in words which part of the job has come to this phase;
        `share` is how much of all the work is done, 0 to 1, without it the card's phases say so.

        Raises:
            Cancelled: stop now; what was given to `frame` is kept.
        """

    def frame(
        self,
        index: int,
        *,
        image: np.ndarray,
        mask: np.ndarray,
        depth: np.ndarray | None = None,
    ) -> None:
        """Take one finished frame; it may be written in the background.

        Args:
            index: 0-based output index.
            image: (H, W, 3), sRGB display values: uint8, or uint16 where `Request.bits` is 16.
            mask: (H, W) uint8; 255 = generated, 0 = from a still, between = share.
            depth: (H, W) float32 planar z in metres, +inf where nothing is hit; only if the
                model makes it (the shot does not know it).

        Raises:
            StorageError: an earlier or this frame could not be written.
        """

    def shown(self, index: int, *, video: np.ndarray, mask: np.ndarray) -> None:
        """Take what the model is shown of a frame, to be kept beside the take.

        Args:
            index: 0-based output index.
            video: (h, w, 3) uint8, at the model's size.
            mask: (h, w) uint8, 255 where the model is to make something.

        Raises:
            StorageError: it could not be written.
        """

    def preview(self, image: np.ndarray) -> None:
        """Show what is being made, before it is: (h, w, 3) uint8, of any size.

        Raises:
            StorageError: it could not be written.
        """

    def record(self, name: str, value: object) -> None:
        """Keep something about how the take was made in its record, for people."""

    def warn(self, message: str) -> None:
        """Tell the artist one sentence that does not stop the job.

        Raises:
            StorageError: it could not be noted.
        """


class Model(Protocol):
    """A loaded model, kept warm between jobs."""

    def generate(self, request: Request, sink: Sink) -> None:
        """Make every frame that `request.finished` does not name, in any order.

        Raises:
            DepthshotError: with one sentence for the artist.
        """
