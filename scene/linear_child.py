"""The second Blender that makes a take's scene-linear frames: run as `capture_child` is.

Each 16-bit PNG is read in the color space that is the inverse of its view, which makes its pixels
scene-linear, and written as a half-float EXR. Blender itself does the conversion, with its own
OpenColorIO configuration; nothing is rendered.

The inverses of Filmic and AgX there are tables, and not exact. So what was read is shown through
the view again, and where that is not the frame, the frame's values are moved by the difference and
read anew; the best of each pixel is kept. (Fixed-point iteration: c' = c' + c - view(inverse(c')).)
"""

from __future__ import annotations

import hashlib
import importlib
import sys
import types
from pathlib import Path

import bpy
import numpy as np


def _extension() -> str:
    """Make the extension's folders importable as a package that need not be enabled here."""
    package = types.ModuleType("depthshot_linear_child")
    package.__path__ = [str(Path(__file__).parent.parent)]
    sys.modules[package.__name__] = package
    return package.__name__


_PACKAGE = _extension()
capture_child = importlib.import_module(f"{_PACKAGE}.scene.capture_child")
compat = importlib.import_module(f"{_PACKAGE}.scene.compat")
png = importlib.import_module(f"{_PACKAGE}.backend.png")
exr_encode = importlib.import_module(f"{_PACKAGE}.backend.exr_encode")

LARGEST_ERROR = 0.05 / 255
"""Of a display value, 0 to 1: what half floats alone cost is less."""
ROUNDS = 3
"""Measured: more of them gain hardly anything."""
MOST_COLUMNS = 1024


def run(job: capture_child.Job) -> int:
    """Convert every frame of the job; return the exit code."""
    try:
        # The artist's own startup file may have another working space.
        bpy.ops.wm.read_factory_settings(use_empty=True)
        check_working_space(job.linear)
        scene = prepare(job.view)
        for picture in job.pictures:
            pixels = linear_frame(job, scene, Path(picture["png"]))
            data = exr_encode.encode_linear(pixels, text=job.text)
            Path(picture["linear"]).write_bytes(data)
            job.say("frame", path=picture["name"], sha256=hashlib.sha256(data).hexdigest())
    except capture_child.RefusedError as reason:
        job.say("refused", message=str(reason))
        return capture_child.REFUSED
    job.say("finished")
    return capture_child.OK


def check_working_space(linear: str) -> None:
    """Refuse where Blender's own scene-linear values have other primaries than the files say."""
    image = bpy.data.images.new("Depthshot", 1, 1, float_buffer=True)
    name = image.colorspace_settings.name
    bpy.data.images.remove(image)
    if name != linear:
        raise capture_child.RefusedError(
            f"this Blender's color configuration works in “{name}”, and OpenEXR takes are in"
            f" “{linear}” alone"
        )


def prepare(view: str) -> bpy.types.Scene:
    """Return a scene that shows pictures through a view transform alone, as 16-bit PNG."""
    scene = bpy.context.scene
    scene.display_settings.display_device = "sRGB"
    scene.view_settings.view_transform = view
    scene.view_settings.look = "None"
    compat.use_png16(scene.render.image_settings)
    scene.render.image_settings.compression = 0  # read once and thrown away
    scene.render.dither_intensity = 0
    return scene


def linear_frame(job: capture_child.Job, scene: bpy.types.Scene, path: Path) -> np.ndarray:
    """Return a frame (H, W, 3) float32 of values that half floats hold, scene-linear."""
    frame = read(path, "Non-Color")
    if [frame.shape[1], frame.shape[0]] != job.size:
        raise capture_child.RefusedError(f"'{path}' is no 16-bit frame of the take")
    linear = halved(read(path, job.color_space))
    if not np.isfinite(linear).all():
        raise capture_child.RefusedError(
            f"the inverse “{job.color_space}” gives no numbers for '{path}'"
        )
    missing = frame - shown(linear, scene, job.work)
    wrong = np.abs(missing).max(axis=-1) > LARGEST_ERROR
    if wrong.any():
        linear[wrong] = refined(job, scene, frame[wrong], linear[wrong], missing[wrong])
    return linear


def refined(
    job: capture_child.Job,
    scene: bpy.types.Scene,
    wanted: np.ndarray,
    linear: np.ndarray,
    missing: np.ndarray,
) -> np.ndarray:
    """Return scene-linear colours (N, 3) that are shown nearer to those that are wanted.

    Args:
        job: The job.
        scene: What shows them.
        wanted: (N, 3) display values.
        linear: (N, 3) scene-linear values so far.
        missing: (N, 3) `wanted` less what these are shown as.
    """
    best, error = linear.copy(), np.abs(missing).max(axis=-1)
    moved, left = wanted.copy(), np.arange(len(wanted))
    for _ in range(ROUNDS):
        moved[left] = np.clip(moved[left] + missing, 0, 1)
        fresh, seen = converted(job, scene, moved[left])
        missing = wanted[left] - seen
        now = np.abs(missing).max(axis=-1)
        better = np.isfinite(fresh).all(axis=-1) & (now < error[left])
        best[left[better]], error[left[better]] = fresh[better], now[better]
        still = now > LARGEST_ERROR
        left, missing = left[still], missing[still]
        if not len(left):
            break
    return best


def converted(
    job: capture_child.Job, scene: bpy.types.Scene, colours: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return display values (N, 3) as scene-linear ones, and as what these are shown as."""
    width = min(len(colours), MOST_COLUMNS)
    picture = np.pad(colours, ((0, -len(colours) % width), (0, 0))).reshape(-1, width, 3)
    path = job.work / "moved.png"
    path.write_bytes(png.encode(np.rint(picture * 65535).astype(np.uint16)))
    linear = halved(read(path, job.color_space))
    back = shown(linear, scene, job.work)
    return linear.reshape(-1, 3)[: len(colours)], back.reshape(-1, 3)[: len(colours)]


def halved(pixels: np.ndarray) -> np.ndarray:
    """Return what is left of float32 values in half floats."""
    largest = exr_encode.LARGEST_HALF
    return np.clip(pixels, -largest, largest).astype(np.float16).astype(np.float32)


def shown(linear: np.ndarray, scene: bpy.types.Scene, folder: Path) -> np.ndarray:
    """Return scene-linear values (H, W, 3) as the scene's view shows them, 0 to 1."""
    height, width, _ = linear.shape
    values = np.ones((height, width, 4), np.float32)
    values[..., :3] = linear[::-1]
    image = bpy.data.images.new("Depthshot", width, height, float_buffer=True)
    try:
        image.pixels.foreach_set(values.ravel())
        image.save_render(str(folder / "shown.png"), scene=scene)
    finally:
        bpy.data.images.remove(image)
    return read(folder / "shown.png", "Non-Color")


def read(path: Path, color_space: str) -> np.ndarray:
    """Return a 16-bit picture (H, W, 3) float32 read in a color space, the top row first."""
    image = bpy.data.images.load(str(path))
    try:
        try:
            image.colorspace_settings.name = color_space
        except TypeError as reason:
            raise capture_child.RefusedError(
                f"this Blender has no color space “{color_space}”"
            ) from reason
        width, height = image.size
        values = np.empty(width * height * 4, np.float32)
        if not image.is_float or len(image.pixels) != len(values):
            raise capture_child.RefusedError(f"'{path}' is no 16-bit frame of the take")
        image.pixels.foreach_get(values)
    finally:
        bpy.data.images.remove(image)
    return np.ascontiguousarray(values.reshape(height, width, 4)[::-1, :, :3])


if __name__ == "__main__":
    capture_child.main(run)
