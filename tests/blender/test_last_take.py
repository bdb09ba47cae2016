"""What the tabs say of the last take: after undo, in another file, and from its edit scene."""

from types import SimpleNamespace

import bpy
import pytest
from bl_ext.devrepo.depthshot.operators.interface import landing_undone
from bl_ext.devrepo.depthshot.operators.runner import runner
from bl_ext.devrepo.depthshot.panels import sidebar
from bl_ext.devrepo.depthshot.scene import compat
from bl_ext.devrepo.depthshot.scene.strips import active_strip

from tests.blender import takes, views
from tests.blender.sequencer_tab import draw, labels


@pytest.fixture
def placed(empty_scene, stored, tmp_path):
    """A take that was placed as a strip, in one undo step."""
    stored.data_folder = str(tmp_path / "data")
    views.exact(empty_scene)
    views.moving_camera(empty_scene)
    folder = views.finished_take(tmp_path / "one")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "other.blend"), copy=True)
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.depthshot.place_take("EXEC_DEFAULT", True, target="STRIP", directory=f"{folder}/")
    return folder


def status():
    return bpy.context.window_manager.depthshot


def test_the_strip_that_landed_is_the_active_one(placed):
    edit = bpy.data.scenes[status().scene]
    strip = active_strip(edit)
    assert (strip.name, strip.select) == ("one", True)
    bpy.ops.depthshot.place_take(target="STRIP", directory=f"{placed}/")
    first, second = takes.strips(edit)
    assert active_strip(edit) == second
    assert (first.select, second.select) == (False, True)


def test_after_undo_nothing_claims_that_the_take_has_landed(placed):
    assert not landing_undone(status())
    assert "landed as" in " ".join(labels(sidebar.DEPTHSHOT_PT_take))
    bpy.ops.ed.undo()
    assert landing_undone(status())
    said = " ".join(labels(sidebar.DEPTHSHOT_PT_take))
    assert "The landing of the last take was undone; place it again" in said
    assert "landed as" not in said
    with pytest.raises(RuntimeError, match="The landing of the last take was undone"):
        bpy.ops.depthshot.show_take()
    bpy.ops.ed.redo()
    assert not landing_undone(status())


def test_another_file_knows_nothing_of_the_last_take(placed, tmp_path):
    assert status().take
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "other.blend"), load_ui=False)
    assert (status().take, status().message, status().scene, status().landing) == ("",) * 4
    assert status().generated == 0


def test_a_take_that_is_on_its_way_is_not_forgotten(placed, monkeypatch):
    """The other file's last take is: it may have nothing to do with this one."""
    monkeypatch.setattr(runner, "_generation", object())
    status().job = "job"
    runner.forget()
    assert status().job == "job"
    assert (status().take, status().scene, status().landing) == ("",) * 3


def test_what_ended_after_the_landing_was_undone_is_shown(placed):
    bpy.ops.ed.undo()
    status().earlier_landing = status().landing
    status().message = "Cancelled."
    said = labels(sidebar.DEPTHSHOT_PT_take)
    assert "Cancelled." in said
    assert "The landing of the last take was undone" in " ".join(said)


def test_from_its_edit_scene_the_shot_is_generated(placed, backend_python):
    shot = bpy.context.scene
    edit = bpy.data.scenes[status().scene]
    shot.depthshot.seed = 12
    bpy.context.window.scene = edit
    said = " ".join(labels(sidebar.DEPTHSHOT_PT_shot))
    assert f"“{edit.name}” is the edit of “{shot.name}”, whose shot this is" in said
    drawn = draw(sidebar.DEPTHSHOT_PT_take)
    (button,) = [each for each in drawn if each[:2] == ("button", "depthshot.generate")]
    assert button[3] == shot.name
    drawn = draw(sidebar.DEPTHSHOT_PT_last_take)
    places = [each for each in drawn if each[:2] == ("button", "depthshot.place_take")]
    assert {each[3] for each in places} == {shot.name}
    with bpy.context.temp_override(scene=shot):
        assert bpy.ops.depthshot.generate.poll()
    assert not bpy.ops.depthshot.generate.poll()


def test_a_shot_scene_that_is_renamed_keeps_its_edit_scene(placed):
    shot, edit = bpy.context.scene, bpy.data.scenes[status().scene]
    shot.name = "Renamed"
    bpy.ops.depthshot.place_take(target="STRIP", directory=f"{placed}/")
    assert status().scene == edit.name
    assert len(takes.strips(edit)) == 2
    compat.show_in_sequencer(bpy.context.window, edit)
    drawing = SimpleNamespace(scene=edit)
    assert sidebar.shot_scene(drawing) == shot
