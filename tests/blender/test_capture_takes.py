"""Takes that have landed in the shot's own scene are no part of its next capture."""

import bpy
import pytest
from bl_ext.devrepo.depthshot.scene.targets import find_target

from tests.blender import shots, takes, views


@pytest.fixture
def scene(empty_scene, tmp_path):
    """A box before a camera, saved."""
    views.exact(empty_scene)
    views.moving_camera(empty_scene)
    bpy.ops.mesh.primitive_cube_add(location=(0, 2, 3), size=3)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    return empty_scene


def capture(scene, tmp_path):
    first, last = views.FRAMES[0], views.FRAMES[-1]
    return shots.capture(scene, tmp_path / "cache", start=first, end=last)


@pytest.mark.parametrize("target", ["TEXTURE", "PLANE", "BACKGROUND"])
def test_where_they_land_renders_nothing_again(scene, tmp_path, target):
    before = capture(scene, tmp_path)
    take, _ = views.make_take(tmp_path / "take")
    find_target(target).land(scene, tmp_path / "take", take, place="")
    after = capture(scene, tmp_path)
    assert (before.reused, after.reused) == (False, True)
    assert after.folder == before.folder


def test_a_plane_is_neither_in_the_still_nor_in_the_depth(scene, tmp_path):
    take, frames = views.make_take(tmp_path / "take")
    find_target("PLANE").land(scene, tmp_path / "take", take, place="")
    assert abs(takes.render(scene, tmp_path / "r.png", 5) - frames[0].astype(int)).max() <= 3
    finished = capture(scene, tmp_path)
    still = takes.read(finished.folder / finished.shot.stills[0].image)
    assert abs(still - frames[0].astype(int)).mean() > 20
    assert shots.shown(finished).depth().min() > 1, "the plane is at 0.2"
    assert "take" in bpy.data.objects, "the session keeps it"
