"""Scripted drivers: obeyed as in the session, or refused by name."""

import bpy
import pytest
from bl_ext.devrepo.depthshot.backend.errors import CaptureError
from bl_ext.devrepo.depthshot.backend.wire import read_shot

from tests.blender import shots

# Blender lets simple arithmetic through, with or without permission, but not `str`.
EXPRESSION = "float(str(frame)) * 0.5"


def driven_camera(scene, expression):
    """Adds a camera whose x follows an expression."""
    shots.small(scene, (32, 18))
    shots.add_plane(scene)
    camera = shots.add_camera(scene, name="Robot")
    driver = camera.driver_add("location", 0).driver
    driver.type = "SCRIPTED"
    driver.expression = expression
    return driver


def reopen(path, *, trusted):
    """Saves and opens the file again, as an artist who does or does not trust it."""
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.open_mainfile(filepath=str(path), use_scripts=trusted)
    scene = bpy.data.scenes["Scene"]
    scene.frame_set(2)
    return scene


def test_with_permission_the_second_blender_obeys_as_well(empty_scene, tmp_path):
    driven_camera(empty_scene, EXPRESSION)
    scene = reopen(tmp_path / "artist.blend", trusted=True)
    assert scene.camera.location.x == 1
    shot = read_shot(shots.capture(scene, tmp_path / "cache", end=3).folder)
    xs = [camera.transform_matrix[0][3] for camera in shot.cameras]
    assert xs == pytest.approx([0.5, 1, 1.5])


def test_without_permission_the_driver_is_named(empty_scene, tmp_path):
    driven_camera(empty_scene, EXPRESSION)
    scene = reopen(tmp_path / "artist.blend", trusted=False)
    with pytest.raises(CaptureError, match=r"blocks .* Object 'Robot' location\[0\] .*str\("):
        shots.start(scene, tmp_path / "cache", end=3)


def test_simple_expressions_need_no_permission(empty_scene, tmp_path):
    driven_camera(empty_scene, "frame * 0.5")
    scene = reopen(tmp_path / "artist.blend", trusted=False)
    shot = read_shot(shots.capture(scene, tmp_path / "cache", end=2).folder)
    assert [camera.transform_matrix[0][3] for camera in shot.cameras] == pytest.approx([0.5, 1])


def test_a_function_that_only_this_session_knows_is_named(empty_scene, tmp_path, monkeypatch):
    driven_camera(empty_scene, "dolly(frame)")
    scene = reopen(tmp_path / "artist.blend", trusted=True)
    monkeypatch.setitem(bpy.app.driver_namespace, "dolly", lambda frame: frame * 2.0)
    scene.camera.animation_data.drivers[0].driver.expression = "dolly(frame)"
    scene.frame_set(3)
    assert scene.camera.location.x == 6
    with pytest.raises(CaptureError, match=r"'Robot' location\[0\] \(dolly\(frame\)\) works in"):
        shots.capture(scene, tmp_path / "cache", end=3)


def test_a_driver_that_is_broken_anyway_stays_so(empty_scene, tmp_path):
    driven_camera(empty_scene, "no_such_function(frame)")
    scene = reopen(tmp_path / "artist.blend", trusted=True)
    assert not scene.camera.animation_data.drivers[0].driver.is_valid
    shot = read_shot(shots.capture(scene, tmp_path / "cache", end=2).folder)
    assert shot.frames == 2


def test_functions_in_a_registered_text_are_known(empty_scene, tmp_path):
    text = bpy.data.texts.new("functions.py")
    text.write("import bpy\nbpy.app.driver_namespace['crane'] = lambda frame: frame * 3.0\n")
    text.use_module = True
    driven_camera(empty_scene, "crane(frame)")
    scene = reopen(tmp_path / "artist.blend", trusted=True)
    assert scene.camera.location.x == 6
    shot = read_shot(shots.capture(scene, tmp_path / "cache", end=2).folder)
    assert [camera.transform_matrix[0][3] for camera in shot.cameras] == pytest.approx([3, 6])
