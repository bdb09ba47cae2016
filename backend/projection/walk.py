"""A shot's stills made ready, and what its guides say of one frame after another.

What every family that projects does in the same way: stills become sources, guides are read ahead,
and what moves by itself is followed from each still outwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..errors import ShotError
from ..geometry import NEVER_MOVES, never_moves, relative_pose, same_view
from .frame import Sight, see_carried, see_frame
from .motion import Follower
from .output import to_image
from .source import Source, prepare_source, resize
from .surface import describe_surface, inverse_depth
from .threads import read_ahead

if TYPE_CHECKING:
    from ..reader import ShotReader

WARN_MOVING = 0.01  # share of a frame that moves by itself from which the artist is told


@dataclass(frozen=True, slots=True)
class Guides:
    """What the shot knows of one frame.

    Attributes:
        index: Of the frame.
        depth: (H, W) float32 metres, None if not known.
        flow: (H, W, 4) pixels, None if not known.
    """

    index: int
    depth: np.ndarray | None
    flow: np.ndarray | None


@dataclass(frozen=True, slots=True)
class Step:
    """One frame of a walk.

    Attributes:
        index: Of the frame.
        depth: (H, W) float32 metres, None if not known.
        surface: (4, H, W) of `describe_surface`; None if not known, or not needed so far.
        moved: For each still, what has moved by itself since, (H, W) bool; None where that is not
            known and in shots without flow.
    """

    index: int
    depth: np.ndarray | None
    surface: torch.Tensor | None = None
    moved: tuple[torch.Tensor, ...] | None = None


class Walk:
    """The stills of one shot and a way along its frames.

    Attributes:
        sources: The stills made ready.
        own: Which still a frame shows itself, by the frame's index.
        follows: Whether any frame has flow.
    """

    def __init__(
        self, reader: ShotReader, device: torch.device, *, tick: Callable[[], None]
    ) -> None:
        """Read the stills, and follow what moves to the frames before each of them.

        Args:
            reader: The shot.
            device: Where to compute.
            tick: Called at least twice a second of work; what it raises ends it.

        Raises:
            ShotError: a still has no depth, or nothing is hit in any of them.
        """
        self.reader, self.shot, self.device = reader, reader.shot, device
        self._tick = tick
        self._most_moving = 0.0
        self.follows = any(path is not None for path in self.shot.guide("flow"))
        self.own = {
            still.index: number
            for number, still in reversed(list(enumerate(self.shot.stills)))
            if same_view(reader.still_camera(number), self.shot.cameras[still.index])
        }
        self.sources = self._sources()
        self._moved = [self._backwards(number) for number in range(len(self.sources))]
        self._followers = [Follower(source.surface, source.camera) for source in self.sources]

    def path_warnings(self) -> Iterator[str]:
        """Yield what the artist has to know of the camera's path."""
        if never_moves(self.shot.cameras):
            yield NEVER_MOVES

    def motion_warnings(self) -> Iterator[str]:
        """Yield what the artist has to know of the motion in the frames walked so far."""
        if self._most_moving > WARN_MOVING:
            yield (
                f"Up to {self._most_moving:.0%} of the frame moves by itself; it is generated and"
                " not taken from the still."
            )

    def steps(self, indices: list[int], *, ahead: int = 1) -> Iterator[Step]:
        """Yield the frames with these indices. Once a walk; in a shot with flow, all, in order."""
        for guides in read_ahead(self.guides, indices, ahead=ahead):
            surface = self.surface_of(guides.depth) if self.follows else None
            moved = self._follow(guides, surface)
            yield Step(guides.index, guides.depth, surface, moved)

    def see(self, step: Step) -> Sight:
        """Return what the stills show of a frame; may be called from several threads."""
        surface = step.surface
        if surface is None:
            surface = self.surface_of(step.depth)
        camera = self.shot.cameras[step.index]
        if surface is None:
            return see_carried(self.sources, camera)
        nearness = self._nearness(step.index)
        return see_frame(self.sources, surface, camera, nearness=nearness, moved=step.moved)

    def still_of(self, index: int, *, bits: int = 8) -> np.ndarray:
        """Return the frame, as `to_image` does, that is a still itself: one of `own`."""
        width, height = self.shot.size
        still = resize(self.sources[self.own[index]].picture, (height, width))
        return to_image(still, bits=bits)

    def surface_of(self, depth: np.ndarray | None) -> torch.Tensor | None:
        """Return (4, H, W) of `describe_surface`, None where the depth is not known."""
        return None if depth is None else describe_surface(inverse_depth(depth, device=self.device))

    def guides(self, index: int) -> Guides:
        """Return what the shot knows of a frame; without flow where no frame has any."""
        if self.follows:
            return Guides(index, *self.reader.depth_and_flow(index))
        return Guides(index, self.reader.depth(index), None)

    def flow(self, guides: Guides, *, previous: bool) -> torch.Tensor | None:
        """Return (2, H, W) pixels to the previous or the next frame; None if not known."""
        if guides.flow is None:
            return None
        part = guides.flow[..., :2] if previous else guides.flow[..., 2:]
        return torch.from_numpy(np.ascontiguousarray(part)).to(self.device).permute(2, 0, 1)

    def _sources(self) -> list[Source]:
        depths = [self.reader.still_depth(number) for number in range(len(self.shot.stills))]
        if not any(np.isfinite(depth).any() for depth in depths):
            raise ShotError(
                "The depth of every still is infinite everywhere, so nothing can be projected;"
                " point the camera at something and capture again."
            )
        sources = []
        for number, depth in enumerate(depths):
            self._tick()
            camera = self.reader.still_camera(number)
            pixels = self.reader.still(number).pixels
            sources.append(prepare_source(pixels, depth, camera, device=self.device))
        return sources

    def _nearness(self, index: int) -> list[float]:
        """Return 1 for a still taken from where the frame is, less from farther away."""
        ways = [
            float(np.linalg.norm(relative_pose(source.camera, self.shot.cameras[index])[:3, 3]))
            for source in self.sources
        ]
        longest = max(ways) or 1.0
        return [1.0 - way / longest for way in ways]

    def _follow(
        self, guides: Guides, surface: torch.Tensor | None
    ) -> tuple[torch.Tensor, ...] | None:
        """Go on to a frame; return for each still what has moved by itself between the two."""
        if not self.follows:
            return None
        index = guides.index
        result = []
        camera = self.shot.cameras[index]
        flow = self.flow(guides, previous=True)
        for number, still in enumerate(self.shot.stills):
            if index > still.index:  # also a frame without depth is a step
                moved = self._followers[number].step(surface, camera, flow)
            elif surface is None:
                moved = None
            elif index == still.index:
                moved = torch.zeros_like(surface[0], dtype=torch.bool)
            else:
                moved = unpack(self._moved[number][index], surface[0])
            result.append(moved)
        if surface is None:
            return None
        share = min(float(moved.float().mean()) for moved in result)
        self._most_moving = max(self._most_moving, share)
        return tuple(result)

    def _backwards(self, number: int) -> dict[int, np.ndarray | None]:
        """Return what moves between a still and each frame before it, packed to bits."""
        still = self.shot.stills[number]
        packed: dict[int, np.ndarray | None] = {}
        if not self.follows or still.index == 0:
            return packed
        source = self.sources[number]
        follower = Follower(source.surface, source.camera)
        for guides in read_ahead(self.guides, list(range(still.index - 1, -1, -1))):
            self._tick()
            flow = self.flow(guides, previous=False)
            surface = self.surface_of(guides.depth)
            moved = follower.step(surface, self.shot.cameras[guides.index], flow)
            packed[guides.index] = None if moved is None else pack(moved)
        return packed


def pack(mask: torch.Tensor) -> np.ndarray:
    """Return a mask (H, W) bool as bits."""
    return np.packbits(mask.cpu().numpy())


def unpack(bits: np.ndarray, like: torch.Tensor) -> torch.Tensor:
    """Return bits as a mask (H, W) bool on the device of a map (H, W)."""
    mask = np.unpackbits(bits, count=like.numel()).astype(bool).reshape(like.shape)
    return torch.from_numpy(mask).to(like.device)
