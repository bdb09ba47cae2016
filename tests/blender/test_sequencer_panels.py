"""What the sequencer's tab says and offers."""

import bpy
import pytest
from bl_ext.devrepo.depthshot.operators.runner import runner
from bl_ext.devrepo.depthshot.panels import sequencer
from bl_ext.devrepo.depthshot.scene import compat
from bl_ext.devrepo.depthshot.scene.targets import strip as strip_target

from tests.blender import movies, shots, takes
from tests.blender.drawings import names
from tests.blender.sequencer_tab import MENU, SHOT, TAKE, draw, labels
from tests.blender.takes import finished


@pytest.fixture
def scene(empty_scene):
    empty_scene.name = "Shot"
    movies.plain(empty_scene)
    compat.show_in_sequencer(bpy.context.window, empty_scene)
    return empty_scene


@pytest.fixture
def strip(scene, tmp_path, stored):
    """The strip of a take in an edit scene of “Shot”, which has a camera."""
    shots.add_camera(scene)
    stored.takes_folder = str(tmp_path / "takes")
    take = finished(
        tmp_path / "takes/one", takes.noise(3, size=movies.SIZE),
        model="draft", seed=7, settings={"mean": False, "steps": 4, "detail": 0.5},
        generated=(0.0, 0.25, 0.5), details={"stills": [5]},
    )  # fmt: skip
    landed = strip_target.land(scene, tmp_path / "takes/one", take)
    edit = bpy.data.scenes[landed.scene]
    compat.show_in_sequencer(bpy.context.window, edit)
    (strip,) = takes.strips(edit)
    edit.sequence_editor.active_strip = strip
    edit.frame_set(6)
    return strip


def test_the_tab_is_in_the_sequencer():
    for panel in (SHOT, TAKE):
        assert (panel.bl_space_type, panel.bl_region_type) == ("SEQUENCE_EDITOR", "UI")
        assert panel.bl_category == "Depthshot"
        assert panel.is_registered
    assert MENU.is_registered


def test_without_strips_and_without_a_shot_the_panels_say_what_is_missing(scene):
    drawn = draw(SHOT)
    assert names(drawn, "prop") == ["strips_shot"]
    assert "It is not clear which scene is the shot; choose it under Shot." in labels(SHOT)
    assert names(drawn, "operator") == ["depthshot.still_from_strip", "depthshot.go_to_shot"]
    assert labels(TAKE) == ["The active strip shows no take"]
    shots.add_camera(scene)
    assert labels(SHOT) == ["Shot: Shot", "No strip is active; click one."]


def test_without_a_scene_in_the_sequencer(scene):
    if bpy.app.version < (5, 0):
        pytest.skip("the sequencer always has the window's scene")
    bpy.context.workspace.sequencer_scene = None
    assert labels(SHOT) == ["The sequencer shows no scene; choose one in its header."]
    assert labels(TAKE) == ["The active strip shows no take"]
    assert labels(MENU) == ["There is no other take that fits this strip"]


def test_generate_is_of_the_shot_and_not_of_the_edit(strip, backend_python):
    bpy.context.window.scene = strip.id_data
    drawn = draw(SHOT)
    assert names(drawn, "prop") == []
    assert names(drawn, "label") == ["Shot: Shot"]
    generate = [found for found in drawn if found[:2] == ("button", "depthshot.generate")]
    assert generate == [("button", "depthshot.generate", "", "Shot")]
    shot = bpy.data.scenes["Shot"]
    # What Blender does with the pointer when the button is drawn or pressed.
    with bpy.context.temp_override(scene=shot):
        assert bpy.ops.depthshot.generate.poll()
    with bpy.context.temp_override(scene=strip.id_data):
        assert not bpy.ops.depthshot.generate.poll()


def test_the_chosen_still_is_shown(strip):
    assert bpy.ops.depthshot.still_from_strip() == {"FINISHED"}
    assert names(draw(SHOT), "prop") == ["still_image", "still_choice", "still_frame"]


def test_generate_gives_way_to_progress(strip, monkeypatch):
    monkeypatch.setattr(runner, "_generation", object())
    drawn = draw(SHOT)
    assert "depthshot.cancel" in names(drawn, "operator")
    assert "depthshot.generate" not in names(drawn, "operator")
    assert names(drawn, "progress")


def test_why_a_frame_cannot_be_the_still_is_said(strip):
    strip.id_data.frame_set(100)
    (_, reason) = labels(SHOT)
    assert reason.startswith("The playhead at frame 100 is not on “one”")


def test_a_take_is_told_in_three_lines(strip):
    drawn = draw(TAKE)
    assert names(drawn, "label") == [
        "one",
        "Draft, seed 7",
        "Expectation off, Steps 4, Detail 0.5",
        "25% generated, frames 5 to 7, from the still at frame 5",
    ]
    assert ("menu", "DEPTHSHOT_MT_takes", True) in drawn
    assert names(drawn, "operator") == ["depthshot.open_strip_folder"]
    strip.lock = True
    assert ("menu", "DEPTHSHOT_MT_takes", False) in draw(TAKE)
    assert "“one” is locked; unlock it." in labels(TAKE)


def test_a_take_of_a_model_that_is_unknown_and_of_no_known_still(scene, strip, tmp_path):
    finished(
        tmp_path / "takes/one-later", takes.noise(3, size=movies.SIZE),
        model="wan", settings={"cfg": 7.5}, seed=1,
    )  # fmt: skip
    strip.directory = str(tmp_path / "takes/one-later/frames")
    assert labels(TAKE)[1:] == ["wan, seed 1", "cfg 7.5", "0% generated, frames 5 to 7"]


def test_a_damaged_record_is_said(strip, tmp_path):
    (tmp_path / "takes/one/take.json").write_text("{")
    (words,) = labels(TAKE)
    assert "take.json" in words
    assert names(draw(TAKE), "operator") == []


def test_the_menu_lists_the_other_takes_and_each_replaces(strip, tmp_path):
    assert labels(MENU) == ["There is no other take that fits this strip"]
    frames = takes.noise(3, size=movies.SIZE, seed=3)
    for number in range(sequencer.MOST_TAKES + 2):
        finished(tmp_path / f"takes/two-{number:02d}", frames, age=number, seed=number)
    drawn = draw(MENU)
    buttons = [found[2] for found in drawn if found[0] == "button"]
    assert len(buttons) == sequencer.MOST_TAKES
    assert buttons[0].startswith("two-00: Projection")
    assert names(drawn, "label") == ["2 older ones are not listed"]
    folder = [found[1] for found in drawn if found[0] == "made"][1].folder
    assert bpy.ops.depthshot.replace_take(folder=folder) == {"FINISHED"}
    assert strip.name == "two-01"


def test_in_an_edit_of_ones_own_the_frame_is_shown_warned_of_and_chosen(strip, tmp_path):
    """A movie's frame there can be any of the camera's."""
    shot = bpy.data.scenes["Shot"]
    own = bpy.data.scenes.new("My edit")
    compat.show_in_sequencer(bpy.context.window, own)
    picture = tmp_path / "painted.png"
    picture.write_bytes(takes.png(takes.noise(1, size=movies.SIZE)[0]))
    editor = own.sequence_editor_create()
    editor.active_strip = compat.strips(editor).new_image(
        name="painted", filepath=str(picture), channel=1, frame_start=1
    )
    own.depthshot.strips_shot = shot
    own.frame_set(1)
    assert bpy.ops.depthshot.still_from_strip() == {"FINISHED"}
    assert names(draw(SHOT), "prop") == ["strips_shot", "still_image", "still_choice"]
    (said,) = [line for line in labels(SHOT) if "cannot know which frame" in line]
    assert said.endswith(f"choose it under At. Now it is frame {shot.frame_start}.")
    shot.depthshot.still_choice, shot.depthshot.still_frame = "CHOSEN", shot.frame_start + 1
    assert "still_frame" in names(draw(SHOT), "prop")
    (said,) = [line for line in labels(SHOT) if "cannot know which frame" in line]
    assert said.endswith(f"Now it is frame {shot.frame_start + 1}.")
