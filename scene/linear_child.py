"""The second Blender that makes a take's scene-linear frames: run as `capture_child` is.

Each 16-bit PNG is read in the color space that is the inverse of its view, which makes its pixels
scene-linear, and written as a half-float EXR. Blender itself does the conversion, with its own
OpenColorIO configuration; nothing is rendered.
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
exr_encode = importlib.import_module(f"{_PACKAGE}.backend.exr_encode")


def run(job: capture_child.Job) -> int:
    """Convert every frame of the job; return the exit code."""
    try:
        # The artist's own startup file may have another working space.
        bpy.ops.wm.read_factory_settings(use_empty=True)
        check_working_space(job.linear)
        for picture in job.pictures:
            pixels = read_linear(job, picture["png"])
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


def read_linear(job: capture_child.Job, png: str) -> np.ndarray:
    """Return a frame (H, W, 3) float32, scene-linear, the first row at the top."""
    image = bpy.data.images.load(png)
    try:
        try:
            image.colorspace_settings.name = job.color_space
        except TypeError as reason:
            raise capture_child.RefusedError(
                f"this Blender has no color space “{job.color_space}”"
            ) from reason
        width, height = image.size
        values = np.empty(width * height * 4, np.float32)
        if [width, height] != job.size or not image.is_float or len(image.pixels) != len(values):
            raise capture_child.RefusedError(f"'{png}' is no 16-bit frame of the take")
        image.pixels.foreach_get(values)
    finally:
        bpy.data.images.remove(image)
    pixels = np.ascontiguousarray(values.reshape(height, width, 4)[::-1, :, :3])
    if not np.isfinite(pixels).all():
        raise capture_child.RefusedError(
            f"the inverse “{job.color_space}” gives no numbers for '{png}'"
        )
    return pixels


if __name__ == "__main__":
    capture_child.main(run)
