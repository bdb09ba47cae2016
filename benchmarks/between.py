"""Frames between two that were made, of a shot in which something moves by itself.

    python -m benchmarks.between [--out table.md]

A card slides before a wall while the camera passes both. In the model's place the true frames are
given, so what is wrong in the frames between is the carrying's alone. With the shot's flow, and
without it, where depth and cameras are all there is.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from backend.models import find_card
from backend.models.interface import Request
from backend.models.video.job import VideoModel
from backend.models.video.window import Report, WindowTask
from backend.wire import Camera, Shot, Still

from .posts import FPS, MemoryReader, MemorySink

SIZE = (208, 120)
FRAMES = 13
CARD = find_card("wan-vace-1.3b")
_FOCAL = 0.9  # widths
_WALL, _CARD = 6.0, 3.0  # metres
_HALF = 0.55, 0.5  # of the card, metres
_CAMERA = 0.03  # metres a frame, to the right
_REACH = 4  # pixels round the card where what moves still matters


@dataclass(slots=True)
class MovingReader(MemoryReader):
    """A shot with flow, in memory."""

    flows: Sequence[np.ndarray | None] = ()

    def depth_and_flow(self, index: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Return planar depth (H, W) and flow (H, W, 4), None if not known, of a frame."""
        return self.depth(index), self.flows[index]


@dataclass(frozen=True, slots=True)
class Scene:
    """A card that slides before a wall.

    Attributes:
        speed: Metres a frame, to the left.
        size: Width and height of the shot.
    """

    speed: float
    size: tuple[int, int] = SIZE

    def camera(self, index: float) -> Camera:
        """Return the camera of a frame."""
        width, height = self.size
        pose = ((1, 0, 0, _CAMERA * index), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1))
        matrix = tuple(tuple(float(value) for value in row) for row in pose)
        return Camera(_FOCAL * width, _FOCAL * width, width / 2, height / 2, matrix)

    def place(self, index: float) -> float:
        """Return where the middle of the card is, metres to the right."""
        return 0.3 - self.speed * index

    def cast(
        self,
        index: int,
        *,
        samples: int = 1,
        camera: Camera | None = None,
        size: tuple[int, int] | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return colours (H, W, 3), depth (H, W), and where the card is (H, W) bool.

        Args:
            index: Of the frame.
            samples: Of colour, a pixel's side.
            camera: In pixels of `size`; None for the shot's, which looks straight on as all do.
            size: Of the pictures; None for the shot's.
        """
        camera, size = camera or self.camera(index), size or self.size
        colour = np.zeros((size[1], size[0], 3))
        for row in range(samples):
            for column in range(samples):
                offset = (column + 0.5) / samples, (row + 0.5) / samples
                colour += self._rays(index, camera, size, offset)[0]
        _, card = self._rays(index, camera, size, (0.5, 0.5))
        depth = np.where(card, _CARD, _WALL).astype(np.float32)
        return (colour / samples**2).astype(np.float32), depth, card

    def flow(self, index: int, depth: np.ndarray, card: np.ndarray) -> np.ndarray:
        """Return (H, W, 4) float32: pixels to the frame before and to the next one."""
        flow = np.zeros((*depth.shape, 4), np.float32)
        pixels = _FOCAL * self.size[0] / depth
        for first, step in ((0, -1), (2, 1)):
            flow[..., first] = -(step * pixels) * (_CAMERA + self.speed * card)
        return flow

    def _rays(
        self, index: int, camera: Camera, size: tuple[int, int], offset: tuple[float, float]
    ) -> tuple[np.ndarray, np.ndarray]:
        v, u = np.mgrid[: size[1], : size[0]]
        x = (u + offset[0] - camera.cx) / camera.fl_x
        y = (v + offset[1] - camera.cy) / camera.fl_y
        left = camera.transform_matrix[0][3]
        inside_x = left + x * _CARD - self.place(index)
        card = (np.abs(inside_x) <= _HALF[0]) & (np.abs(y * _CARD) <= _HALF[1])
        wall = _texture(left + x * _WALL, y * _WALL, 0.0)
        return np.where(card[..., None], _texture(inside_x, y * _CARD, 2.0), wall), card

    def reader(self, *, with_flow: bool) -> MovingReader:
        """Return the shot; the first frame has the still."""
        frames = [self.cast(index, samples=4 if index == 0 else 1) for index in range(FRAMES)]
        names = tuple(f"frame/{index}" for index in range(FRAMES))
        shot = Shot(
            name="between",
            size=self.size,
            fps=FPS,
            frame_start=1,
            stills=(Still("still", 0),),
            cameras=tuple(self.camera(index) for index in range(FRAMES)),
            guides={"depth": names, "flow": names} if with_flow else {"depth": names},
        )
        depths = [depth for _, depth, _ in frames]
        flows = [self.flow(index, depth, card) for index, (_, depth, card) in enumerate(frames)]
        return MovingReader(shot, frames[0][0], depths, flows)


class Truth:
    """Gives the true frames, in a model's place."""

    def __init__(self, scene: Scene) -> None:
        """Keep the scene."""
        self._scene = scene

    def read_words(self, prompt: str, negative: str, report: Report) -> None:
        """See `video.window.Generator`."""

    def make(self, task: WindowTask, report: Report) -> torch.Tensor:
        """See `video.window.Generator`."""
        made = [
            self._scene.cast(frame.index, samples=4, camera=frame.camera, size=task.size)[0]
            for frame in task.frames
        ]
        return torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2)

    def rest(self) -> None:
        """See `video.window.Generator`."""


def errors(scene: Scene, *, every: int, with_flow: bool) -> tuple[float, float]:
    """Return mean absolute errors, in levels, of the frames between: about the card, elsewhere."""
    reader, sink = scene.reader(with_flow=with_flow), MemorySink()
    settings = {"size": "shot", "every": every, "lock": 0.0, "match": False, "window": 81}
    request = Request(
        reader, CARD.check_settings(settings), 0, read_frame=lambda index: sink.frames[index][0]
    )
    VideoModel(CARD, Truth(scene), device="cpu").generate(request, sink)
    about, elsewhere = [], []
    for index in range(FRAMES):
        if index % every == 0 or index == FRAMES - 1:
            continue
        truth, _, card = scene.cast(index, samples=4)
        off = np.abs(sink.frames[index][0] - truth * 255.0).mean(-1)
        near = _grown(card, _REACH)
        about.append(off[near])
        elsewhere.append(off[~near])
    return float(np.concatenate(about).mean()), float(np.concatenate(elsewhere).mean())


def table(speeds: Sequence[float], *, every: int) -> str:
    """Return the table of both ways."""
    lines = [
        "| card, pixels a frame | about it, without flow | with flow | elsewhere, without | with |",
        "|---|---|---|---|---|",
    ]
    for speed in speeds:
        scene = Scene(speed)
        (without, away), (followed, still) = (
            errors(scene, every=every, with_flow=flow) for flow in (False, True)
        )
        pixels = _FOCAL * SIZE[0] / _CARD * speed
        lines.append(
            f"| {pixels:.1f} | {without:.2f} | {followed:.2f} | {away:.2f} | {still:.2f} |"
        )
    return "\n".join(lines) + "\n"


def _texture(x: np.ndarray, y: np.ndarray, phase: float) -> np.ndarray:
    """Return colours (H, W, 3) of points in metres, 0.1 to 0.9, finer than the card is wide."""
    waves = [
        np.sin(9.0 * x + 4.0 * y + phase) * np.cos(7.0 * y - 3.0 * x + 2 * phase),
        np.sin(13.0 * y + 5.0 * x + 3 * phase) * np.cos(6.0 * x + phase),
        np.sin(11.0 * x - 8.0 * y + 5 * phase),
    ]
    return 0.5 + 0.4 * np.stack(waves, -1)


def _grown(mask: np.ndarray, reach: int) -> np.ndarray:
    side = 2 * reach + 1
    padded = np.pad(mask, reach)
    return np.lib.stride_tricks.sliding_window_view(padded, (side, side)).any((-2, -1))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=4, help="of the model's frames (4)")
    parser.add_argument("--out", type=Path, help="a file for the table as well")
    given = parser.parse_args(arguments)
    text = table((0.0, 0.02, 0.05, 0.1), every=given.every)
    if given.out is not None:
        given.out.write_text(text)
    print(text, end="")  # noqa: T201


if __name__ == "__main__":
    main()
