"""Views without anything on top of them, and all kinds of colours as such a view shows them."""

import bpy
import numpy as np
import pytest
from bl_ext.devrepo.depthshot.scene.color import show_plain

from tests.blender import takes

SIDE = 24

# (view transform, share of grey): largest mean and largest single difference in code values, in
# Blender 5.0 and newer, then in older ones.
BOUNDS = {
    ("Standard", 0.1): ((0, 0), (0, 0)),
    ("Standard", 0.0): ((0, 0), (0, 0)),
    ("Filmic", 0.1): ((0, 0), (0, 0)),
    ("Filmic", 0.0): ((0.2, 7), (0.2, 7)),
    ("AgX", 0.1): ((0.05, 7), (0.6, 20)),
    ("AgX", 0.0): ((0.3, 33), (0.8, 33)),
    ("ACES 1.3", 0.1): ((0.05, 2), None),
    ("ACES 1.3", 0.0): ((0.05, 2), None),
    ("ACES 2.0", 0.1): ((0, 0), None),
    ("ACES 2.0", 0.0): ((0, 0), None),
}


def bounds_of(view_transform, grey, *, table=BOUNDS):
    """Returns the bounds of a table in this Blender; skips the test where it has no such view."""
    bounds = table[view_transform, grey][0 if bpy.app.version >= (5, 0) else 1]
    if bounds is None:
        pytest.skip(f"this Blender has no {view_transform}")
    return bounds


def look(scene, view_transform):
    """Sets a view transform without anything on top of it."""
    show_plain(scene)
    scene.view_settings.view_transform = view_transform


def save_colours(scene, path, *, grey):
    """Saves scene-linear colours, dark to far above white, as the scene's view shows them.

    Each colour is mixed with the share `grey` of its own mean: 0 has primaries purer than any
    surface's. The scene's own image settings say how they are written.
    """
    steps = np.concatenate([[0.0], np.geomspace(0.002, 12, SIDE - 1)]).astype(np.float32)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    colours = np.stack([red, green, blue], axis=-1).reshape(SIDE * SIDE, SIDE, 3)
    colours += grey * (colours.mean(axis=-1, keepdims=True) - colours)
    pixels = np.ones((*colours.shape[:2], 4), np.float32)
    pixels[..., :3] = colours
    image = bpy.data.images.new("colours", SIDE, SIDE * SIDE, float_buffer=True)
    image.colorspace_settings.name = "Linear Rec.709"
    image.pixels.foreach_set(pixels.ravel())
    image.save_render(str(path), scene=scene)
    bpy.data.images.remove(image)


def through_the_view(scene, path, *, grey):
    """Returns the colours of `save_colours` as 8-bit code values, (H, W, 3) uint8."""
    takes.write_png(scene)
    save_colours(scene, path, grey=grey)
    return takes.read(path).astype(np.uint8)
