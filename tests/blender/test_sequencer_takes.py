"""Strips that show takes: another take in their place, and the way to their shot."""

import json
import os

import bpy
import numpy as np
import pytest
from bl_ext.devrepo.depthshot.backend.errors import TakeError, TargetError
from bl_ext.devrepo.depthshot.operators.strip_shot import find_shot
from bl_ext.devrepo.depthshot.scene import compat
from bl_ext.devrepo.depthshot.scene.strip_takes import other_takes, replace_take, shown_take
from bl_ext.devrepo.depthshot.scene.targets import strip as strip_target

from tests.blender import movies, shots, takes
from tests.blender.takes import START, finished


@pytest.fixture
def pictures():
    return takes.noise(6, size=movies.SIZE)


@pytest.fixture
def others():
    return takes.noise(6, size=movies.SIZE, seed=2)


@pytest.fixture
def shot(empty_scene):
    empty_scene.name = "Shot"
    shots.add_camera(movies.plain(empty_scene))
    return empty_scene


@pytest.fixture
def strip(shot, pictures, tmp_path, stored):
    """The strip of a take in an edit scene of “Shot”, active, and shown in the sequencer."""
    stored.takes_folder = str(tmp_path / "takes")
    take = finished(tmp_path / "takes/Shot-one-001", pictures)
    landed = strip_target.land(shot, tmp_path / "takes/Shot-one-001", take)
    edit = bpy.data.scenes[landed.scene]
    compat.show_in_sequencer(bpy.context.window, edit)
    (strip,) = takes.strips(edit)
    edit.sequence_editor.active_strip = strip
    return strip


def timing(strip):
    names = (
        *("channel", "frame_start", "frame_final_start", "frame_final_end"),
        *("frame_offset_start", "frame_offset_end"),
        *("animation_offset_start", "animation_offset_end"),
        *("blend_type", "blend_alpha", "use_flip_x", "use_reverse_frames", "strobe", "mute"),
    )
    return [getattr(strip, name) for name in names]


def test_another_take_is_rendered_in_its_place_and_nothing_else_changes(
    strip, pictures, others, tmp_path
):
    edit = strip.id_data
    finished(tmp_path / "takes/Shot-two-001", others, seed=7)
    strip.frame_start += 10
    strip.frame_offset_start, strip.animation_offset_end = 1, 1
    strip.channel = 3
    length = {"length": 3} if bpy.app.version >= (5, 0) else {"frame_end": 20}
    inputs = {"input1": strip} if bpy.app.version >= (4, 5) else {"seq1": strip}
    flip = movies.strips(edit).new_effect(
        name="Blur", type="GAUSSIAN_BLUR", channel=4, frame_start=16, **length, **inputs
    )
    flip.mute = True
    edit.sequence_editor.active_strip = strip
    assert np.array_equal(takes.render(edit, tmp_path / "r.png", START + 12), pictures[2])
    before = timing(strip)  # rendering makes a strobe of 0 one of 1 in 4.2

    folder = str(tmp_path / "takes/Shot-two-001")
    assert bpy.ops.depthshot.replace_take(folder=folder) == {"FINISHED"}
    assert timing(strip) == before
    assert compat.strip_inputs(flip)[0] == strip
    assert (strip.name, len(takes.strips(edit))) == ("Shot-two-001", 2)
    for index in range(1, 5):
        rendered = takes.render(edit, tmp_path / "r.png", START + 10 + index)
        assert np.array_equal(rendered, others[index]), index


def test_a_trim_can_be_opened_again_after_replacing(strip, others, tmp_path):
    finished(tmp_path / "takes/two", others)
    strip.frame_offset_start = strip.frame_offset_end = 2
    replace_take(strip, tmp_path / "takes/two")
    strip.frame_offset_start = strip.frame_offset_end = 0
    edit = strip.id_data
    for index in (0, 5):
        rendered = takes.render(edit, tmp_path / "r.png", START + index)
        assert np.array_equal(rendered, others[index]), index


def test_a_split_half_keeps_its_frames(strip, others, tmp_path):
    edit = strip.id_data
    finished(tmp_path / "takes/two", others)
    half = strip.split(frame=START + 3, split_method="HARD")
    edit.sequence_editor.active_strip = half
    assert bpy.ops.depthshot.replace_take(folder=str(tmp_path / "takes/two")) == {"FINISHED"}
    rendered = takes.render(edit, tmp_path / "r.png", START + 4)
    assert np.array_equal(rendered, others[4])
    assert "one-001" in strip.directory


def test_one_undo_brings_the_take_back(strip, others, pictures, tmp_path):
    finished(tmp_path / "takes/two", others)
    name, directory = strip.name, strip.directory
    edit = strip.id_data.name
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.depthshot.replace_take("EXEC_DEFAULT", True, folder=str(tmp_path / "takes/two"))
    (strip,) = takes.strips(bpy.data.scenes[edit])
    assert strip.directory != directory
    bpy.ops.ed.undo()
    (strip,) = takes.strips(bpy.data.scenes[edit])
    assert (strip.name, strip.directory) == (name, directory)
    rendered = takes.render(bpy.data.scenes[edit], tmp_path / "r.png", START + 1)
    assert np.array_equal(rendered, pictures[1])


def test_a_name_of_the_artists_own_stays(strip, others, tmp_path):
    finished(tmp_path / "takes/two", others)
    strip.name = "Hero"
    replace_take(strip, tmp_path / "takes/two")
    assert strip.name == "Hero"


def test_the_path_is_relative_in_a_saved_file(strip, others, tmp_path):
    finished(tmp_path / "takes/two", others)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    replace_take(strip, tmp_path / "takes/two")
    assert strip.directory == "//takes/two/frames/"


def test_the_colour_space_follows_the_view_and_it_is_said(strip, others, tmp_path):
    finished(tmp_path / "takes/two", others)
    strip.id_data.view_settings.view_transform = "Filmic"
    _, notes = replace_take(strip, tmp_path / "takes/two")
    assert strip.colorspace_settings.name == "Filmic sRGB"
    assert notes == [
        "The strip's colour space was “sRGB” and is “Filmic sRGB” now, which fits the view of"
        " “Shot edit”."
    ]
    rendered = takes.render(strip.id_data, tmp_path / "r.png", START + 1)
    # Purer colours than the view can make come near only (tests/blender/test_color.py).
    assert np.abs(rendered - others[1].astype(int)).mean() < 0.5


def test_takes_of_the_same_scene_size_and_frames_are_offered_newest_first(
    strip, others, pictures, tmp_path
):
    folder = tmp_path / "takes"
    finished(folder / "old", others, age=100)
    finished(folder / "new", others, age=10)
    finished(folder / "longer", takes.noise(9, size=movies.SIZE), start=START - 1, age=50)
    finished(tmp_path / "elsewhere/further", others, age=500)
    finished(folder / "short", others[:3])
    finished(folder / "later", others, start=START + 1)
    finished(folder / "small", takes.noise(6, size=(16, 9)))
    finished(folder / "strange", others, shot_sha256="1" * 64)
    renamed = finished(folder / "renamed", others, age=1000)
    record = json.dumps({**renamed.to_json(), "name": "Before it was renamed"})
    (folder / "renamed/take.json").write_text(record)
    os.utime(folder / "renamed/take.json", (1e9 - 1000, 1e9 - 1000))
    foreign = finished(folder / "foreign", others)
    record = json.dumps({**foreign.to_json(), "name": "Other", "shot_sha256": "2" * 64})
    (folder / "foreign/take.json").write_text(record)
    (folder / "unfinished/frames").mkdir(parents=True)
    (folder / "damaged").mkdir()
    (folder / "damaged/take.json").write_text("{")
    (folder / "file").touch()
    found = shown_take(strip)
    offered = other_takes(strip, found, (folder, tmp_path / "elsewhere", tmp_path / "nowhere"))
    assert [each.folder.name for each in offered] == [
        *("strange", "new", "longer", "old", "further", "renamed")
    ]
    strip.directory = str(folder / "damaged/frames")
    with pytest.raises(TakeError, match=r"take\.json"):
        shown_take(strip)


@pytest.mark.parametrize(
    ("spoil", "error", "reason"),
    [
        ("missing", TakeError, r"has lost 'frames/0006\.png'"),
        ("unfinished", TakeError, "no finished take"),
        ("smaller", TargetError, "it has 16 x 9 pixels, the strip's 32 x 18"),
        ("shorter", TargetError, "it has no frame '0008.png'"),
        ("foreign", TargetError, "it is of another scene, “Other”"),
        ("no take", TargetError, "shows no take"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(
    strip, others, tmp_path, spoil, error, reason
):
    folder = tmp_path / "takes/two"
    if spoil == "smaller":
        others = takes.noise(6, size=(16, 9))
    take = finished(folder, others[:3] if spoil == "shorter" else others)
    if spoil == "missing":
        (folder / "frames/0006.png").unlink()
    elif spoil == "unfinished":
        (folder / "take.json").unlink()
    elif spoil == "foreign":
        record = {**take.to_json(), "name": "Other", "shot_sha256": "1" * 64}
        (folder / "take.json").write_text(json.dumps(record))
    elif spoil == "no take":
        strip.directory = str(tmp_path)
    before = (strip.name, strip.directory, strip.colorspace_settings.name)
    with pytest.raises(error, match=reason):
        replace_take(strip, folder)
    assert (strip.name, strip.directory, strip.colorspace_settings.name) == before


def test_replacing_is_grey_without_a_take_and_says_why(strip, tmp_path):
    assert bpy.ops.depthshot.replace_take.poll()
    assert bpy.ops.depthshot.open_strip_folder.poll()
    strip.lock = True
    with pytest.raises(RuntimeError, match="“Shot-one-001” is locked"):
        bpy.ops.depthshot.replace_take(folder=str(tmp_path))
    strip.lock = False
    strip.id_data.sequence_editor.active_strip = None
    for operator in (bpy.ops.depthshot.replace_take, bpy.ops.depthshot.open_strip_folder):
        with pytest.raises(RuntimeError, match="shows no take"):
            operator()


def test_go_to_shot_shows_its_scene_through_its_camera_at_the_same_frame(strip, shot):
    edit, window = strip.id_data, bpy.context.window
    edit.frame_set(START + 2)
    views = [area for area in window.screen.areas if area.type == "VIEW_3D"]
    assert views
    assert window.scene == edit or bpy.app.version >= (5, 0)
    assert bpy.ops.depthshot.go_to_shot() == {"FINISHED"}
    assert (window.scene, shot.frame_current) == (shot, START + 2)
    assert all(v.spaces.active.region_3d.view_perspective == "CAMERA" for v in views)
    if bpy.app.version >= (5, 0):
        assert bpy.context.workspace.sequencer_scene == edit


def test_a_strip_that_was_moved_still_knows_its_frames(strip, shot):
    edit = strip.id_data
    strip.frame_start += 100
    strip.use_reverse_frames = True
    edit.frame_set(START + 101)
    assert find_shot(edit, strip).frame == START + 4
    bpy.ops.depthshot.go_to_shot()
    assert shot.frame_current == START + 4


def test_the_playhead_beside_the_strip_leaves_the_shots_frame(strip, shot):
    shot.frame_set(7)
    strip.id_data.frame_set(200)
    assert find_shot(strip.id_data, strip).frame is None
    bpy.ops.depthshot.go_to_shot()
    assert shot.frame_current == 7


def test_a_take_finds_its_scene_from_any_edit(strip, shot, tmp_path):
    mine = movies.plain(bpy.data.scenes.new("My own edit"))
    other = bpy.data.scenes.new("Other")
    shots.add_camera(other, name="Second")
    frames = sorted((tmp_path / "takes/Shot-one-001/frames").iterdir())
    copy = movies.add_images(mine, frames, start=1)
    mine.frame_set(3)
    assert (find_shot(mine, copy).scene, find_shot(mine, copy).frame) == (shot, START + 2)
    assert find_shot(mine, None) is None


def test_go_to_shot_says_where_it_can_be_seen(strip, capfd):
    bpy.ops.depthshot.go_to_shot()
    assert "This window's scene is “Shot” at frame 5." in capfd.readouterr().out
    areas = [area for area in bpy.context.window.screen.areas if area.type == "VIEW_3D"]
    for area in areas:
        area.type = "TEXT_EDITOR"
    bpy.ops.depthshot.go_to_shot()
    for area in areas:
        area.type = "VIEW_3D"
    assert "; a workspace with a 3D viewport shows it." in capfd.readouterr().out


def test_go_to_shot_is_grey_where_the_shot_is_not_clear(empty_scene):
    compat.show_in_sequencer(bpy.context.window, empty_scene)
    with pytest.raises(RuntimeError, match="not clear which scene is the shot"):
        bpy.ops.depthshot.go_to_shot()
    if bpy.app.version >= (5, 0):
        bpy.context.workspace.sequencer_scene = None
        with pytest.raises(RuntimeError, match="The sequencer shows no scene"):
            bpy.ops.depthshot.go_to_shot()
