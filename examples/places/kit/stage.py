"""The scene round the things: render settings, sky, sun, lamps, and a camera that moves."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import bpy
from mathutils import Vector

from .materials import with_nodes
from .palette import Palette
from .shape import Color, Point, Shape


def new_scene(name: str, *, size: tuple[int, int], frames: int, samples: int) -> bpy.types.Scene:
    """Add a scene with the render settings all examples share, and show it in the window.

    Args:
        name: The scene's name.
        size: Width and height in pixels.
        frames: Length at 24 fps, from frame 1.
        samples: Cycles samples a pixel; the result is denoised.

    Raises:
        ValueError: There are no pixels, no samples, or too few frames for a move.
    """
    if min(*size, samples) < 1:
        raise ValueError(f"size {size} and samples {samples} must be at least 1")
    if frames < 2:
        raise ValueError(f"a camera move needs at least 2 frames, not {frames}")
    scene = bpy.data.scenes.new(name)
    scene.frame_start, scene.frame_end = 1, frames
    scene.frame_set(1)
    render, cycles = scene.render, scene.cycles
    render.engine = "CYCLES"
    render.resolution_x, render.resolution_y = size
    render.resolution_percentage = 100
    render.fps, render.fps_base = 24, 1.0
    scene.view_settings.view_transform = "AgX"
    cycles.device = "CPU"
    cycles.samples = samples
    cycles.use_adaptive_sampling = False
    cycles.use_denoising, cycles.denoiser = True, "OPENIMAGEDENOISE"
    cycles.denoising_prefilter = "FAST"
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 4, 3, 2
    cycles.transparent_max_bounces = 16
    # Two or three lamps and a sky: choosing evenly among them is as clean and cheaper.
    cycles.use_light_tree = False
    cycles.sample_clamp_indirect = 4.0
    cycles.caustics_reflective = cycles.caustics_refractive = False
    if bpy.context.window is not None:
        bpy.context.window.scene = scene
    return scene


def furnish(
    scene: bpy.types.Scene, parts: Sequence[Callable[[Shape], None]], palette: Palette
) -> None:
    """Let every part fill a shape of its own, which becomes an object of the part's name."""
    for part in parts:
        shape = Shape(random.Random(part.__name__))
        part(shape)
        shape.to_object(part.__name__.strip("_"), scene.collection, palette)


def sky(scene: bpy.types.Scene, *, zenith: Color, horizon: Color, strength: float) -> None:
    """Give the scene a soft sky from `horizon` up to `zenith`, with thin cloud."""
    world = bpy.data.worlds.new(scene.name)
    with_nodes(world)
    tree = world.node_tree
    tree.nodes.clear()
    where = tree.nodes.new("ShaderNodeTexCoord")
    split = tree.nodes.new("ShaderNodeSeparateXYZ")
    ramp = tree.nodes.new("ShaderNodeValToRGB")
    shade = tree.nodes.new("ShaderNodeBackground")
    out = tree.nodes.new("ShaderNodeOutputWorld")
    ramp.color_ramp.elements[0].color = (*horizon, 1.0)
    ramp.color_ramp.elements[1].color = (*zenith, 1.0)
    ramp.color_ramp.elements[1].position = 0.6
    shade.inputs["Strength"].default_value = strength
    tree.links.new(where.outputs["Generated"], split.inputs[0])
    tree.links.new(split.outputs["Z"], ramp.inputs[0])
    tree.links.new(ramp.outputs[0], shade.inputs["Color"])
    tree.links.new(shade.outputs[0], out.inputs["Surface"])
    # A sky this even is found well enough by the surfaces' own rays; lamps get all the others.
    world.cycles.sampling_method = "NONE"
    scene.world = world


def lamp(
    scene: bpy.types.Scene,
    kind: str,
    *,
    at: Point,
    power: float,
    color: Color,
    toward: Point | None = None,
    size: float = 0.1,
) -> bpy.types.Object:
    """Add a light: kind POINT, AREA or SUN, watts (W/m2 for the sun), `size` metres or radians."""
    light = bpy.data.lights.new(f"{kind.lower()} lamp", kind)
    light.energy, light.color = power, color
    if kind == "SUN":
        light.angle = size
    elif kind == "AREA":
        light.size = size
    else:
        light.shadow_soft_size = size
    made = bpy.data.objects.new(light.name, light)
    made.location = at
    if toward is not None:
        made.rotation_euler = (Vector(toward) - Vector(at)).to_track_quat("-Z", "Y").to_euler()
    scene.collection.objects.link(made)
    return made


@contextmanager
def _smooth_keys() -> Iterator[None]:
    """Make new keys smooth whatever the artist's preference, which is put back afterwards.

    Works in every Blender, whereas curves are reached differently from 5.0 on.
    """
    edit = bpy.context.preferences.edit
    before = edit.keyframe_new_interpolation_type, edit.keyframe_new_handle_type
    edit.keyframe_new_interpolation_type, edit.keyframe_new_handle_type = "BEZIER", "AUTO_CLAMPED"
    try:
        yield
    finally:
        edit.keyframe_new_interpolation_type, edit.keyframe_new_handle_type = before


def animate(thing: bpy.types.ID, channel: str, values: Sequence, scene: bpy.types.Scene) -> None:
    """Key `channel` with `values` spread evenly from the scene's first to its last frame."""
    first, last = scene.frame_start, scene.frame_end
    with _smooth_keys():
        for n, value in enumerate(values):
            setattr(thing, channel, value)
            thing.keyframe_insert(channel, frame=first + (last - first) * n / (len(values) - 1))


def camera(
    scene: bpy.types.Scene, path: Sequence[Point], look: Sequence[Point], *, lens: float = 30.0
) -> bpy.types.Object:
    """Add the scene's camera: it travels along `path` and is held on a point that moves on `look`.

    Positions are keyed from the first frame to the last, whatever their number; a constraint
    turns the camera, so its own rotation stays zero.
    """
    made = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    made.data.lens, made.data.clip_start, made.data.clip_end = lens, 0.05, 500.0
    aim = bpy.data.objects.new("Camera aim", None)
    for thing in (made, aim):
        scene.collection.objects.link(thing)
    track = made.constraints.new("TRACK_TO")
    track.target, track.track_axis, track.up_axis = aim, "TRACK_NEGATIVE_Z", "UP_Y"
    animate(made, "location", path, scene)
    animate(aim, "location", look, scene)
    scene.camera = made
    scene.frame_set(scene.frame_start)
    return made


def swing(thing: bpy.types.Object, scene: bpy.types.Scene, *, degrees: float, times: int) -> None:
    """Let an object swing about its own Y axis, to and fro `times` over the scene."""
    angles = [math.radians(degrees) * (1, -1)[n % 2] for n in range(2 * times + 1)]
    animate(thing, "rotation_euler", [(0.0, a, 0.0) for a in angles], scene)
