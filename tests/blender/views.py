"""A scene with a camera that moves, zooms and shifts, and renders that show one pixel at a time."""

import bpy
import numpy as np
from bl_ext.devrepo.depthshot.scene.color import show_plain

from tests.blender import takes

SIZE = (32, 18)
FRAMES = range(5, 8)


def exact(scene):
    """Makes Cycles render each pixel as what is at its centre, through the Standard view."""
    show_plain(scene)
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 1
    scene.cycles.use_denoising = False
    scene.cycles.pixel_filter_type = "BOX"
    scene.cycles.filter_width = 0.01
    scene.render.resolution_x, scene.render.resolution_y = SIZE


def blurred(scene):
    """Makes Cycles filter pixels as widely as artists do."""
    scene.cycles.samples = 32
    scene.cycles.pixel_filter_type = "BLACKMAN_HARRIS"
    scene.cycles.filter_width = 2.0


def moving_camera(scene, *, name="Camera", fit="AUTO", scale=(1, 1, 1)):
    """Adds a camera that moves, turns, zooms and shifts over FRAMES, under a scaled parent."""
    parent = bpy.data.objects.new(f"{name} rig", None)
    parent.location = (1, 2, 3)
    parent.scale = scale
    lens = bpy.data.cameras.new(name)
    lens.sensor_fit = fit
    lens.sensor_width, lens.sensor_height = 30, 20
    camera = bpy.data.objects.new(name, lens)
    camera.parent = parent
    for item in (parent, camera):
        scene.collection.objects.link(item)
    for share, frame in zip((0, 0.4, 1), FRAMES, strict=True):
        camera.location = (share - 0.5, -6, 1 + share)
        camera.rotation_euler = (1.3, 0.1 * share, 0.3 * share - 0.2)
        camera.keyframe_insert("location", frame=frame)
        camera.keyframe_insert("rotation_euler", frame=frame)
        lens.lens, lens.shift_x, lens.shift_y = 30 + 12 * share, 0.2 - 0.3 * share, 0.1 * share
        for path in ("lens", "shift_x", "shift_y"):
            lens.keyframe_insert(path, frame=frame)
    scene.camera = camera
    scene.frame_start, scene.frame_end = FRAMES[0], FRAMES[-1]
    scene.frame_set(FRAMES[0])
    return camera


def make_take(folder, *, size=SIZE, smooth=False, grey=None):
    """Writes a take of FRAMES, each its own noise or smooth gradients, or all of one grey.

    Returns its record and its pictures.
    """
    frames = takes.noise(len(FRAMES), size=size)
    if smooth:
        y, x = np.mgrid[0 : size[1], 0 : size[0]]
        frames = [
            np.stack([6 * x + 10, 11 * y + 10, 40 * index + 3 * x + 20], axis=-1).astype(np.uint8)
            for index in range(len(FRAMES))
        ]
    if grey is not None:
        frames = [np.full((size[1], size[0], 3), grey, np.uint8)] * len(FRAMES)
    return takes.make_take(folder, frames, start=FRAMES[0]), frames


def finished_take(folder):
    """Writes a take of FRAMES with its record; returns its folder."""
    take, _ = make_take(folder)
    takes.write_record(folder, take)
    return folder
