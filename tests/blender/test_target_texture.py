"""A take as a texture: in a material that waits for the artist."""

import bpy
import numpy as np
import pytest
from bl_ext.devrepo.depthshot.backend.errors import TakeError
from bl_ext.devrepo.depthshot.scene.targets import texture

from tests.blender import takes, views
from tests.blender.scene_hash import differences, session_state
from tests.blender.views import FRAMES


def test_it_is_kept_and_assigned_to_nothing(empty_scene, tmp_path):
    bpy.ops.mesh.primitive_cube_add()
    before = session_state()
    take, _ = views.make_take(tmp_path / "take")
    landed = texture.land(empty_scene, tmp_path / "take", take)
    assert (landed.scene, landed.where) == ("Scene", "material “take”")
    assert landed.notes == (
        "Nothing wears the material “take” yet; give it to an object under Material properties.",
    )
    changed = differences(before, session_state())
    added = ("/data/images", "/data/materials")
    assert changed
    assert all(place.startswith(added) for place in changed), changed
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    material = bpy.data.materials["take"]
    assert material.users == 1, "a fake one"
    assert "take frames" in bpy.data.images


def test_on_an_object_it_shows_each_frame(empty_scene, tmp_path):
    views.exact(empty_scene)
    take, frames = views.make_take(tmp_path / "take")
    texture.land(empty_scene, tmp_path / "take", take)
    bpy.ops.mesh.primitive_plane_add(size=2)
    wall = bpy.context.object
    wall.scale = (1, 18 / 32, 1)
    wall.data.materials.append(bpy.data.materials["take"])
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.data.type = "ORTHO"
    camera.data.ortho_scale = 2
    camera.location.z = 1
    empty_scene.collection.objects.link(camera)
    empty_scene.camera = camera
    for frame in (FRAMES[0] - 3, *FRAMES, FRAMES[-1] + 10):
        picture = frames[min(max(frame, FRAMES[0]), FRAMES[-1]) - FRAMES[0]]
        rendered = takes.render(empty_scene, tmp_path / "r.png", frame)
        assert np.abs(rendered - picture.astype(int)).max() <= 3, frame


def test_the_next_take_has_a_material_of_its_own(empty_scene, tmp_path):
    for name in ("one", "two"):
        take, _ = views.make_take(tmp_path / name)
        texture.land(empty_scene, tmp_path / name, take)
    again = texture.land(empty_scene, tmp_path / "two", take)
    assert again.where == "material “two.001”"
    assert sorted(bpy.data.images.keys()) == ["one frames", "two frames"]


def test_a_missing_frame_changes_nothing(empty_scene, tmp_path):
    take, _ = views.make_take(tmp_path / "take")
    (tmp_path / "take/frames/0007.png").unlink()
    with pytest.raises(TakeError, match=r"frames/0007\.png"):
        texture.land(empty_scene, tmp_path / "take", take)
    assert not (bpy.data.images or bpy.data.materials)


def test_one_undo_step_removes_it(empty_scene, tmp_path):
    bpy.ops.ed.undo_push(message="before")
    take, _ = views.make_take(tmp_path / "take")
    texture.land(empty_scene, tmp_path / "take", take)
    bpy.ops.ed.undo_push(message="take")
    bpy.ops.ed.undo()
    assert not (bpy.data.images or bpy.data.materials)


def test_an_exposure_of_the_film_is_said_with_its_way_out(empty_scene, tmp_path):
    views.exact(empty_scene)
    empty_scene.cycles.film_exposure = 2
    take, _ = views.make_take(tmp_path / "take")
    (_, note) = texture.land(empty_scene, tmp_path / "take", take).notes
    assert note == (
        "“Scene” renders all light 2 times as bright (Render properties > Film > Exposure), the"
        " take too; set that to 1, or the Strength of the material's Emission to 0.5."
    )
