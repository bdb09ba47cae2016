"""Takes of 16-bit PNG made without a backend, and renders of 16 bits to compare them with."""

import dataclasses
import hashlib
from pathlib import Path

import bpy
import numpy as np
from bl_ext.devrepo.depthshot.backend import png

from tests.blender import looks, takes


def save_as_16_bit(scene):
    """Makes the scene write 16-bit PNG without dithering."""
    takes.write_png(scene, depth="16")
    scene.render.dither_intensity = 0


def read(path):
    """Returns the 16-bit code values of a picture as (H, W, 3) uint16, first row at the top."""
    return np.rint(takes.values(path, fine=True)[..., :3] * 65535).astype(np.uint16)


def through_the_view(scene, path, *, grey):
    """Returns the colours of `looks.save_colours` as 16-bit code values, (H, W, 3) uint16."""
    save_as_16_bit(scene)
    looks.save_colours(scene, path, grey=grey)
    return read(path)


def noise(count, *, size=(32, 18), seed=1):
    """Returns `count` different pictures of random 16-bit code values."""
    width, height = size
    generator = np.random.default_rng(seed)
    return list(generator.integers(0, 65536, (count, height, width, 3), np.uint16))


def make_take(folder, frames, **options):
    """Writes a finished take of pictures, (H, W, 3) uint16 each, and its record; returns that."""
    coarse = takes.make_take(folder, [(frame >> 8).astype(np.uint8) for frame in frames], **options)
    files = dict(coarse.files)
    for index, frame in enumerate(frames):
        path = Path(coarse.picture(coarse.frame_start + index))
        data = png.encode(frame)
        (folder / path).write_bytes(data)
        files[path.as_posix()] = hashlib.sha256(data).hexdigest()
    take = dataclasses.replace(coarse, files=files, format="png16")
    takes.write_record(folder, take)
    return take


def render(scene, path, frame=1):
    """Renders a frame as F12 would, to a 16-bit PNG; returns its code values."""
    bpy.context.window.scene = scene
    scene.frame_set(frame)
    save_as_16_bit(scene)
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    return read(path)
