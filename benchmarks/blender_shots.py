"""Captures the example scenes as shots with true frames, for the other benchmarks.

    python3 dev.py blender benchmarks/blender_shots.py OUT [--size 832x480] [--frames 48]
        [--scenes loft,woodland]

Writes OUT/<scene>/shot and OUT/<scene>/truth for every example scene, or for those named, through
the extension's own capture. The truth is every twelfth of the way, and the frame after it.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import time
from pathlib import Path

import bpy
from bl_ext.devrepo.depthshot.scene.capture import Capture, CaptureSettings

from examples.render_truth import render_truth
from examples.scenes import SCENES

log = logging.getLogger(__name__)

TWELFTHS = (3, 6, 9, 12)  # of the camera's way: what the tables show


def capture(scene: bpy.types.Scene, folder: Path) -> None:
    """Capture the whole range of a scene into `folder`, the still at its first frame."""
    settings = CaptureSettings(
        scene=scene.name,
        frame_start=scene.frame_start,
        frame_end=scene.frame_end,
        still_source="RENDER",
        still_image=None,
        still_frame=scene.frame_start,
        supersample=1,
        with_flow=True,
        prompt="",
        negative_prompt="",
        seed=0,
        name=scene.name,
    )
    running = Capture.start(bpy.context, settings, cache=folder.parent / "captures")
    while not running.step().finished:
        time.sleep(0.05)
    running.folder.rename(folder)


def true_frames(first: int, last: int) -> list[int]:
    """Return the frames at `TWELFTHS` of the way, each with its neighbour."""
    ends = [first + round((last - first) * part / 12) for part in TWELFTHS]
    return sorted({frame for end in ends for frame in (end - 1, end) if frame > first})


def main() -> int:
    """Capture and render the scenes."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("out", type=Path)
    options.add_argument("--size", default="832x480", metavar="WxH")
    options.add_argument("--frames", type=int, default=48)
    options.add_argument("--scenes", default=",".join(SCENES), help="names, with commas between")
    given = options.parse_args()
    names = given.scenes.split(",")
    unknown = sorted(set(names) - set(SCENES))
    if unknown:
        options.error(f"there is no scene {', '.join(unknown)}; there are: {', '.join(SCENES)}")
    width, height = (int(side) for side in given.size.split("x"))
    for name in names:
        folder = (given.out / name).resolve()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        scene = SCENES[name](size=(width, height), frames=given.frames)
        log.info("capturing %s", name)
        capture(scene, folder / "shot")
        render_truth(scene, true_frames(scene.frame_start, scene.frame_end), folder / "truth")
        shutil.rmtree(folder / "captures")
    return 0


if __name__ == "__main__":
    sys.exit(main())
