"""What a window's model made becomes frames: at the shot's size, what is known locked over it.

Frames that the model left out ("every k-th frame") are carried from the two that were made beside
them, by the known depth and cameras, and by flow where things move by themselves (`moving`): each
pixel is a mean of both, the nearer one counting more, or of the one that shows it.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from ...projection.composite import compose
from ...projection.source import Source, make_source
from ...projection.surface import describe_surface, inverse_depth
from ...projection.walk import Guides, Walk
from ..interface import Request
from ..plan import Plan, Window
from .lock import lock
from .moving import follow_moving
from .projected import Projected, outside


@dataclass(frozen=True, slots=True)
class Finished:
    """A frame as it is given to the sink; see `interface.Sink.frame`."""

    index: int
    image: np.ndarray
    mask: np.ndarray
    depth: np.ndarray | None


class _Gap:
    """Two frames that were made, and the guides of what lies between: each looked at once.

    Several threads make frames of it; it goes with the last of them.

    Attributes:
        pair: Indices of the two.
    """

    def __init__(self, pair: tuple[int, ...], walk: Walk, show: Callable[[int], Source]) -> None:
        self.pair = pair
        self._walk, self._show = walk, show
        self._lock = threading.Lock()
        self._known: dict[int, Guides] = {}
        self._sources: list[Source] = []

    def sources(self) -> list[Source]:
        """Return the two as what frames between are projected from, in the order of `pair`."""
        with self._lock:
            if not self._sources:
                self._sources = [self._show(index) for index in self.pair]
            return self._sources

    def guides(self, index: int) -> Guides:
        """Return what the shot knows of a frame; see `Walk.guides`."""
        with self._lock:
            if index not in self._known:
                self._known[index] = self._walk.guides(index)
            return self._known[index]


class Compositor:
    """Puts the frames of one window after another together, and keeps those the next one needs."""

    def __init__(self, walk: Walk, plan: Plan, request: Request) -> None:
        """Keep the shot's way, the plan and what is asked for."""
        self._walk, self._plan, self._request = walk, plan, request
        self._images: dict[int, np.ndarray] = {}
        self._depths: dict[int, np.ndarray] = {}

    def display(self, index: int) -> torch.Tensor:
        """Return (3, H, W) display values of a frame that was made, as it was written.

        Raises:
            ShotError: it was made by an earlier attempt and cannot be read any more.
        """
        if index not in self._images:
            self._images[index] = self._request.read_frame(index)
        return display(self._images[index], bits=self._request.bits)

    def made(
        self, window: Window, made: torch.Tensor, projected: Mapping[int, Projected]
    ) -> Iterator[Callable[[], Finished]]:
        """Yield tasks that finish the frames that a window has made and that are not finished.

        Args:
            window: The window.
            made: (F, 3, h, w) display values of all its frames.
            projected: What the stills show of each new one.
        """
        for position, index in enumerate(window.new, start=window.kept):
            if index in self._request.finished:
                continue  # what is written stands, also where another device made it

            def task(position: int = position, index: int = index) -> Finished:
                large = outside(made[position].to(self._walk.device), self._plan.fit)
                return self._lock(large, projected[index])

            yield task

    def between(
        self, window: Window, projected: Mapping[int, Projected]
    ) -> Iterator[Callable[[], Finished]]:
        """Yield tasks that finish frames between those of a window, once these were taken in.

        Args:
            window: The window.
            projected: What the stills show of each frame between.
        """
        made = window.frames[: len(window.frames) - window.padded]
        gap = _Gap((), self._walk, self._source)
        for index in self._plan.between(window):
            if index in self._request.finished:
                continue
            after = bisect_left(made, index)
            if gap.pair != (pair := made[after - 1 : after + 1]):
                gap = _Gap(pair, self._walk, self._source)

            def task(index: int = index, gap: _Gap = gap) -> Finished:
                return self._lock(self._carried(projected[index], gap), projected[index])

            yield task

    def take_in(self, frame: Finished) -> None:
        """Keep a frame for those that are made from it."""
        self._images[frame.index] = frame.image

    def depth(self, index: int) -> np.ndarray:
        """Return the depth (H, W) of a frame that was made: the shot's, or as it was projected."""
        known = self._request.shot.depth(index)
        return self._depths[index] if known is None else known

    def know(self, frame: Projected) -> None:
        """Keep the depth of a frame, where the shot does not know it, for those made from it."""
        if frame.depth is not None:
            self._depths[frame.index] = frame.depth

    def forget(self, kept: tuple[int, ...]) -> None:
        """Let go of all frames but those that the next window takes over."""
        for store in (self._images, self._depths):
            for index in [index for index in store if index not in kept]:
                del store[index]

    def _lock(self, large: torch.Tensor, frame: Projected) -> Finished:
        settings = self._request.settings
        image, mask = lock(
            large,
            frame,
            strength=float(settings["lock"]),
            where=frame.lock,
            feather=int(settings["feather"]),
            bits=self._request.bits,
        )
        return Finished(frame.index, image, mask, frame.depth)

    def _carried(self, frame: Projected, gap: _Gap) -> torch.Tensor:
        """Return (3, H, W) of a frame as its two neighbours show it."""
        pair = gap.pair
        sight = self._walk.see(frame.step)
        unseen = replace(sight, seen=torch.zeros_like(sight.seen))
        sources = gap.sources()
        grey = sight.colour.new_full((3,), 0.5)
        carried = [
            compose(unseen, order, moving=None, fallback=grey).colour
            for order in (sources, sources[::-1])
        ]
        if self._walk.follows and sight.known:
            neighbours = list(zip(pair, sources, strict=True))
            return follow_moving(
                self._walk, frame.index, sight.surface, carried, neighbours, guides=gap.guides
            )
        share = (frame.index - pair[0]) / (pair[1] - pair[0])
        return torch.lerp(*carried, share)

    def _source(self, index: int) -> Source:
        device = self._walk.device
        surface = describe_surface(inverse_depth(self.depth(index), device=device))
        return make_source(self.display(index).to(device), surface, self._walk.shot.cameras[index])


def display(image: np.ndarray, *, bits: int) -> torch.Tensor:
    """Return (3, H, W) display values 0 to 1 of an image (H, W, 3) of so many bits a value."""
    levels = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)
    return levels / float(2**bits - 1)
