"""A shot with its true frames in fine texture, and takes made from them with one known fault each.

The colours of `tests.analytic` are so smooth that blur would hardly show. Waves of a few pixels,
fixed to the world's points, are added to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from backend import media
from backend.bundle import shot_hash
from backend.geometry import unproject
from backend.take import FRAMES, MASKS, Take, frame_name
from backend.wire import Camera, Shot, read_shot
from tests.analytic import analytic_shot, path, render

SIZE = (208, 120)
COUNT = 6
STEP = 0.12

_WAVES = np.random.default_rng(3).normal(size=(12, 3))
_WAVES *= 32 / np.linalg.norm(_WAVES, axis=1, keepdims=True)  # radians a metre: 6 to 14 pixels


@dataclass(frozen=True, slots=True)
class Clips:
    """The folders of a shot and its truth, and the true frames (H, W, 3) uint8."""

    shot: Path
    truth: Path
    frames: tuple[np.ndarray, ...]

    def read(self) -> Shot:
        """Return the shot."""
        return read_shot(self.shot)


def make_clips(folder: Path, **options: object) -> Clips:
    """Write a shot (options as `analytic_shot`) and its truth below `folder`."""
    options = {"frames": COUNT, "size": SIZE, "step": STEP} | options
    shot_folder = analytic_shot(folder / "shot", **options)
    shot = read_shot(shot_folder)
    scene = str(options.get("scene", "room"))
    frames = tuple(picture(camera, shot.size, scene=scene) for camera in shot.cameras)
    return Clips(shot_folder, write_clip(folder / "truth", shot, frames), frames)


def picture(camera: Camera, size: tuple[int, int], *, scene: str = "room") -> np.ndarray:
    """Return a true frame (H, W, 3) uint8."""
    colors, depth = render(camera, size, scene=scene, samples=2)
    points = np.nan_to_num(unproject(np.where(np.isfinite(depth), depth, 0), camera))
    detail = np.sin(points @ _WAVES.T).sum(axis=-1, keepdims=True) / np.sqrt(len(_WAVES))
    hit = np.isfinite(depth)[..., None]
    return media.to_8bit((0.15 + 0.7 * colors + 0.1 * detail * hit).astype(np.float32))


def write_clip(
    folder: Path,
    shot: Shot,
    frames: Sequence[np.ndarray | None],
    masks: Sequence[np.ndarray | None] = (),
) -> Path:
    """Write frames and masks (None leaves one out) as a take or truth; return `folder`."""
    for kind, items, encode in (
        (FRAMES, frames, media.encode_png),
        (MASKS, masks, media.encode_mask),
    ):
        (folder / kind).mkdir(parents=True)
        for index, item in enumerate(items):
            if item is not None:
                (folder / kind / frame_name(shot.frame(index))).write_bytes(encode(item))
    return folder


def record(clips: Clips, **changes: object) -> Take:
    """Return the record of a finished take of the shot, with some fields changed."""
    shot = clips.read()
    return replace(
        Take(
            shot_sha256=shot_hash(clips.shot),
            name=shot.name,
            model="projection",
            revision="1",
            settings={},
            seed=0,
            frame_start=shot.frame_start,
            frames=shot.frames,
            size=shot.size,
            fps=shot.fps,
            digital_source_type="algorithmicMedia",
            generated=(0.0,) * shot.frames,
            files={},
            warnings=(),
            details={},
        ),
        **changes,
    )


def slower(clips: Clips, share: float) -> list[np.ndarray]:
    """Return the frames of a camera that moves at a share of the speed asked for."""
    return [
        picture(camera, SIZE) for camera in path(len(clips.frames), size=SIZE, step=STEP * share)
    ]
