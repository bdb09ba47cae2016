"""The projection family: reads a shot, makes every frame, gives it to the sink."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import numpy as np
import torch

from ...projection.frame import finish
from ...projection.output import to_image, to_mask
from ...projection.threads import in_order
from ...projection.walk import Step, Walk
from ..card import Card
from ..interface import Request, Sink

PHASE = "projecting"

_Made = tuple[int, np.ndarray, np.ndarray, np.ndarray | None]


class ProjectionModel:
    """Carries stills along the camera's path; nothing is learned, nothing is random."""

    def __init__(self, card: Card, *, device: str) -> None:
        """Keep the card and the torch device."""
        self.card = card
        self.device = torch.device(device)

    def generate(self, request: Request, sink: Sink) -> None:
        """Make every frame that `request.finished` does not name, in order.

        Raises:
            ShotError: a still has no depth, or nothing is hit in any of them.
        """
        with torch.inference_mode():
            _Job(request, sink, self.device).run()


class _Job:
    """One job: the way along the shot, and where its frames go."""

    def __init__(self, request: Request, sink: Sink, device: torch.device) -> None:
        self.request, self.sink = request, sink
        self.frames = request.shot.shot.frames
        self.done = 0
        self.walk = Walk(request.shot, device, tick=self.tick)

    def run(self) -> None:
        """Make the frames, several at a time on a CPU, and give them in order."""
        self.tick()
        for warning in self.walk.path_warnings():
            self.sink.warn(warning)
        tasks = in_order(self._tasks(), device=self.walk.device, waiting=self.tick)
        with closing(tasks):
            for index, image, mask, depth in tasks:
                self.sink.frame(index, image=image, mask=mask, depth=depth)
                self.done = index + 1
                self.tick()
        for warning in self.walk.motion_warnings():
            self.sink.warn(warning)

    def tick(self) -> None:
        """Say how far it is; here it is cancelled."""
        self.sink.progress(PHASE, self.done, self.frames)

    def _tasks(self) -> Iterator[Callable[[], _Made]]:
        finished = self.request.finished
        skipped = frozenset() if self.walk.follows else finished
        for step in self.walk.steps([i for i in range(self.frames) if i not in skipped]):
            if step.index not in finished:
                yield lambda step=step: self._make(step)

    def _make(self, step: Step) -> _Made:
        """Return a frame's index, image, mask and, where the shot does not know it, depth."""
        if step.index in self.walk.own:
            width, height = self.walk.shot.size
            mask = np.zeros((height, width), np.uint8)
            still = self.walk.still_of(step.index, bits=self.request.bits)
            return step.index, still, mask, None
        sight = self.walk.see(step)
        made = finish(sight, fill=bool(self.request.settings["fill"]))
        depth = None if sight.known else made.inverse.reciprocal().cpu().numpy()
        image = to_image(made.colour, bits=self.request.bits)
        return step.index, image, to_mask(made.generated), depth
