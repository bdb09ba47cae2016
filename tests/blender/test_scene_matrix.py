"""The scene as a whole, by its hash: however a capture ends, nothing of the artist's has changed.

Every kind of scene meets every end. `test_capture` has the same for states of the session.
"""

import os
import signal
from pathlib import Path

import bpy
import pytest
from bl_ext.devrepo.depthshot.backend.errors import CaptureError
from bl_ext.devrepo.depthshot.scene import compat
from bl_ext.devrepo.depthshot.scene.child_process import wait_for_ends

from tests.blender import composited, scene_hash, shots, takes


def drivers(scene, folder):
    plane = bpy.data.objects["Plane"]
    curve = plane.driver_add("location", 2)
    curve.driver.expression = "sin(frame / 10) * 0.1"
    lens = scene.camera.data.driver_add("lens").driver
    lens.type = "SUM"
    target = lens.variables.new().targets[0]
    target.id, target.data_path = plane, '["lens"]'
    plane["lens"] = 40.0


def linked_libraries(scene, folder):
    mesh = bpy.data.meshes.new("Linked")
    mesh.from_pydata([(0, 0, 1), (1, 0, 1), (0, 1, 1)], [], [(0, 1, 2)])
    thing = bpy.data.objects.new("Linked", mesh)
    bpy.data.libraries.write(str(folder / "library.blend"), {thing}, fake_user=True)
    bpy.data.objects.remove(thing)
    bpy.data.meshes.remove(mesh)
    with bpy.data.libraries.load(str(folder / "library.blend"), link=True) as (_, into):
        into.objects = ["Linked"]
    (linked,) = into.objects
    scene.collection.objects.link(linked)
    assert linked.library is not None


def several_scenes_and_layers(scene, folder):
    scene.view_layers.new("Second").use = False
    other = bpy.data.scenes.new("Other")
    other.view_layers.new("Of the other")
    shots.add_plane(other, "Plane of the other")
    scene.background_set = other
    bpy.context.window.scene = other


def compositor_with_file_output(scene, folder):
    tree = composited.artist_tree(scene)
    layers = next(node for node in tree.nodes if node.bl_idname == compat.RENDER_LAYERS)
    compat.write_channel(tree, layers.outputs["Alpha"], str(folder / "written by the artist"))


def edited_mesh(scene, folder):
    bpy.context.view_layer.objects.active = bpy.data.objects["Plane"]
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.mesh.subdivide()
    # Any save does this: until then the mesh is as it was when Edit Mode was entered.
    bpy.context.object.update_from_editmode()


def a_strip_already_there(scene, folder):
    folder.joinpath("strip.png").write_bytes(takes.png(takes.noise(1)[0]))
    editor = scene.sequence_editor_create()
    compat.strips(editor).new_image(
        name="Strip", filepath=str(folder / "strip.png"), channel=2, frame_start=1
    )


SCENES = (
    drivers,
    linked_libraries,
    several_scenes_and_layers,
    compositor_with_file_output,
    edited_mesh,
    a_strip_already_there,
)


def succeeds(running):
    shots.finish(running)
    running.release()


def fails(running):
    (work,) = Path(running._work.parent).glob("*.partial")
    (work / "copy.blend").write_bytes(b"no file of Blender's")
    with pytest.raises(CaptureError, match=r"failed .* while opening the copy"):
        shots.finish(running)


def is_cancelled(running):
    running.step()
    running.cancel()
    assert wait_for_ends()


def is_killed(running):
    os.kill(running.child_pid, signal.SIGKILL)
    with pytest.raises(CaptureError, match="crashed or was ended"):
        shots.finish(running)


ENDS = (succeeds, fails, is_cancelled, is_killed)


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
@pytest.mark.parametrize("kind", SCENES, ids=lambda kind: kind.__name__)
def test_nothing_of_the_artists_has_changed(empty_scene, tmp_path, monkeypatch, kind, end):
    scene = shots.small(empty_scene)
    shots.add_plane(scene)
    shots.move(shots.add_camera(scene), "location", {1: (0, 0, 8), 5: (2, 0, 8)})
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "artist.blend"))
    kind(scene, tmp_path)
    bpy.context.view_layer.update()
    monkeypatch.setattr(bpy.context.preferences, "is_dirty", False)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    before, hashed = scene_hash.session_state(), scene_hash.scene_hash()

    running = shots.start(scene, tmp_path / "cache", end=2)
    assert scene_hash.differences(before, scene_hash.session_state()) == []
    end(running)

    assert scene_hash.differences(before, scene_hash.session_state()) == []
    assert scene_hash.scene_hash() == hashed
    assert not list((tmp_path / "cache").glob("*.partial"))
    # Neither the artist's files nor anything that the artist's own nodes would write.
    there = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir() if path.name != "cache"}
    assert there == files
