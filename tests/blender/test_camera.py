"""The camera formula against Blender's own projection and against what Cycles rendered."""

import itertools
import math

import bpy
import numpy as np
import pytest
from bl_ext.devrepo.depthshot.backend.errors import CaptureError
from bl_ext.devrepo.depthshot.backend.geometry import never_moves
from bl_ext.devrepo.depthshot.scene.camera import (
    CameraFacts,
    Picture,
    picture_size,
    wire_camera,
)
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Matrix, Vector

from tests.blender import exr_pixels, shots

SIZES = [(64, 36), (36, 64), (50, 50), (33, 17)]


def facts(camera, frame=1, **changes):
    lens = camera.data
    values = {
        "frame": frame,
        "name": camera.name,
        "type": lens.type,
        "lens": lens.lens,
        "sensor_fit": lens.sensor_fit,
        "sensor_width": lens.sensor_width,
        "sensor_height": lens.sensor_height,
        "shift_x": lens.shift_x,
        "shift_y": lens.shift_y,
        "matrix_world": tuple(map(tuple, camera.matrix_world)),
    }
    return CameraFacts(**values | changes)


def picture(scene, unit_scale=1.0):
    width, height = picture_size(scene.render)
    render = scene.render
    return Picture(width, height, render.pixel_aspect_x, render.pixel_aspect_y, unit_scale)


def project(camera, points):
    """Pixels (N, 2) and depth (N) of world points (N, 3), by the shot's convention."""
    to_camera = np.linalg.inv(np.array(camera.transform_matrix))
    x, y, z = (points @ to_camera[:3, :3].T + to_camera[:3, 3]).T
    return np.stack([camera.cx + camera.fl_x * x / -z, camera.cy - camera.fl_y * y / -z], 1), -z


def blenders_own(camera, scene, points):
    """Pixels (N, 2) from camera.calc_matrix_camera, for the size that is really rendered."""
    width, height = picture_size(scene.render)
    window = camera.calc_matrix_camera(
        bpy.context.evaluated_depsgraph_get(),
        x=width,
        y=height,
        scale_x=scene.render.pixel_aspect_x,
        scale_y=scene.render.pixel_aspect_y,
    )
    full = np.array(window @ camera.matrix_world.normalized().inverted())
    clip = np.column_stack([points, np.ones(len(points))]) @ full.T
    ndc = clip[:, :2] / clip[:, 3:]
    return np.stack([(ndc[:, 0] + 1) / 2 * width, (1 - ndc[:, 1]) / 2 * height], axis=1)


def points_before(camera, count=50):
    """World points in front of a camera, inside and around its view."""
    inside = np.random.default_rng(1).uniform((-3, -3, -12), (3, 3, -4), (count, 3))
    to_world = np.array(camera.matrix_world.normalized())
    return inside @ to_world[:3, :3].T + to_world[:3, 3]


@pytest.mark.parametrize("fit", ["AUTO", "HORIZONTAL", "VERTICAL"])
@pytest.mark.parametrize("size", SIZES)
def test_every_fit_shift_aspect_and_percentage_agrees_with_blender(empty_scene, fit, size):
    scene = shots.small(empty_scene, size)
    camera = shots.add_camera(scene, location=(3, -7, 5), rotation=(55, 10, 25))
    lens = camera.data
    lens.sensor_fit, lens.sensor_width, lens.sensor_height = fit, 30, 21
    bpy.context.view_layer.update()
    points = points_before(camera)
    cases = itertools.product([(1, 1), (1.5, 1), (1, 2)], [100, 50, 33], [(0, 0), (0.2, -0.3)])
    for aspect, percentage, shift in cases:
        scene.render.pixel_aspect_x, scene.render.pixel_aspect_y = aspect
        scene.render.resolution_percentage = percentage
        lens.shift_x, lens.shift_y = shift
        pixels, _ = project(wire_camera(facts(camera), picture(scene)), points)
        assert np.abs(pixels - blenders_own(camera, scene, points)).max() < 1e-3


def test_agrees_with_world_to_camera_view_at_full_size(empty_scene):
    scene = shots.small(empty_scene, (64, 36))
    camera = shots.add_camera(scene, location=(1, -4, 2), rotation=(70, 0, 20))
    camera.data.shift_x = 0.1
    bpy.context.view_layer.update()
    points = points_before(camera)
    pixels, depth = project(wire_camera(facts(camera), picture(scene)), points)
    seen = np.array([world_to_camera_view(scene, camera, Vector(point)) for point in points])
    assert np.allclose(pixels, np.stack([seen[:, 0] * 64, (1 - seen[:, 1]) * 36], 1), atol=1e-3)
    assert np.allclose(depth, seen[:, 2], atol=1e-4)


def test_scale_of_camera_and_parents_makes_no_difference(empty_scene):
    scene = shots.small(empty_scene)
    camera = shots.add_camera(scene, location=(3, 2, 5), rotation=(30, 0, 40))
    parent = shots.add(scene, "Parent", None)
    camera.parent = parent
    parent.scale, camera.scale = (2, 2, 2), (1.7, 0.6, 3)
    bpy.context.view_layer.update()
    made = wire_camera(facts(camera), picture(scene))
    points = points_before(camera)
    assert np.abs(project(made, points)[0] - blenders_own(camera, scene, points)).max() < 1e-3
    rotation = np.array(made.transform_matrix)[:3, :3]
    assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)
    assert np.allclose(np.array(made.transform_matrix)[:3, 3], (6, 4, 10), atol=1e-5)


def test_units_become_metres(empty_scene):
    camera = shots.add_camera(empty_scene, location=(100, -200, 300))
    bpy.context.view_layer.update()
    made = wire_camera(facts(camera), picture(empty_scene, unit_scale=0.01))
    assert np.allclose(np.array(made.transform_matrix)[:3, 3], (1, -2, 3))


@pytest.mark.parametrize(
    ("kind", "word"), [("ORTHO", "orthographic"), ("PANO", "panoramic"), ("CUSTOM", "custom")]
)
def test_other_lenses_are_refused_by_name(empty_scene, kind, word):
    camera = shots.add_camera(empty_scene, name="Kamera")
    with pytest.raises(CaptureError, match=f"'Kamera' is {word} at frame 12"):
        wire_camera(facts(camera, frame=12, type=kind), picture(empty_scene))


@pytest.mark.parametrize(
    ("matrix", "word"),
    [
        (Matrix.Shear("XY", 3, (0.5, 0.2)).to_4x4(), "sheared"),
        (Matrix.Diagonal((-1, 1, 1, 1)), "mirrored"),
        (Matrix.Diagonal((0, 1, 1, 1)), "scale of zero"),
    ],
)
def test_matrices_that_are_no_pose_are_refused_by_name(empty_scene, matrix, word):
    camera = shots.add_camera(empty_scene, name="Kamera")
    rows = tuple(map(tuple, matrix))
    with pytest.raises(CaptureError, match=f"'Kamera' at frame 3 .*{word}"):
        wire_camera(facts(camera, frame=3, matrix_world=rows), picture(empty_scene))


def test_a_small_move_or_zoom_is_a_move(empty_scene):
    scene = shots.small(empty_scene)
    camera = shots.add_camera(scene, location=(0, 0, 8))
    bpy.context.view_layer.update()
    nearer = tuple(map(tuple, Matrix.Translation((0, 0, 8.001))))
    still = wire_camera(facts(camera), picture(scene))
    moved = wire_camera(facts(camera, matrix_world=nearer), picture(scene))
    zoomed = wire_camera(facts(camera, lens=camera.data.lens + 0.01), picture(scene))
    assert never_moves((still, still))
    assert not never_moves((still, moved))
    assert not never_moves((still, zoomed))
    assert not never_moves((still,)), "one frame is a picture, not a shot that lacks a move"


def rig(scene):
    """A camera that everything moves: parent, constraint, driver, lens keys, a second camera."""
    camera = shots.add_camera(scene, location=(1, -6, 4), rotation=(60, 0, 0))
    parent = shots.add(scene, "Dolly", None)
    parent.scale = (1.5, 1.5, 1.5)
    camera.parent = parent
    camera.scale = (2, 1, 0.5)
    shots.move(parent, "location", {1: (0, 0, 0), 5: (2, 1, 0)})
    target = shots.add(scene, "Target", None)
    shots.move(target, "location", {1: (0, 0, 0), 5: (0, 0, 2)})
    aim = camera.constraints.new("TRACK_TO")
    aim.target = target
    shots.move(camera.data, "lens", {1: 35.0, 5: 60.0})
    shift = camera.data.driver_add("shift_x").driver
    shift.type = "SCRIPTED"
    shift.expression = "frame * 0.02"
    other = shots.add(scene, "Second", bpy.data.cameras.new("Second"))
    other.location, other.rotation_euler = (-4, -5, 3), (math.radians(65), 0, math.radians(-35))
    other.data.sensor_fit = "VERTICAL"
    other.data.shift_y = 0.1
    scene.timeline_markers.new("a", frame=1).camera = camera
    scene.timeline_markers.new("b", frame=4).camera = other


def test_captured_cameras_agree_with_the_rendered_position_pass(empty_scene, tmp_path):
    """Every surface point that Cycles saw lands in the centre of its own pixel."""
    scene = shots.small(empty_scene, (62, 37))
    scene.render.resolution_percentage = 90
    scene.render.pixel_aspect_x = 1.25
    shots.add_plane(scene)
    shots.add_plane(scene, "Box", half=1, location=(0.3, 0.4, 1.2)).rotation_euler = (0.3, 0.2, 0)
    rig(scene)
    shot = shots.shown(shots.capture(scene, tmp_path / "cache", start=1, end=5))
    positions = render_positions(scene, tmp_path, frames=range(1, 6))
    width, height = shot.shot.size
    assert (width, height) == (55, 33)
    centres = np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), axis=-1)
    for index, camera in enumerate(shot.shot.cameras):
        depth = shot.depth(index)
        hit = np.isfinite(depth)
        assert hit.mean() > 0.5
        pixels, z = project(camera, positions[index][hit].astype(np.float64))
        assert np.abs(pixels - centres[hit]).max() < 2e-3
        assert np.abs(z / depth[hit] - 1).max() < 1e-5


def render_positions(scene, folder, frames):
    """World positions (H, W, 3) of each frame, one sample in the middle of every pixel."""
    from bl_ext.devrepo.depthshot.scene import child_guides

    child_guides.use_guide_layer(scene, ["use_pass_position"])
    child_guides.use_guide_settings(scene)
    found = []
    for frame in frames:
        scene.frame_set(frame)
        scene.render.filepath = str(folder / f"position{frame}")
        bpy.ops.render.render(write_still=True)
        channels = exr_pixels.read(folder / f"position{frame}.exr")
        axes = [next(channels[n] for n in channels if n.endswith(f"Position.{a}")) for a in "XYZ"]
        found.append(np.stack(axes, axis=-1))
    return found
