"""The projection family: reads a shot, makes every frame, gives it to the sink."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from ...errors import ShotError
from ...geometry import NEVER_MOVES, never_moves, relative_pose, same_view
from ...projection.frame import carry_frame, project_frame
from ...projection.motion import Follower
from ...projection.output import to_image, to_mask
from ...projection.source import Source, prepare_source, resize
from ...projection.surface import describe_surface, inverse_depth
from ...reader import ShotReader
from ...wire import Shot
from ..card import Card
from ..interface import Request, Sink

PHASE = "projecting"
WARN_MOVING = 0.01  # share of a frame that moves by itself from which the artist is told

_Made = tuple[np.ndarray, np.ndarray, np.ndarray | None]


@dataclass(frozen=True, slots=True)
class _Guides:
    """What the shot knows of one frame: depth (H, W), flow (H, W, 4), each None if unknown."""

    depth: np.ndarray | None
    flow: np.ndarray | None


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
    """One job: the stills made ready, and what has moved since each of them."""

    def __init__(self, request: Request, sink: Sink, device: torch.device) -> None:
        self.request, self.sink, self.device = request, sink, device
        self.reader: ShotReader = request.shot
        self.shot: Shot = request.shot.shot
        self.follows = any(path is not None for path in self.shot.guide("flow"))
        self.most_moving = 0.0
        sink.progress(PHASE, 0, self.shot.frames)
        if never_moves(self.shot.cameras):
            sink.warn(NEVER_MOVES)
        self.own = {
            still.index: number
            for number, still in reversed(list(enumerate(self.shot.stills)))
            if same_view(self.reader.still_camera(number), self.shot.cameras[still.index])
        }
        self.sources = self._sources()
        self.moved = [self._backwards(number) for number in range(len(self.sources))]
        self.followers = [Follower(source.surface, source.camera) for source in self.sources]

    def run(self) -> None:
        """Make the frames, several at a time on a CPU, and give them in order."""
        skipped = frozenset() if self.follows else self.request.finished
        wanted = [index for index in range(self.shot.frames) if index not in skipped]
        with _frame_threads(self.device) as (pool, most):
            pending: deque[tuple[int, Future[_Made]]] = deque()
            for index, guides in self._read_ahead(wanted):
                surface = self._surface(guides) if self.follows else None
                moved = self._follow(index, surface, guides)
                if index in self.request.finished:
                    continue
                made = pool.submit(self._make, index, guides, surface, moved)
                pending.append((index, made))
                while len(pending) > most:
                    self._give(*pending.popleft())
            while pending:
                self._give(*pending.popleft())
        if self.most_moving > WARN_MOVING:
            self.sink.warn(
                f"Up to {self.most_moving:.0%} of the frame moves by itself; it is generated and"
                " not taken from the still."
            )

    def _sources(self) -> list[Source]:
        depths = [self.reader.still_depth(number) for number in range(len(self.shot.stills))]
        if not any(np.isfinite(depth).any() for depth in depths):
            raise ShotError(
                "The depth of every still is infinite everywhere, so nothing can be projected;"
                " point the camera at something and capture again."
            )
        sources = []
        for number, depth in enumerate(depths):
            self.sink.progress(PHASE, 0, self.shot.frames)
            camera = self.reader.still_camera(number)
            pixels = self.reader.still(number).pixels
            sources.append(prepare_source(pixels, depth, camera, device=self.device))
        return sources

    def _give(self, index: int, made: Future[_Made]) -> None:
        image, mask, depth = made.result()
        self.sink.frame(index, image=image, mask=mask, depth=depth)
        self.sink.progress(PHASE, index + 1, self.shot.frames)

    def _surface(self, guides: _Guides) -> torch.Tensor | None:
        if guides.depth is None:
            return None
        return describe_surface(inverse_depth(guides.depth, device=self.device))

    @torch.inference_mode()
    def _make(
        self,
        index: int,
        guides: _Guides,
        surface: torch.Tensor | None,
        moved: list[torch.Tensor] | None,
    ) -> _Made:
        """Return a frame's image, mask and, where the shot does not know it, depth."""
        width, height = self.shot.size
        camera = self.shot.cameras[index]
        fill = bool(self.request.settings["fill"])
        if index in self.own:
            picture = resize(self.sources[self.own[index]].picture, (height, width))
            return to_image(picture), np.zeros((height, width), np.uint8), None
        if surface is None:
            surface = self._surface(guides)
        if surface is None:
            made = carry_frame(self.sources, camera, fill=fill)
            depth = made.inverse.reciprocal().cpu().numpy()
            return to_image(made.colour), to_mask(made.generated), depth
        made = project_frame(
            self.sources, surface, camera, nearness=self._nearness(index), moved=moved, fill=fill
        )
        return to_image(made.colour), to_mask(made.generated), None

    def _nearness(self, index: int) -> list[float]:
        """Return 1 for a still taken from where the frame is, less from farther away."""
        ways = [
            float(np.linalg.norm(relative_pose(source.camera, self.shot.cameras[index])[:3, 3]))
            for source in self.sources
        ]
        longest = max(ways) or 1.0
        return [1.0 - way / longest for way in ways]

    def _read_ahead(self, indices: list[int]) -> Iterator[tuple[int, _Guides]]:
        """Yield every index with its guides, the next one decoding in a thread meanwhile."""
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="guides") as pool:
            ahead: Future[_Guides] | None = None
            for position, index in enumerate(indices):
                current = ahead or pool.submit(self._guides, index)
                if position + 1 < len(indices):
                    ahead = pool.submit(self._guides, indices[position + 1])
                yield index, current.result()

    def _guides(self, index: int) -> _Guides:
        if self.follows:
            return _Guides(*self.reader.depth_and_flow(index))
        return _Guides(self.reader.depth(index), None)

    def _flow(self, guides: _Guides, *, previous: bool) -> torch.Tensor | None:
        if guides.flow is None:
            return None
        part = guides.flow[..., :2] if previous else guides.flow[..., 2:]
        return torch.from_numpy(np.ascontiguousarray(part)).to(self.device).permute(2, 0, 1)

    def _follow(
        self, index: int, surface: torch.Tensor | None, guides: _Guides
    ) -> list[torch.Tensor] | None:
        """Go on to a frame; return for each still what has moved by itself between the two.

        None without flow in the shot and where the frame's depth is not known.
        """
        if not self.follows:
            return None
        result = []
        camera = self.shot.cameras[index]
        flow = self._flow(guides, previous=True)
        for number, still in enumerate(self.shot.stills):
            if index > still.index:  # also a frame without depth is a step
                moved = self.followers[number].step(surface, camera, flow)
            elif surface is None:
                moved = None
            elif index == still.index:
                moved = torch.zeros_like(surface[0], dtype=torch.bool)
            else:
                moved = self._unpack(self.moved[number][index], surface[0].shape)
            result.append(moved)
        if surface is None:
            return None
        share = min(float(moved.float().mean()) for moved in result)
        self.most_moving = max(self.most_moving, share)
        return result

    def _backwards(self, number: int) -> dict[int, np.ndarray | None]:
        """Return what moves between a still and each frame before it, packed to bits."""
        still = self.shot.stills[number]
        packed: dict[int, np.ndarray | None] = {}
        if not self.follows or still.index == 0:
            return packed
        source = self.sources[number]
        follower = Follower(source.surface, source.camera)
        for index, guides in self._read_ahead(list(range(still.index - 1, -1, -1))):
            self.sink.progress(PHASE, 0, self.shot.frames)
            flow = self._flow(guides, previous=False)
            moved = follower.step(self._surface(guides), self.shot.cameras[index], flow)
            packed[index] = None if moved is None else np.packbits(moved.cpu().numpy())
        return packed

    def _unpack(self, bits: np.ndarray, shape: torch.Size) -> torch.Tensor:
        count = shape[0] * shape[1]
        moved = np.unpackbits(bits, count=count).astype(bool).reshape(shape)
        return torch.from_numpy(moved).to(self.device)


@contextmanager
def _frame_threads(device: torch.device) -> Iterator[tuple[ThreadPoolExecutor, int]]:
    """Yield a pool that makes frames, and how many at a time.

    On a CPU one thread makes one frame: torch's own threads would wait for each other at every
    operation, which is slower, and on a busy machine ten times so. A GPU gets one frame at a time.
    """
    threads = torch.get_num_threads()
    if device.type != "cpu":
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="frames") as pool:
            yield pool, 1
        return
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(
            max_workers=threads,
            thread_name_prefix="frames",
            initializer=torch.set_num_threads,
            initargs=(1,),
        ) as pool:
            yield pool, threads
    finally:
        torch.set_num_threads(threads)
