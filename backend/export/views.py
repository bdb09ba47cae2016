"""What a dataset shows: the stills of a shot, or the frames of a take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from .. import media
from ..errors import ExportError
from ..geometry import scale_camera
from ..reader import ShotReader
from ..take import DEPTHS
from ..wire import Camera
from .frames import TakeFrames


@dataclass(frozen=True, slots=True)
class View:
    """One picture, where it was seen from, and what is known of it.

    Attributes:
        name: Name of its files, without a suffix.
        file: The picture as it lies on the disk.
        pixels: Returns (H, W, 3) float32 display values, 0 to 1.
        camera: Its camera, in pixels of `size`.
        size: (W, H) that `camera` and `depth` have; the picture may be larger or smaller.
        depth: Returns (H, W) float32 planar depth in metres, +inf for no hit; None if unknown.
        generated: Returns (H, W) float32, the generated share of each pixel; None for a still.
    """

    name: str
    file: Path
    pixels: Callable[[], np.ndarray]
    camera: Camera
    size: tuple[int, int]
    depth: Callable[[], np.ndarray] | None
    generated: Callable[[], np.ndarray] | None

    def camera_for(self, size: tuple[int, int]) -> Camera:
        """Return the camera in pixels of a picture of another size, (W, H)."""
        return scale_camera(self.camera, self.size, size)


def views_of_shot(reader: ShotReader) -> list[View]:
    """Return the stills of a shot."""
    views = []
    for position, still in enumerate(reader.shot.stills):
        known = still.camera is None and reader.shot.guide("depth")[still.index] is not None
        views.append(
            View(
                name=f"still_{position + 1:04d}",
                file=reader.folder / still.image,
                pixels=partial(_still, reader, position),
                camera=reader.still_camera(position),
                size=reader.shot.size,
                depth=partial(reader.still_depth, position) if known else None,
                generated=None,
            )
        )
    return views


def views_of_take(frames: TakeFrames, reader: ShotReader | None) -> list[View]:
    """Return the frames of a take.

    Args:
        frames: The take.
        reader: Its shot, for depth; without it depth is what the take itself has.

    Raises:
        ExportError: neither the take nor a shot says where the frames are seen from.
    """
    take = frames.take
    cameras = take.cameras if reader is None else reader.shot.cameras
    if not cameras:
        raise ExportError(
            f"The take '{frames.folder.name}' does not say where its frames are seen from, because"
            " an earlier version of Depthshot made it; give its shot too, or generate it again."
        )
    return [
        View(
            name=frames.name(index),
            file=frames.path(index),
            pixels=partial(frames.pixels, index),
            camera=camera,
            size=take.size,
            depth=_depth(frames, reader, index),
            generated=partial(frames.mask, index),
        )
        for index, camera in enumerate(cameras)
    ]


def _still(reader: ShotReader, position: int) -> np.ndarray:
    return reader.still(position).pixels


def _depth(
    frames: TakeFrames, reader: ShotReader | None, index: int
) -> Callable[[], np.ndarray] | None:
    if reader is not None and reader.shot.guide("depth")[index] is not None:
        return partial(reader.depth, index)
    name = f"{DEPTHS}/{frames.name(index)}.exr"
    if name not in frames.take.files:
        return None
    path = frames.folder / name
    return partial(media.read_depth, path, size=frames.take.size, place=f"The take's '{name}'")
