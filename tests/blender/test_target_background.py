"""A take as the camera's background image."""

import bpy
import pytest
from bl_ext.devrepo.depthshot.backend.errors import TargetError
from bl_ext.devrepo.depthshot.scene.targets import background

from tests.blender import takes, views
from tests.blender.scene_hash import differences, session_state
from tests.blender.views import FRAMES


def test_the_camera_gets_one_more_and_nothing_else_changes(empty_scene, tmp_path):
    camera = views.moving_camera(empty_scene)
    empty_scene.render.resolution_x, empty_scene.render.resolution_y = views.SIZE
    own = camera.data.background_images.new()
    own.alpha = 0.3
    own.display_depth = "FRONT"
    before = session_state()
    take, _ = views.make_take(tmp_path / "take")
    landed = background.land(empty_scene, tmp_path / "take", take)
    assert landed.where == "background of “Camera”"
    assert landed.notes == ("The other background images of “Camera” are shown again as well.",)
    first, made = camera.data.background_images
    assert (first.alpha, first.display_depth, first.image) == (pytest.approx(0.3), "FRONT", None)
    assert (made.display_depth, made.alpha, made.frame_method) == ("BACK", 1.0, "FIT")
    assert camera.data.show_background_images
    assert made.image.colorspace_settings.name == "sRGB"
    assert not made.image.use_view_as_render, "it would go through the view a second time"
    changed = differences(before, session_state())
    allowed = ("/data/images", "/data/cameras/Camera Camera /")
    assert all(place.startswith(allowed) for place in changed), changed


@pytest.mark.parametrize("view_transform", ["Standard", "Filmic", "AgX"])
def test_colours_do_not_depend_on_the_view(empty_scene, tmp_path, view_transform):
    views.moving_camera(empty_scene)
    empty_scene.render.resolution_x, empty_scene.render.resolution_y = views.SIZE
    empty_scene.view_settings.view_transform = view_transform
    empty_scene.view_settings.exposure = 1
    take, _ = views.make_take(tmp_path / "take")
    assert background.land(empty_scene, tmp_path / "take", take).notes == ()
    (image,) = bpy.data.images
    assert image.colorspace_settings.name == "sRGB"


def test_renders_stay_as_they_are(empty_scene, tmp_path):
    views.exact(empty_scene)
    views.moving_camera(empty_scene)
    take, _ = views.make_take(tmp_path / "take")
    background.land(empty_scene, tmp_path / "take", take)
    assert takes.render(empty_scene, tmp_path / "r.png", FRAMES[0]).max() < 100


def test_every_camera_of_the_take_has_it(empty_scene, tmp_path):
    camera = views.moving_camera(empty_scene)
    other = views.moving_camera(empty_scene, name="Other")
    for frame, each in ((1, camera), (FRAMES[1], other)):
        empty_scene.timeline_markers.new("cut", frame=frame).camera = each
    take, _ = views.make_take(tmp_path / "take")
    landed = background.land(empty_scene, tmp_path / "take", take)
    assert landed.where == "background of “Camera” and “Other”"
    assert len(bpy.data.images) == 1
    for each in (camera, other):
        assert len(each.data.background_images) == 1


def test_without_a_camera_it_says_so(empty_scene, tmp_path):
    take, _ = views.make_take(tmp_path / "take")
    assert "“Scene” has no camera" in background.why_not(bpy.context)
    with pytest.raises(TargetError, match="“Scene” has no camera; choose one"):
        background.land(empty_scene, tmp_path / "take", take)
    assert not bpy.data.images


def test_one_undo_step_removes_it(empty_scene, tmp_path):
    views.moving_camera(empty_scene)
    bpy.ops.ed.undo_push(message="before")
    take, _ = views.make_take(tmp_path / "take")
    background.land(empty_scene, tmp_path / "take", take)
    bpy.ops.ed.undo_push(message="take")
    bpy.ops.ed.undo()
    lens = bpy.context.scene.camera.data
    assert (len(lens.background_images), lens.show_background_images) == (0, False)
    assert not bpy.data.images
