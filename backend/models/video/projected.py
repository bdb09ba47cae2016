"""What the stills show of each frame: at the shot's size to be kept, at the model's to guide it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from ...projection.frame import finish
from ...projection.output import to_image, to_mask
from ...projection.source import resize
from ...projection.threads import in_order
from ...projection.walk import Step, Walk
from ..plan import Fit

_ALL = 0.999  # of a pixel: rounding errors of the mean leave out no pixel that is seen whole


@dataclass(frozen=True, slots=True)
class Projected:
    """One frame as the stills show it.

    Attributes:
        index: Of the frame.
        image: (H, W, 3) uint8 or uint16 at the shot's size, holes filled from beside them.
        generated: (H, W) uint8 at the shot's size, 255 = no still shows it.
        depth: (H, W) float32 metres where the shot does not know it, else None.
        colour: (3, h, w) display values 0 to 1 at the model's size; grey where not `seen`.
        seen: (h, w) bool at the model's size: whole pixels that a still shows.
        lock: (H, W) uint8 at the shot's size, how much of what a still shows is to be kept, 255 =
            all of it; None where the shot does not say.
        free: (h, w) bool at the model's size: pixels of which something may move.
        inverse: (h, w) inverse depth at the model's size.
        step: What the shot knows of it.
    """

    index: int
    image: np.ndarray
    generated: np.ndarray
    depth: np.ndarray | None
    colour: torch.Tensor
    seen: torch.Tensor
    lock: np.ndarray | None
    free: torch.Tensor
    inverse: torch.Tensor
    step: Step


class Projector:
    """Projects a shot's frames in order, each once; small maps are kept on the CPU."""

    def __init__(self, walk: Walk, fit: Fit, *, wanted: list[int], bits: int) -> None:
        """Begin the way.

        Args:
            walk: The shot's.
            fit: How the shot's picture lies in the model's.
            wanted: Indices of the frames that will be asked for, rising.
            bits: Bits a value of `Projected.image`.
        """
        self._walk, self._fit, self._bits = walk, fit, bits
        self._wanted = frozenset(wanted)
        # What moves is followed from frame to frame, so with flow none is left out.
        indices = list(range(walk.shot.frames)) if walk.follows else wanted
        self._steps = walk.steps(indices)

    def upto(self, last: int, *, waiting: Callable[[], None]) -> Iterator[Projected]:
        """Yield the wanted frames up to index `last` that were not yielded yet.

        Args:
            last: An index that is wanted.
            waiting: Called a few times a second; what it raises ends it.
        """
        with closing(
            in_order(self._tasks(last), device=self._walk.device, waiting=waiting)
        ) as frames:
            yield from frames

    def _tasks(self, last: int) -> Iterator[Callable[[], Projected]]:
        for step in self._steps:
            if step.index in self._wanted:
                yield lambda step=step: self._make(step)
            if step.index >= last:
                return

    def _make(self, step: Step) -> Projected:
        sight = self._walk.see(step)
        made = finish(sight)
        own = step.index in self._walk.own
        if own:
            image = self._walk.still_of(step.index, bits=self._bits)
            height, width = image.shape[:2]
            generated = torch.zeros(height, width, device=made.colour.device)
            colour = resize(self._walk.sources[self._walk.own[step.index]].picture, (height, width))
        else:
            image = to_image(made.colour, bits=self._bits)
            generated, colour = made.generated, made.colour
        inverse = sight.surface[0]
        small = inside(inverse[None], self._fit)[0]
        seen = (generated == 0).to(colour.dtype)
        share = inside(seen[None], self._fit)[0]
        colour = inside(colour * seen, self._fit) / share.clamp(min=_ALL)
        whole = share >= _ALL
        grey = torch.where(whole, colour.clamp(0, 1), torch.full_like(colour, 0.5))
        wanted = self._walk.reader.lock(step.index)
        # In 8 bits: those of a whole window are in memory at once.
        lock = None if wanted is None else to_mask(torch.from_numpy(wanted))
        depth = None if sight.known else inverse.reciprocal().cpu().numpy()
        return Projected(
            index=step.index,
            image=image,
            generated=to_mask(generated),
            depth=depth,
            colour=grey.cpu(),
            seen=whole.cpu(),
            lock=lock,
            free=_free(wanted, self._fit),
            inverse=small.cpu(),
            step=step,
        )


def _free(share: np.ndarray | None, fit: Fit) -> torch.Tensor:
    """Return where (h, w) at the model's size not all of a pixel is to be kept."""
    if share is None:
        return torch.zeros(fit.model[::-1], dtype=torch.bool)
    return inside(torch.from_numpy(share)[None], fit)[0] < _ALL


def inside(maps: torch.Tensor, fit: Fit) -> torch.Tensor:
    """Return maps (C, H, W) of the shot at the model's size (C, h, w), the border repeated."""
    width, height = fit.inner
    small = resize(maps, (height, width))
    return functional.pad(small[None], fit.padding, mode="replicate")[0]


def outside(maps: torch.Tensor, fit: Fit) -> torch.Tensor:
    """Return maps (C, h, w) of the model at the shot's size (C, H, W): `inside` the other way."""
    width, height = fit.inner
    cut = maps[:, fit.top : fit.top + height, fit.left : fit.left + width]
    return resize(cut, fit.shot[::-1])
