"""Render the true frames of a scene: what a take is measured against.

python examples/render_truth.py -- demo.blend --out truth --frames 1,2,24,25
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import bpy

# A script sees its own folder, a test the package.
if __package__:
    from . import command
else:
    import command

log = logging.getLogger(__name__)


def render_truth(
    scene: bpy.types.Scene, frames: list[int], out_dir: Path, *, samples: int | None = None
) -> list[Path]:
    """Render `frames` with the scene's own engine, settings and view transform.

    Sequencer, compositor, motion blur and dither are off and the whole frame is rendered, as
    for a still that is sent; the scene is left as it was.

    Args:
        scene: A scene with a camera.
        frames: Blender frame numbers.
        out_dir: Folder that gets `frames/0001.png` and so on: 8-bit RGB, sRGB.
        samples: Cycles samples instead of the scene's own. Leave it out to compare with a still.

    Returns:
        The files written, in the order of `frames`.

    Raises:
        ValueError: The scene has no camera, there are no frames, or `samples` is given for an
            engine other than Cycles.
        RuntimeError: Blender could not render or write a frame.
    """
    if scene.camera is None:
        raise ValueError(f"scene {scene.name!r} has no active camera: set one and render again")
    if not frames:
        raise ValueError("no frames to render: name at least one")
    if samples is not None and scene.render.engine != "CYCLES":
        raise ValueError(f"samples can be set for Cycles only, not for {scene.render.engine}")
    folder = Path(out_dir).resolve() / "frames"
    folder.mkdir(parents=True, exist_ok=True)
    before = scene.frame_current, scene.frame_subframe
    overrides = _overrides(scene, samples=samples)
    kept = [(owner, name, getattr(owner, name)) for owner, name, _ in overrides]
    written = []
    try:
        for owner, name, value in overrides:
            setattr(owner, name, value)
        for frame in frames:
            path = folder / f"{frame:04d}.png"
            scene.frame_set(frame)
            scene.render.filepath = str(path)
            bpy.ops.render.render(write_still=True, scene=scene.name)
            log.info("true frame %d: %s", frame, path)
            written.append(path)
    finally:
        for owner, name, value in kept:
            setattr(owner, name, value)
        scene.frame_set(before[0], subframe=before[1])
    return written


def _overrides(scene: bpy.types.Scene, *, samples: int | None) -> list[tuple]:
    """List (owner, property, value) in the order in which they must be set, and set back.

    The kind of file decides which formats there are, the format which depths.
    """
    render, image = scene.render, scene.render.image_settings
    values = [
        (render, "filepath", render.filepath),
        (render, "use_file_extension", True),
        (render, "use_overwrite", True),
        (render, "use_sequencer", False),
        (render, "use_compositing", False),
        (render, "use_motion_blur", False),
        (render, "use_border", False),
        (render, "use_multiview", False),
        (render, "use_stamp", False),
        (render, "dither_intensity", 0.0),
    ]
    # Since 5.0.
    if hasattr(image, "media_type"):
        values.append((image, "media_type", "IMAGE"))
    values += [
        (image, "file_format", "PNG"),
        (image, "color_mode", "RGB"),
        (image, "color_depth", "8"),
        (image, "compression", 15),
        (image, "color_management", "FOLLOW_SCENE"),
    ]
    if samples is not None:
        values.append((scene.cycles, "samples", samples))
    return values


def main(arguments: list[str]) -> int:
    """Open a .blend and render frames of its scene."""
    parser = argparse.ArgumentParser(prog="render_truth.py", description=__doc__.splitlines()[0])
    parser.add_argument("blend", type=Path, help="the .blend to open")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write into")
    parser.add_argument(
        "--frames", help="Blender frames, as 1,2,24; all of the scene's if left out"
    )
    parser.add_argument("--samples", type=int, help="Cycles samples; the scene's own if left out")
    options = parser.parse_args(arguments)
    if not options.blend.is_file():
        parser.error(f"{options.blend} does not exist")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    bpy.ops.wm.open_mainfile(filepath=str(options.blend.resolve()), load_ui=False)
    scene = bpy.context.scene
    frames = list(range(scene.frame_start, scene.frame_end + 1))
    if options.frames:
        try:
            frames = [int(part) for part in options.frames.split(",")]
        except ValueError:
            parser.error(f"--frames {options.frames!r} is not like 1,2,24")
    render_truth(scene, frames, options.out, samples=options.samples)
    return 0


if __name__ == "__main__":
    sys.exit(main(command.own_arguments()))
