"""Takes that are there already, placed again: as anything, in any session, in one undo step."""

import json
import re

import bpy
import numpy as np
import pytest
from bl_ext.devrepo.depthshot.operators.interface import open_file
from bl_ext.devrepo.depthshot.operators.pending import Pending, has_pending, note
from bl_ext.devrepo.depthshot.operators.place import DEPTHSHOT_OT_place_take
from bl_ext.devrepo.depthshot.operators.runner import runner
from bl_ext.devrepo.depthshot.preferences import preferences
from bl_ext.devrepo.depthshot.scene.targets import TARGETS, find_target

from tests.blender import takes, views
from tests.blender.scene_hash import differences, session_state


@pytest.fixture
def scene(empty_scene, stored, tmp_path):
    """A scene with a camera and a selected box, and a data folder of its own."""
    stored.data_folder = str(tmp_path / "data")
    views.exact(empty_scene)
    views.moving_camera(empty_scene)
    bpy.ops.mesh.primitive_cube_add()
    return empty_scene


@pytest.fixture
def folder(tmp_path):
    """A finished take on disk."""
    return views.finished_take(tmp_path / "some take")


def place(target, folder):
    return bpy.ops.depthshot.place_take(
        "EXEC_DEFAULT", True, target=target.ID, directory=f"{folder}/"
    )


def changes(before):
    """Returns what was changed since, less what undo itself leaves."""
    ignored = ("/dirty", "/data/scenes/Scene Scene /tool_settings/particle_edit")
    return [
        place for place in differences(before, session_state()) if not place.startswith(ignored)
    ]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.ID)
def test_a_take_lands_as_anything_and_one_undo_step_takes_it_back(scene, folder, target):
    bpy.ops.ed.undo_push(message="before")
    before = session_state()
    assert target.why_not(bpy.context) is None
    assert place(target, folder) == {"FINISHED"}
    assert changes(before)
    status = bpy.context.window_manager.depthshot
    assert re.match(r"3 frames landed as .+\.$", status.message)
    assert (status.take, status.failed) == (str(folder), False)
    assert status.scene in bpy.data.scenes
    bpy.ops.ed.undo()
    assert changes(before) == []


def test_a_selected_object_gets_the_projection(scene, folder):
    assert place(find_target("PROJECTED"), folder) == {"FINISHED"}
    assert [slot.name for slot in bpy.context.object.material_slots] == ["some take"]


def test_another_session_can_place_it_too(scene, folder, tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    result = bpy.ops.depthshot.place_take(target="TEXTURE", directory="//some take")
    assert result == {"FINISHED"}
    assert bpy.data.images["some take frames"].filepath == "//some take/frames/0005.png"


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (
            lambda folder: (folder / "take.json").unlink(),
            "is no finished take: it has no take.json",
        ),
        (lambda folder: (folder / "take.json").write_text("{"), r"take\.json"),
        (lambda folder: (folder / "frames/0006.png").unlink(), "has lost 'frames/0006.png'"),
    ],
)
def test_what_is_no_take_is_refused_and_changes_nothing(scene, folder, damage, reason):
    damage(folder)
    before = session_state()
    for target in TARGETS:
        with pytest.raises(RuntimeError, match=reason):
            place(target, folder)
    assert differences(before, session_state()) == []


def test_a_lost_mask_is_no_obstacle_where_none_is_needed(scene, folder):
    (folder / "mask/0006.png").unlink()
    for target in TARGETS:
        if target.ID == "COMPOSITOR":
            with pytest.raises(RuntimeError, match=r"The take has lost 'mask/0006\.png'"):
                place(target, folder)
            continue
        assert place(target, folder) == {"FINISHED"}
        assert bpy.context.window_manager.depthshot.warnings.startswith(
            "1 of the take's files are gone, 'mask/0006.png' first; what shows it here needs none"
        )


def test_retouched_files_are_said_and_land(scene, folder):
    (folder / "frames/0006.png").write_bytes(takes.png(np.zeros((18, 32, 3), np.uint8)))
    assert place(find_target("TEXTURE"), folder) == {"FINISHED"}
    warnings = bpy.context.window_manager.depthshot.warnings
    assert warnings.startswith("1 of the take's files are not as they were made, 'frames/0006.png'")


def test_a_target_that_cannot_be_says_why_in_its_tooltip_and_when_it_is_pressed(scene, folder):
    scene.camera = None
    properties = type("Properties", (), {"target": "PLANE", "directory": str(folder)})
    tooltip = DEPTHSHOT_OT_place_take.description(bpy.context, properties)
    assert tooltip.startswith(find_target("PLANE").HELP)
    assert tooltip.endswith(
        "Not now: “Scene” has no camera; choose one in Scene properties > Camera"
    )
    with pytest.raises(RuntimeError, match="“Scene” has no camera"):
        place(find_target("PLANE"), folder)
    properties.target = "TEXTURE"
    assert "Not now" not in DEPTHSHOT_OT_place_take.description(bpy.context, properties)


def test_grey_while_another_take_is_on_its_way(scene, folder, monkeypatch):
    monkeypatch.setattr(runner, "_generation", object())
    with pytest.raises(RuntimeError, match="A take is being generated"):
        place(find_target("TEXTURE"), folder)


def test_a_job_whose_take_was_placed_by_hand_waits_no_longer(scene, folder, tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    data = preferences(bpy.context).data
    for job, fetched in (("one", str(folder)), ("two", "")):
        note(
            data,
            Pending(
                job=job,
                blend=bpy.data.filepath,
                scene="Scene",
                scene_uid="1",
                label="x",
                target="PROJECTED",
                place='["Gone"]',
                folder=fetched,
            ),
        ).release()
    assert place(find_target("TEXTURE"), folder) == {"FINISHED"}
    left = [json.loads(path.read_text())["job"] for path in (data / "pending").glob("*.json")]
    assert left == ["two"]
    assert has_pending(data, open_file())


def test_the_sequencer_is_offered_for_strips_alone(scene, folder):
    place(find_target("TEXTURE"), folder)
    with pytest.raises(RuntimeError, match="did not land in a sequencer"):
        bpy.ops.depthshot.show_take()
    place(find_target("STRIP"), folder)
    assert bpy.ops.depthshot.show_take.poll()
