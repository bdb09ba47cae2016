"""Takes made without a backend, and ways to look at what Blender makes of them."""

import dataclasses
import hashlib
import json
import os
import struct
import zlib
from pathlib import Path

import bpy
import numpy as np
from bl_ext.devrepo.depthshot.backend.take import TAKE_FILE, Take, frame_name
from bl_ext.devrepo.depthshot.scene import compat

START = 5


def png(pixels):
    """Returns (H, W, 3) uint8 as the bytes of an 8-bit RGB PNG, written by hand: exact."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def values(path, *, fine=False):
    """Returns a picture's code values over their largest, (H, W, 4), first row at the top.

    `fine` asks for one of more than 8 bits.
    """
    image = bpy.data.images.load(str(path))
    image.colorspace_settings.name = "Non-Color"
    assert image.is_float or not fine
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    return pixels.reshape(height, width, 4)[::-1]


def read(path):
    """Returns the 8-bit code values of a picture as (H, W, 3) integers, first row at the top."""
    return np.rint(values(path)[..., :3] * 255).astype(int)


def make_take(folder, frames, *, start=1, fps=24.0):
    """Writes the pictures of a take, (H, W, 3) uint8 each; returns its record, not written yet."""
    files = {}
    for kind in ("frames", "mask"):
        (folder / kind).mkdir(parents=True)
        for index, pixels in enumerate(frames):
            path = Path(kind) / frame_name(start + index)
            data = png(pixels)
            (folder / path).write_bytes(data)
            files[path.as_posix()] = hashlib.sha256(data).hexdigest()
    height, width, _ = frames[0].shape
    return Take(
        shot_sha256="0" * 64,
        name="Scene",
        model="projection",
        revision="1",
        settings={},
        seed=0,
        frame_start=start,
        frames=len(frames),
        size=(width, height),
        fps=fps,
        digital_source_type="algorithmicMedia",
        generated=(0.0,) * len(frames),
        files=files,
        warnings=(),
        details={},
    )


def write_record(folder, take):
    """Writes a take's `take.json`; returns its path."""
    path = folder / TAKE_FILE
    path.write_text(json.dumps(take.to_json()), encoding="utf-8")
    return path


def finished(folder, pictures, *, start=START, age=0, **fields):
    """Writes a finished take of the scene “Shot” with its record, some seconds old."""
    take = dataclasses.replace(make_take(folder, pictures, start=start), name="Shot", **fields)
    os.utime(write_record(folder, take), (1e9 - age, 1e9 - age))
    return take


def noise(count, *, size=(32, 18), seed=1):
    """Returns `count` different pictures of random code values."""
    width, height = size
    return list(np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), np.uint8))


def strips(scene):
    """Returns the scene's strips, in the order they were made."""
    editor = scene.sequence_editor
    return [] if editor is None else list(compat.strips(editor))


def write_png(scene, *, depth="8"):
    """Makes the scene write PNG without alpha."""
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format = "PNG"
    settings.color_mode = "RGB"
    settings.color_depth = depth


def render(scene, path, frame=None, *, dither=0.0):
    """Renders a frame as F12 would, to an 8-bit PNG, dithered or not; returns its code values."""
    # The operator renders the scene it is given, but at the frame of the window's own scene.
    bpy.context.window.scene = scene
    if frame is not None:
        scene.frame_set(frame)
    write_png(scene)
    scene.render.dither_intensity = dither
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    return read(path)
