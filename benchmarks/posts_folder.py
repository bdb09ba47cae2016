"""The made-up shot of `posts` as folders: a shot that `generate` takes, and its true frames."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from backend import media
from backend.take import FRAMES, frame_name
from backend.wire import Shot, Still, write_shot

from .posts import WAY, cast, make_shot

TWELFTHS = (3, 6, 9, 12)  # of the camera's way, as `blender_shots` renders them


def write_posts(
    folder: Path,
    *,
    size: tuple[int, int],
    frames: int,
    way: tuple[float, float, float] = WAY,
    name: str = "posts",
    prompt: str = "",
) -> Path:
    """Write `folder/shot` and `folder/truth`; return `folder`.

    Args:
        folder: Where they go; made here.
        size: Width and height.
        frames: Of the shot; its still is the first.
        way: Metres that the camera moves.
        name: Of the shot.
        prompt: Its words.
    """
    reader = make_shot(size, frames, way=way)
    shot = folder / "shot"
    (shot / "depth").mkdir(parents=True)
    levels = np.round(reader.picture * np.float32(2**16 - 1)).astype(np.uint16)
    (shot / "still.png").write_bytes(media.encode_png(levels))
    paths = tuple(f"depth/{reader.shot.frame(index):04d}.exr" for index in range(frames))
    for path, depth in zip(paths, reader.depths, strict=True):
        media.write_depth(shot / path, depth)
    made = replace(
        reader.shot,
        name=name,
        prompt=prompt,
        stills=(Still("still.png", 0),),
        guides={"depth": paths},
    )
    write_shot(made, shot)
    write_truth(folder / "truth", made, true_indices(frames))
    return folder


def write_truth(folder: Path, shot: Shot, indices: Iterable[int]) -> None:
    """Write true frames of a shot of posts."""
    (folder / FRAMES).mkdir(parents=True)
    for index in indices:
        pixels, _ = cast(shot.cameras[index], shot.size)
        content = media.encode_png(media.to_8bit(pixels))
        (folder / FRAMES / frame_name(shot.frame(index))).write_bytes(content)


def true_indices(frames: int) -> list[int]:
    """Return those at `TWELFTHS` of the way, each with the one before it."""
    ends = [round((frames - 1) * part / 12) for part in TWELFTHS]
    return sorted({index for end in ends for index in (end - 1, end) if index > 0})
