"""The projection family: reads a shot, makes every frame, gives it to the sink."""

from __future__ import annotations

import numpy as np
import torch

from ...errors import ShotError
from ...projection.backward import look_up
from ...projection.fill import fill_holes
from ...projection.output import to_image, to_mask
from ...projection.source import Source, inverse_depth, prepare_source
from ...reader import ShotReader
from ..card import Card
from ..interface import Request, Sink


class ProjectionModel:
    """Carries stills along the camera's path; nothing is learned, nothing is random."""

    def __init__(self, card: Card, *, device: str) -> None:
        self.card = card
        self.device = torch.device(device)

    @torch.inference_mode()
    def generate(self, request: Request, sink: Sink) -> None:
        """Make every frame that `request.finished` does not name, in order.

        Raises:
            ShotError: a still has no depth, or nothing is hit anywhere.
        """
        shot = request.shot.shot
        sink.progress("projecting", 0, shot.frames)
        sources = [self._source(request.shot, number) for number in range(len(shot.stills))]
        for index in range(shot.frames):
            if index not in request.finished:
                self._frame(request, sink, index, sources)
            sink.progress("projecting", index + 1, shot.frames)

    def _source(self, reader: ShotReader, number: int) -> Source:
        still = reader.shot.stills[number]
        depth = reader.depth(still.index)
        if depth is None:
            raise ShotError(
                f"The still at frame {reader.shot.frame(still.index)} has no depth, so it cannot"
                " be projected; capture the shot again."
            )
        if not np.isfinite(depth).any():
            raise ShotError(
                f"The depth of the still at frame {reader.shot.frame(still.index)} is infinite"
                " everywhere; point the camera at something and capture again."
            )
        return prepare_source(
            reader.still(number).pixels, depth, reader.still_camera(number), device=self.device
        )

    def _frame(self, request: Request, sink: Sink, index: int, sources: list[Source]) -> None:
        depth = request.shot.depth(index)
        inverse = inverse_depth(depth, device=self.device)
        view = look_up(sources[0], inverse, request.shot.shot.cameras[index])
        colour = view.colour * view.seen
        if request.settings["fill"]:
            colour = fill_holes(view.colour, view.seen, inverse)
        sink.frame(index, image=to_image(colour), mask=to_mask((~view.seen).float()))
