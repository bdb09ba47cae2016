"""Small scenes, captures of them, and the pixels that came out."""

import math
import time
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from bl_ext.devrepo.depthshot.backend.wire import Shot, read_shot
from bl_ext.devrepo.depthshot.scene.capture import Capture, CaptureSettings
from bl_ext.devrepo.depthshot.scene.child_process import wait_for_ends

from tests.blender import exr_pixels

LIMIT = 120.0  # seconds; a capture that takes longer hangs


def settings(scene, start=1, end=1, still=None, **changes):
    """Settings for a capture of `scene`, the still at the first frame."""
    return CaptureSettings(
        scene=scene.name,
        frame_start=start,
        frame_end=end,
        still_frame=start if still is None else still,
        **changes,
    )


def start(scene, cache, **changes):
    """Starts a capture."""
    return Capture.start(bpy.context, settings(scene, **changes), cache=cache)


def capture(scene, cache, **changes):
    """Captures to the end and returns the finished `Capture`."""
    running = start(scene, cache, **changes)
    finish(running)
    return running


def finish(running):
    """Steps a capture to its end; returns all that it told on the way."""
    told = []
    limit = time.monotonic() + LIMIT
    try:
        while not (progress := running.step()).finished:
            assert time.monotonic() < limit, f"still {progress}"
            if not told or told[-1] != progress:
                told.append(progress)
            time.sleep(0.01)
    finally:
        assert running.child_pid is not None or wait_for_ends()
    return [*told, progress]


def step_until(running, condition):
    """Steps a capture until its progress meets a condition."""
    limit = time.monotonic() + LIMIT
    while not condition(progress := running.step()):
        assert time.monotonic() < limit, f"still {progress}"
        time.sleep(0.01)


@dataclass
class Shown:
    """A shot and the pixels of its guides."""

    folder: Path
    shot: Shot

    def depth(self, index=0):
        """(H, W) metres, +inf where nothing is hit."""
        channels = exr_pixels.read(self.folder / self.shot.guides["depth"][index])
        (values,) = [
            channels[name]
            for name in channels
            if name.endswith("Depth.Z") or name in ("V", "R", "Depth.V")
        ]
        return np.where(values >= 1e9, np.inf, values)

    def flow(self, index=0):
        """(H, W, 4): previous u, v and next u, v, pixels, y down."""
        channels = exr_pixels.read(self.folder / self.shot.guides["flow"][index])
        x, y, z, w = (
            next(channels[name] for name in channels if name.endswith(f"Vector.{axis}"))
            for axis in "XYZW"
        )
        return np.stack([x, -y, -z, w], axis=-1)


def shown(finished):
    """Reads the shot of a finished capture."""
    return Shown(finished.folder, read_shot(finished.folder))


def small(scene, size=(64, 36)):
    """Makes a scene's pictures small and quick."""
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 1
    scene.cycles.use_denoising = False
    scene.render.resolution_x, scene.render.resolution_y = size
    scene.render.resolution_percentage = 100
    return scene


def add(scene, name, data):
    """Adds an object with `data` (None for an empty) to the scene."""
    thing = bpy.data.objects.new(name, data)
    scene.collection.objects.link(thing)
    return thing


def add_camera(scene, location=(0, 0, 8), rotation=(0, 0, 0), name="Camera"):
    """Adds a camera and makes it active; it looks down from (0, 0, 8)."""
    camera = add(scene, name, bpy.data.cameras.new(name))
    camera.location = location
    camera.rotation_euler = [math.radians(angle) for angle in rotation]
    scene.camera = camera
    return camera


def add_mesh(scene, name, points, faces):
    """Adds a mesh from points and faces."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(points, [], faces)
    return add(scene, name, mesh)


def add_plane(scene, name="Plane", half=50.0, location=(0, 0, 0)):
    """Adds a square facing up."""
    corners = [(-half, -half, 0), (half, -half, 0), (half, half, 0), (-half, half, 0)]
    plane = add_mesh(scene, name, corners, [(0, 1, 2, 3)])
    plane.location = location
    return plane


def add_material(thing, name="Material"):
    """Gives an object a material with an empty node tree and an output; returns tree, output."""
    material = bpy.data.materials.new(name)
    if bpy.app.version < (5, 0):
        material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    thing.data.materials.append(material)
    return tree, tree.nodes.new("ShaderNodeOutputMaterial")


def move(thing, path, frames):
    """Keys a property: {frame: value}, in straight lines between."""
    for frame, value in frames.items():
        setattr(thing, path, value)
        thing.keyframe_insert(path, frame=frame)
    for curve in curves(thing.animation_data.action):
        for key in curve.keyframe_points:
            key.interpolation = "LINEAR"


def curves(action):
    """All F-curves of an action; Blender 5 has them in layers only."""
    if hasattr(action, "fcurves"):
        return list(action.fcurves)
    strips = [strip for layer in action.layers for strip in layer.strips]
    return [curve for strip in strips for bag in strip.channelbags for curve in bag.fcurves]
