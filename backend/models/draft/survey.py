"""The first way along a shot: what every later one needs of each frame, kept small."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from ...projection.backward import transfer_pixels, visible
from ...projection.frame import see_carried
from ...projection.source import Source, make_source
from ...projection.walk import Step, Walk, pack, unpack
from .condition import nearest_inverse
from .keyframes import Overview, Reduction, broad

KEPT_BYTES = 384 * 1024**2  # of depth, which is read again beyond that
_AHEAD = 2  # frames that are read at a time


class Survey:
    """All frames of a shot at a glance.

    Attributes:
        overviews: One a frame.
        blind: Indices of the frames of which no still shows anything.
        largest: What the network's inverse depth is divided by: that of the nearest points of any
            frame or still (`nearest_inverse`).
    """

    def __init__(self, walk: Walk, *, tick: Callable[[int], None]) -> None:
        """Go along the shot once.

        Args:
            walk: Not walked yet.
            tick: Called with the number of frames looked at, after each.
        """
        self._walk = walk
        self._depths: dict[int, np.ndarray] = {}
        self._kept_bytes = 0
        self._moved: dict[int, tuple[np.ndarray, ...]] = {}
        self._reduction = Reduction.of(walk.shot.size)
        self._small = [self._reduce(source) for source in walk.sources]
        self.blind: set[int] = set()
        self.overviews: list[Overview] = []
        for step in walk.steps(list(range(walk.shot.frames)), ahead=_AHEAD):
            self.overviews.append(self._look(step))
            tick(len(self.overviews))
        stills = [source.surface[0] for source in walk.sources]
        self.largest = max(
            map(nearest_inverse, [*stills, *(view.surface[0] for view in self.overviews)])
        )

    @property
    def any_unseen(self) -> bool:
        """Whether there is anything that no still shows (slivers may be overlooked)."""
        return any(bool((view.unseen | view.moving).any()) for view in self.overviews)

    def step(self, index: int) -> Step:
        """Return a frame once more; may be called from several threads."""
        depth = self._depths.get(index)
        if depth is None:
            depth = self._walk.reader.depth(index)
        surface = self._walk.surface_of(depth)
        packed = self._moved.get(index)
        if surface is None or packed is None:
            return Step(index, depth, surface)
        moved = tuple(unpack(bits, surface[0]) for bits in packed)
        return Step(index, depth, surface, moved)

    def _look(self, step: Step) -> Overview:
        camera = self._reduction.camera(self._walk.shot.cameras[step.index])
        if step.depth is None:
            sight = see_carried(self._small, camera)
            still = torch.zeros_like(sight.seen)
            unseen = broad(~sight.seen)
            self._note_blind(step, sight.seen)
            return Overview(step.index, camera, sight.surface, unseen, still, known=False)
        self._keep(step)
        full = step.surface if step.surface is not None else self._walk.surface_of(step.depth)
        surface = self._reduction.surface(full)
        moved = [self._reduction.map(gone) for gone in step.moved or ()]
        seen = torch.zeros_like(surface[0], dtype=torch.bool)
        for number, source in enumerate(self._small):
            shown = visible(source.surface, transfer_pixels(surface, camera, source.camera))
            seen |= shown & ~moved[number] if moved else shown
        if step.index in self._walk.own:
            seen |= True
        self._note_blind(step, seen)
        moving = torch.stack(moved).any(0) if moved else torch.zeros_like(seen)
        return Overview(step.index, camera, surface, broad(~seen & ~moving), moving, known=True)

    def _note_blind(self, step: Step, seen: torch.Tensor) -> None:
        if not bool(seen.any()):
            self.blind.add(step.index)

    def _keep(self, step: Step) -> None:
        if self._kept_bytes + step.depth.nbytes <= KEPT_BYTES:
            self._depths[step.index] = step.depth
            self._kept_bytes += step.depth.nbytes
        if step.moved is not None and any(bool(gone.any()) for gone in step.moved):
            self._moved[step.index] = tuple(pack(gone) for gone in step.moved)

    def _reduce(self, source: Source) -> Source:
        """Return a still without its colours."""
        surface = self._reduction.surface(source.surface)
        black = torch.zeros_like(surface[:3])
        return make_source(black, surface, self._reduction.camera(source.camera))
