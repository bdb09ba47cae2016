"""Takes of known pictures, for the tests of exports."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from backend import media
from backend.marks import SOURCE_TYPES
from backend.take import TAKE_FILE, Take, frame_name, hash_file

SOURCE = "compositeWithTrainedAlgorithmicMedia"
SOURCE_ADDRESS = SOURCE_TYPES + SOURCE


def picture(index: int, size: tuple[int, int]) -> np.ndarray:
    """Return smooth (H, W, 3) uint8 colours over the whole range that differ from frame to frame.

    Smooth, because what a codec does to noise says nothing about colour.
    """
    width, height = size
    y, x = np.mgrid[:height, :width].astype(np.float64)
    waves = [
        np.sin(2 * np.pi * (x / width * (1 + 0.2 * index) + phase)) * np.cos(np.pi * y / height)
        for phase in (0.0, 0.33, 0.66)
    ]
    return np.rint(127.5 + 127.5 * np.stack(waves, -1)).astype(np.uint8)


def write_take(
    folder: Path,
    *,
    frames: int = 5,
    size: tuple[int, int] = (64, 40),
    fps: float = 24.0,
    start: int = 1,
    pictures: list[np.ndarray] | None = None,
    **changes: object,
) -> Take:
    """Write a finished take of `picture`s (or of others), a quarter of each generated."""
    for kind in ("frames", "mask"):
        (folder / kind).mkdir(parents=True)
    if pictures is None:
        pictures = [picture(index, size) for index in range(frames)]
    mask = np.zeros(size[::-1], np.uint8)
    mask[: size[1] // 2, : size[0] // 2] = 255
    mask[-1, -1] = 100
    for index, pixels in enumerate(pictures):
        name = frame_name(start + index)
        (folder / "frames" / name).write_bytes(media.encode_png(pixels))
        (folder / "mask" / name).write_bytes(media.encode_mask(mask))
    values = {
        "shot_sha256": "0" * 64,
        "name": "Courtyard",
        "model": "draft",
        "revision": "abc123",
        "settings": {},
        "seed": 0,
        "frame_start": start,
        "frames": len(pictures),
        "size": size,
        "fps": fps,
        "digital_source_type": SOURCE,
        "generated": (0.25,) * len(pictures),
        "files": {
            path.relative_to(folder).as_posix(): hash_file(path)
            for path in sorted(folder.rglob("*.png"))
        },
        "warnings": (),
        "details": {},
    }
    take = Take(**(values | changes))
    (folder / TAKE_FILE).write_text(json.dumps(take.to_json()))
    return take


def quiet() -> dict[str, object]:
    """Return how a test calls an export that it does not follow."""
    return {"on_progress": lambda done, total: None, "should_stop": lambda: False}
