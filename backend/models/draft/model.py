"""Draft: what no still shows is generated in a few keyframes, whose pixels go into all frames.

    projecting    the shot is looked at once, small: which frames together show what is unseen
    generating    these keyframes, one after another, each with what those before it gave
    compositing   every frame: stills, then keyframes, then what this frame alone shows

So a point of the world keeps its colour, and the work is in proportion to the surface that is
unseen, not to the number of frames.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import torch

from ...errors import Cancelled
from ...projection.threads import in_order, one_thread
from ...projection.walk import Walk
from ..card import Card
from ..interface import Request, Sink
from .frames import FrameMaker, Made
from .keyframes import choose_keyframes
from .pipeline import DraftPipeline
from .survey import Survey

PROJECTING, GENERATING, COMPOSITING = "projecting", "generating", "compositing"


class DraftModel:
    """Generates what no still shows, once for all frames."""

    def __init__(self, card: Card, *, pipeline: DraftPipeline, device: str) -> None:
        """Keep the card, the pipeline and the torch device."""
        self.card = card
        self.pipeline = pipeline
        self.device = torch.device(device)

    def generate(self, request: Request, sink: Sink) -> None:
        """Make every frame that `request.finished` does not name, in order.

        Raises:
            ShotError: a still has no depth, or nothing is hit in any of them.
        """
        if len(request.finished) < request.shot.shot.frames:
            with torch.inference_mode():
                _Job(request, sink, self).run()


class _Job:
    """One job, its progress and what the artist is told."""

    def __init__(self, request: Request, sink: Sink, model: DraftModel) -> None:
        self.request, self.sink, self.model = request, sink, model
        self.shot = request.shot.shot
        self.ended = threading.Event()

    def run(self) -> None:
        """Look at the shot, generate keyframes, put frames together."""
        self._looked(0)
        with one_thread(self.model.device):
            walk = Walk(self.request.shot, self.model.device, tick=lambda: self._looked(0))
            stands_still = list(walk.path_warnings())
            for warning in stands_still:
                self.sink.warn(warning)
            survey = Survey(walk, tick=self._looked)
            for warning in walk.motion_warnings():
                self.sink.warn(warning)
            chosen = choose_keyframes(survey.overviews)
        request = self.request
        maker = FrameMaker(
            walk,
            survey,
            self.model.pipeline,
            settings=request.settings,
            seed=request.seed,
            bits=request.bits,
        )
        self._generate(maker, chosen)
        unseen = survey.any_unseen
        blind = []
        for made in self._composite(maker):
            unseen |= bool(made.mask.any())
            if made.blind:
                blind.append(made.index)
        # What an earlier attempt made is known from the survey alone, which overlooks slivers.
        blind = sorted({*blind, *(request.finished & survey.blind)})
        if not unseen and not stands_still and not request.finished:
            self.sink.warn("Every pixel is seen by the still, so nothing is generated.")
        if blind:
            self.sink.warn(self._about_blind(blind))

    def _looked(self, done: int) -> None:
        self.sink.progress(PROJECTING, done, self.shot.frames)

    def _generate(self, maker: FrameMaker, chosen: list[int]) -> None:
        """Make the keyframes; a hundredth of one is the smallest part that is told."""
        total = 100 * len(chosen)
        for number, index in enumerate(chosen):

            def tell(done: int, of: int, number: int = number) -> None:
                self.sink.progress(GENERATING, 100 * number + 100 * done // of, total)

            tell(0, 1)
            maker.add_keyframe(index, on_step=tell)
        if chosen:
            self.sink.progress(GENERATING, total, total)

    def _composite(self, maker: FrameMaker) -> Iterator[Made]:
        """Make the frames, several at a time on a CPU, and give them in order."""
        done = 0

        def tell() -> None:
            self.sink.progress(COMPOSITING, done, self.shot.frames)

        tell()
        made = in_order(self._tasks(maker), device=self.model.device, waiting=tell)
        with closing(made):
            try:
                for frame in made:
                    self.sink.frame(
                        frame.index, image=frame.image, mask=frame.mask, depth=frame.depth
                    )
                    done = frame.index + 1
                    tell()
                    yield frame
            finally:
                self.ended.set()

    def _tasks(self, maker: FrameMaker) -> Iterator[Callable[[], Made]]:
        for index in range(self.shot.frames):
            if index not in self.request.finished:
                yield lambda index=index: maker.make(index, on_step=self._go_on)

    def _go_on(self, done: int, total: int) -> None:
        """Stop a frame whose job has ended: what it makes would be thrown away."""
        if self.ended.is_set():
            raise Cancelled("Stopped.")

    def _about_blind(self, blind: list[int]) -> str:
        frame = self.shot.frame(blind[0])
        which = f"frame {frame}" if len(blind) == 1 else f"{len(blind)} frames from {frame} on"
        return (
            f"No still shows anything of {which}, so all of it is invented; add a still there, or"
            " turn the camera less far."
        )
