"""Generations under way, and what there is of them."""

import json
import time

import bpy
from bl_ext.devrepo.depthshot.operators.generation import Generation
from bl_ext.devrepo.depthshot.operators.interface import open_file
from bl_ext.devrepo.depthshot.operators.pending import claim_next
from bl_ext.devrepo.depthshot.operators.request import read_request
from bl_ext.devrepo.depthshot.preferences import preferences
from bl_ext.devrepo.depthshot.scene.child_process import wait_for_ends

from tests.blender import takes

FRAMES = range(5, 8)


def furnish(scene):
    """Makes a scene tiny, with all that a shot needs: a shape, a light, a camera that moves."""
    scene.depthshot.model = "projection"  # the quickest: what is tested is the way, not the model
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 1
    scene.render.resolution_x, scene.render.resolution_y = 64, 36
    scene.frame_start, scene.frame_end = FRAMES[0], FRAMES[-1]
    bpy.ops.mesh.primitive_cube_add(size=2)
    bpy.ops.mesh.primitive_plane_add(size=40, location=(0, 0, -1))
    sun = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
    sun.rotation_euler = (0.6, 0.4, 0)
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.rotation_euler = (1.1, 0, 0)
    for item in (sun, camera):
        scene.collection.objects.link(item)
    for frame, x in ((FRAMES[0], -0.3), (FRAMES[-1], 0.3)):
        camera.location = (x, -7, 3.5)
        camera.keyframe_insert("location", frame=frame)
    scene.camera = camera
    scene.frame_set(FRAMES[0])
    return scene


def state():
    """Returns what a generation that came to nothing must leave as it was."""
    scenes = {
        scene.name: (
            len(takes.strips(scene)),
            scene.frame_current,
            scene.render.filepath,
            scene.render.engine,
            scene.view_settings.view_transform,
        )
        for scene in bpy.data.scenes
    }
    return scenes, sorted(bpy.data.objects.keys()), bpy.data.filepath, bpy.data.is_dirty


def start():
    return Generation.start(bpy.context, read_request(bpy.context))


def run(generation, until=lambda generation: False):
    """Steps a generation to its end, or until something is so."""
    while generation.outcome is None and not until(generation):
        generation.step()
        time.sleep(0.02)
    assert generation.outcome is None or wait_for_ends()
    return generation


def in_stage(stage):
    return lambda generation: generation.clock.phase.startswith(stage.label)


def waiting():
    """Returns the jobs that are noted, of any file."""
    notes = (preferences(bpy.context).data / "pending").glob("*.json")
    return [json.loads(path.read_text())["job"] for path in notes]


def finish(backend, job):
    """Waits until a job is over; returns its last event."""
    events = backend.follow(job)
    while not (last := events.drain()) or not last[-1].final:
        time.sleep(0.02)
    return last[-1]


def sent(backend):
    """Sends the scene's shot and leaves it, as a Blender that ends does; returns the job, done."""
    generation = run(start(), lambda generation: generation.pending is not None)
    generation.abandon()
    assert finish(backend, generation.pending.job).kind == "done"
    return generation.pending.job


def claim():
    return claim_next(preferences(bpy.context).data, open_file())
