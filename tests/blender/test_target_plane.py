"""A take on a plane before the camera: rendered, it is the take."""

import re

import bpy
import numpy as np
import pytest
from bl_ext.devrepo.depthshot.backend.errors import TakeError, TargetError
from bl_ext.devrepo.depthshot.scene.color import view_inverse
from bl_ext.devrepo.depthshot.scene.targets import plane

from tests.blender import takes, views
from tests.blender.views import FRAMES


def land(scene, folder, **options):
    take, frames = views.make_take(folder, **options)
    return plane.land(scene, folder, take), frames


@pytest.mark.parametrize("fit", ["AUTO", "HORIZONTAL", "VERTICAL"])
@pytest.mark.parametrize(
    ("size", "aspect"), [((32, 18), (1, 1)), ((18, 32), (1, 1)), ((24, 18), (1, 2))]
)
def test_rendering_gives_the_take_whatever_the_camera_does(
    empty_scene, tmp_path, fit, size, aspect
):
    views.exact(empty_scene)
    empty_scene.render.resolution_x, empty_scene.render.resolution_y = size
    empty_scene.render.pixel_aspect_x, empty_scene.render.pixel_aspect_y = aspect
    views.moving_camera(empty_scene, fit=fit, scale=(2.5, 2.5, 2.5))
    landed, frames = land(empty_scene, tmp_path / "take", size=size)
    assert landed.scene == "Scene"
    assert landed.where == "plane “take” in front of the camera “Camera”"
    assert landed.notes == ()
    for frame, picture in zip(FRAMES, frames, strict=True):
        rendered = takes.render(empty_scene, tmp_path / "r.png", frame)
        assert np.abs(rendered - picture.astype(int)).max() <= 3, frame


def test_an_uneven_scale_of_the_camera_makes_no_difference(empty_scene, tmp_path):
    views.exact(empty_scene)
    camera = views.moving_camera(empty_scene)
    camera.scale = (1, 2, 3)
    _, frames = land(empty_scene, tmp_path / "take")
    for frame, picture in zip(FRAMES, frames, strict=True):
        rendered = takes.render(empty_scene, tmp_path / "r.png", frame)
        assert np.abs(rendered - picture.astype(int)).max() <= 3, frame


@pytest.mark.parametrize("view_transform", ["Filmic", "AgX"])
def test_its_colours_come_through_the_view(empty_scene, tmp_path, view_transform):
    views.exact(empty_scene)
    empty_scene.view_settings.view_transform = view_transform
    views.moving_camera(empty_scene)
    _, frames = land(empty_scene, tmp_path / "take", smooth=True)
    (image,) = bpy.data.images
    assert image.colorspace_settings.name == view_inverse(empty_scene).color_space
    rendered = takes.render(empty_scene, tmp_path / "r.png", FRAMES[1])
    difference = np.abs(rendered - frames[1].astype(int))
    assert difference.mean() <= 1
    image.colorspace_settings.name = "sRGB"
    wrong = takes.render(empty_scene, tmp_path / "wrong.png", FRAMES[1])
    assert np.abs(wrong - frames[1].astype(int)).mean() > 4


def test_its_border_is_as_bright_as_the_rest_under_a_wide_pixel_filter(empty_scene, tmp_path):
    views.exact(empty_scene)
    views.blurred(empty_scene)
    views.moving_camera(empty_scene)
    take, _ = views.make_take(tmp_path / "take", grey=200)
    plane.land(empty_scene, tmp_path / "take", take)
    rendered = takes.render(empty_scene, tmp_path / "r.png", FRAMES[1])
    assert (rendered == 200).all()


def test_what_the_view_adds_is_said(empty_scene, tmp_path):
    views.moving_camera(empty_scene)
    empty_scene.view_settings.exposure = 1
    landed, _ = land(empty_scene, tmp_path / "take")
    assert any("an exposure of 1, so the take looks different" in note for note in landed.notes)


@pytest.mark.parametrize("distance", [0.11, 3.0, 90.0])
def test_it_fills_the_view_at_any_distance(empty_scene, tmp_path, distance):
    views.exact(empty_scene)
    views.moving_camera(empty_scene)
    _, frames = land(empty_scene, tmp_path / "take")
    made = bpy.data.objects["take"]
    assert made[plane.DISTANCE] == pytest.approx(0.2)
    made[plane.DISTANCE] = distance
    made.update_tag()
    rendered = takes.render(empty_scene, tmp_path / "r.png", FRAMES[2])
    assert np.abs(rendered - frames[2].astype(int)).max() <= 3


def test_pushed_back_something_can_stand_before_it(empty_scene, tmp_path):
    views.exact(empty_scene)
    camera = views.moving_camera(empty_scene)
    _, frames = land(empty_scene, tmp_path / "take")
    bpy.ops.mesh.primitive_uv_sphere_add(radius=0.4)
    ball = bpy.context.object
    ball.parent = camera
    ball.location = (0, 0, -5)
    hidden = takes.render(empty_scene, tmp_path / "r.png", FRAMES[1])
    assert np.abs(hidden - frames[1].astype(int)).max() <= 3
    bpy.data.objects["take"][plane.DISTANCE] = 9.0
    bpy.data.objects["take"].update_tag()
    shown = takes.render(empty_scene, tmp_path / "r.png", FRAMES[1])
    differs = np.abs(shown - frames[1].astype(int)).max(axis=-1) > 3
    assert 0.01 < differs.mean() < 0.5


def test_it_lights_nothing_and_throws_no_shadow(empty_scene, tmp_path):
    """Seen from a camera beside the shot's: a floor under it is lit as without it."""
    views.exact(empty_scene)
    views.moving_camera(empty_scene)
    bpy.ops.mesh.primitive_plane_add(size=40, location=(0, 0, 2))
    sun = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
    sun.data.energy = 1
    sun.rotation_euler = (0.4, 0.2, 0)
    side = bpy.data.objects.new("Side", bpy.data.cameras.new("Side"))
    side.location = (0, 0, 14)
    for item in (sun, side):
        empty_scene.collection.objects.link(item)
    empty_scene.cycles.samples = 16
    shot = empty_scene.camera
    empty_scene.camera = side
    before = takes.render(empty_scene, tmp_path / "before.png", FRAMES[0])
    empty_scene.camera = shot
    land(empty_scene, tmp_path / "take")
    made = bpy.data.objects["take"]
    made[plane.DISTANCE] = 4.0
    made.visible_camera = False
    empty_scene.camera = side
    after = takes.render(empty_scene, tmp_path / "after.png", FRAMES[0])
    assert 20 < before.mean() < 250
    assert np.array_equal(before, after)
    made.visible_diffuse = made.visible_shadow = True
    lit = takes.render(empty_scene, tmp_path / "lit.png", FRAMES[0])
    assert not np.array_equal(before, lit), "it would be seen where it is not kept from it"


def test_another_shape_of_the_picture_is_said(empty_scene, tmp_path):
    views.exact(empty_scene)
    views.moving_camera(empty_scene)
    empty_scene.render.resolution_x = 48
    landed, _ = land(empty_scene, tmp_path / "take")
    (note,) = landed.notes
    assert note.startswith("The take is 32 x 18 pixels, but “Scene” renders 48 x 18;")


def test_depth_of_field_is_said(empty_scene, tmp_path):
    camera = views.moving_camera(empty_scene)
    views.exact(empty_scene)
    camera.data.dof.use_dof = True
    landed, _ = land(empty_scene, tmp_path / "take")
    (note,) = landed.notes
    assert "has depth of field, which blurs the plane" in note


def without_camera(scene):
    scene.camera = None


def orthographic(scene):
    scene.camera.data.type = "ORTHO"


def two_cameras(scene):
    other = bpy.data.objects.new("Other", bpy.data.cameras.new("Other"))
    scene.collection.objects.link(other)
    for frame, camera in ((1, scene.camera), (FRAMES[1], other)):
        scene.timeline_markers.new("cut", frame=frame).camera = camera


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (without_camera, "“Scene” has no camera; choose one"),
        (orthographic, "“Camera” is no perspective camera"),
        (two_cameras, "The take changes cameras .“Camera” and “Other”.*image strip"),
    ],
)
def test_without_a_camera_to_follow_it_says_so_and_changes_nothing(
    empty_scene, tmp_path, broken, reason
):
    views.moving_camera(empty_scene)
    broken(empty_scene)
    objects = len(bpy.data.objects)
    with pytest.raises(TargetError, match=reason):
        land(empty_scene, tmp_path / "take")
    assert len(bpy.data.objects) == objects
    assert not (bpy.data.images or bpy.data.materials or bpy.data.meshes)
    if broken is not two_cameras:
        assert re.match(reason, plane.why_not(bpy.context))


def test_markers_outside_the_take_do_not_count(empty_scene, tmp_path):
    camera = views.moving_camera(empty_scene)
    other = bpy.data.objects.new("Other", bpy.data.cameras.new("Other"))
    for frame, each in ((1, other), (3, camera), (FRAMES[-1] + 1, other)):
        empty_scene.timeline_markers.new("cut", frame=frame).camera = each
    landed, _ = land(empty_scene, tmp_path / "take")
    assert "“Camera”" in landed.where


def test_a_missing_frame_changes_nothing(empty_scene, tmp_path):
    views.moving_camera(empty_scene)
    take, _ = views.make_take(tmp_path / "take")
    (tmp_path / "take/frames/0006.png").unlink()
    with pytest.raises(TakeError, match=r"frames/0006\.png"):
        plane.land(empty_scene, tmp_path / "take", take)
    assert not (bpy.data.images or bpy.data.materials or bpy.data.meshes)
