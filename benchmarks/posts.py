"""A shot made up in memory, and what a model is given and gives there: no file is read or written.

Posts before a wall, a camera that passes them. Torch is not needed, nor is anything that decodes
pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np

from backend.wire import Camera, Shot, Still

FPS = 24.0
WAY = (0.3, 0.03, 0.06)  # metres that the camera moves: mostly sideways

# Axis, its level, lowest and highest corner of each rectangle, metres, +Y up: floor, wall, posts.
_RECTANGLES = (
    (1, -1.2, (-30, -9, -30), (30, 9, 9)),
    (2, -7.0, (-30, -9, -9), (30, 4.0, 9)),
    *((2, -2.4 - 0.9 * (n % 3), (x, -1.2, -9), (x + 0.28, 1.1, 9)) for n, x in
      enumerate((-2.4, -1.5, -0.7, 0.2, 0.9, 1.8, 2.7))),
)  # fmt: skip

Frames = dict[int, tuple[np.ndarray, np.ndarray]]


@dataclass(slots=True)
class MemoryReader:
    """What a model asks of a `ShotReader`, from memory."""

    shot: Shot
    picture: np.ndarray
    depths: Sequence[np.ndarray]

    def still(self, position: int) -> SimpleNamespace:
        """Return the still with its pixels (H, W, 3) float32."""
        return SimpleNamespace(pixels=self.picture)

    def still_camera(self, position: int) -> Camera:
        """Return the still's camera."""
        return self.shot.cameras[self.shot.stills[position].index]

    def still_depth(self, position: int) -> np.ndarray:
        """Return planar depth (H, W) at the still."""
        return self.depth(self.shot.stills[position].index)

    def depth(self, index: int) -> np.ndarray:
        """Return planar depth (H, W) of a frame, the caller's own."""
        return self.depths[index].copy()

    def lock(self, index: int) -> None:
        """Return how much is to be kept of a frame: nothing is said."""


@dataclass(slots=True)
class MemorySink:
    """Keeps the frames."""

    frames: Frames = field(default_factory=dict)

    def progress(
        self, phase: str, done: int, total: int, *, part: str = "", share: float | None = None
    ) -> None:
        """See `models.interface.Sink`."""

    def shown(self, index: int, *, video: np.ndarray, mask: np.ndarray) -> None:
        """See `models.interface.Sink`."""

    def preview(self, image: np.ndarray) -> None:
        """See `models.interface.Sink`."""

    def record(self, name: str, value: object) -> None:
        """See `models.interface.Sink`."""

    def frame(
        self, index: int, *, image: np.ndarray, mask: np.ndarray, depth: np.ndarray | None = None
    ) -> None:
        """See `models.interface.Sink`."""
        self.frames[index] = (image, mask)

    def warn(self, message: str) -> None:
        """See `models.interface.Sink`."""


def make_shot(
    size: tuple[int, int], frames: int, *, way: tuple[float, float, float] = WAY
) -> MemoryReader:
    """Return a shot of posts before a wall, with exact depth; the camera moves straight on."""
    width, height = size
    cameras, depths = [], []
    for number in range(frames):
        x, y, z = (length * (number / max(frames - 1, 1) - 0.5) for length in way)
        pose = ((1, 0, 0, x), (0, 1, 0, y), (0, 0, 1, z), (0, 0, 0, 1))
        matrix = tuple(tuple(float(value) for value in row) for row in pose)
        cameras.append(Camera(0.9 * width, 0.9 * width, width / 2, height / 2, matrix))
    colours, first = cast(cameras[0], size)
    depths = [first, *(cast(camera, size)[1] for camera in cameras[1:])]
    shot = Shot(
        name="posts",
        size=size,
        fps=FPS,
        frame_start=1,
        stills=(Still("still", 0),),
        cameras=tuple(cameras),
        guides={"depth": tuple(f"depth/{number}" for number in range(frames))},
    )
    return MemoryReader(shot, colours, depths)


def cast(camera: Camera, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return colours (H, W, 3) and planar depth (H, W), float32, by casting rays."""
    width, height = size
    v, u = np.mgrid[:height, :width] + 0.5
    rays = np.stack([(u - camera.cx) / camera.fl_x, -(v - camera.cy) / camera.fl_y, -1 + 0 * u], -1)
    origin = np.array(camera.transform_matrix)[:3, 3]
    depth, number = np.full(u.shape, np.inf), np.zeros(u.shape)
    for surface, (axis, level, low, high) in enumerate(_RECTANGLES, start=1):
        with np.errstate(divide="ignore"):
            distance = (level - origin[axis]) / rays[..., axis]
        point = origin + rays * np.where(np.isfinite(distance), distance, -1.0)[..., None]
        inside = ((point >= low) & (point <= high)).all(-1)
        nearer = inside & (distance > 0) & (distance < depth)
        depth, number = np.where(nearer, distance, depth), np.where(nearer, surface, number)
    point = origin + rays * np.where(np.isfinite(depth), depth, 60.0)[..., None]
    total = np.zeros(point.shape)
    for octave in range(5):
        turned = point * [3.1, 2.3, 2.7] * 2**octave + number[..., None] * [1.0, 2.0, 3.0]
        total += np.sin(turned + np.roll(turned, 1, axis=-1)) / 1.6**octave
    return (0.5 + 0.17 * total).clip(0, 1).astype(np.float32), depth.astype(np.float32)
