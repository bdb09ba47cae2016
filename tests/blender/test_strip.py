import bpy
import numpy as np
import pytest
from bl_ext.devrepo.depthshot.backend.errors import TakeError, TargetError
from bl_ext.devrepo.depthshot.scene import compat
from bl_ext.devrepo.depthshot.scene.targets import TARGETS, strip

from tests.blender import takes


def tiny(scene, size=(32, 18)):
    """Makes the scene small, and of an engine that renders anywhere."""
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 1
    scene.render.resolution_x, scene.render.resolution_y = size


def with_camera(scene):
    tiny(scene)
    bpy.ops.mesh.primitive_monkey_add()
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.location.z = 5
    scene.collection.objects.link(camera)
    bpy.data.lights.new("Sun", "SUN")
    sun = bpy.data.objects.new("Sun", bpy.data.lights["Sun"])
    scene.collection.objects.link(sun)
    scene.camera = camera


def add_color(scene, *, channel, start=1, end=100, name="Color"):
    """Adds a colour strip over frames `start` to `end` - 1."""
    editor = scene.sequence_editor or scene.sequence_editor_create()
    length = {"length": end - start} if bpy.app.version >= (5, 0) else {"frame_end": end}
    return compat.strips(editor).new_effect(
        name=name, type="COLOR", channel=channel, frame_start=start, **length
    )


@pytest.mark.parametrize("start", [1, 7, 0, -5, 1001, 12345])
def test_every_image_is_at_its_own_frame(empty_scene, tmp_path, start):
    frames = takes.noise(4)
    take = takes.make_take(tmp_path / "take", frames, start=start)
    landed = strip.land(empty_scene, tmp_path / "take", take)
    scene = bpy.data.scenes[landed.scene]
    (made,) = takes.strips(scene)
    assert made.name == landed.strip
    assert made.frame_final_start == start
    assert made.frame_final_duration == 4
    assert [element.filename for element in made.elements] == [
        f"{start + index:04d}.png" for index in range(4)
    ]
    for index, frame in enumerate(frames):
        rendered = takes.render(scene, tmp_path / f"render{index}.png", start + index)
        assert np.array_equal(rendered, frame), f"frame {start + index}"


def test_a_scene_without_strips_gets_a_separate_edit_scene(empty_scene, tmp_path):
    empty_scene.name = "Shot"
    empty_scene.render.pixel_aspect_x = 1.5
    take = takes.make_take(tmp_path / "take", takes.noise(3), start=11, fps=30 / 1.001)
    landed = strip.land(empty_scene, tmp_path / "take", take)
    edit = bpy.data.scenes["Shot edit"]
    assert landed.scene == "Shot edit"
    assert landed.in_words(take) == (
        "3 frames landed as strip “take” in the sequencer of “Shot edit”; rendering “Shot” stays as"
        " it is."
    )
    assert landed.notes == ()
    assert takes.strips(empty_scene) == []
    assert (edit.frame_start, edit.frame_end, edit.frame_current) == (11, 13, 11)
    assert (edit.render.resolution_x, edit.render.resolution_y) == (32, 18)
    assert edit.render.pixel_aspect_x == 1.5
    assert edit.render.fps == 30
    assert edit.render.fps / edit.render.fps_base == pytest.approx(30 / 1.001, rel=1e-6)
    assert edit.view_settings.view_transform == "Standard"


def test_rendering_the_shot_gives_the_same_picture_after_landing(empty_scene, tmp_path):
    with_camera(empty_scene)
    before = takes.render(empty_scene, tmp_path / "before.png", 1)
    take = takes.make_take(tmp_path / "take", takes.noise(2))
    strip.land(empty_scene, tmp_path / "take", take)
    after = takes.render(empty_scene, tmp_path / "after.png", 1)
    assert before.std() > 10
    assert np.array_equal(before, after)


def test_this_scene_is_used_when_it_was_asked_for_and_the_artist_is_told(empty_scene, tmp_path):
    empty_scene.name = "Shot"
    empty_scene.view_settings.view_transform = "Standard"
    tiny(empty_scene)
    frames = takes.noise(2)
    take = takes.make_take(tmp_path / "take", frames)
    landed = strip.land(empty_scene, tmp_path / "take", take, place="SCENE")
    assert landed.scene == "Shot"
    assert "in place of the 3D picture" in landed.notes[0]
    assert [scene.name for scene in bpy.data.scenes] == ["Shot"]
    assert np.array_equal(takes.render(empty_scene, tmp_path / "r.png", 2), frames[1])


def test_a_scene_that_renders_its_strips_is_used_as_it_is(empty_scene, tmp_path):
    empty_scene.view_settings.view_transform = "Standard"
    color = add_color(empty_scene, channel=3)
    place = (color.frame_final_start, color.frame_final_end, color.channel)
    take = takes.make_take(tmp_path / "take", takes.noise(2))
    landed = strip.land(empty_scene, tmp_path / "take", take)
    assert landed.scene == empty_scene.name
    assert landed.channel == 4
    assert landed.notes == ()
    assert (color.frame_final_start, color.frame_final_end, color.channel) == place


@pytest.mark.parametrize("hide", ["mute", "channel", "render"])
def test_strips_that_make_no_picture_do_not_count(empty_scene, tmp_path, hide):
    color = add_color(empty_scene, channel=2)
    if hide == "mute":
        color.mute = True
    elif hide == "channel":
        empty_scene.sequence_editor.channels[2].mute = True
    else:
        empty_scene.render.use_sequencer = False
    take = takes.make_take(tmp_path / "take", takes.noise(1))
    assert strip.land(empty_scene, tmp_path / "take", take).scene == "Scene edit"


def test_the_edit_scene_is_used_again_and_nothing_in_it_moves(empty_scene, tmp_path):
    first = takes.make_take(tmp_path / "one", takes.noise(3))
    second = takes.make_take(tmp_path / "two", takes.noise(5, seed=2), start=2)
    one = strip.land(empty_scene, tmp_path / "one", first)
    two = strip.land(empty_scene, tmp_path / "two", second)
    assert (one.scene, one.channel) == ("Scene edit", 1)
    assert (two.scene, two.channel) == ("Scene edit", 2)
    assert len(bpy.data.scenes) == 2
    edit = bpy.data.scenes["Scene edit"]
    assert (edit.frame_start, edit.frame_end) == (1, 6)
    assert not any("plays" in note for note in two.notes)
    older, newer = takes.strips(edit)
    assert (older.frame_final_start, older.frame_final_duration, older.channel) == (1, 3, 1)
    assert (newer.frame_final_start, newer.frame_final_duration, newer.channel) == (2, 5, 2)


def test_an_earlier_take_comes_inside_the_edit_scenes_range_too(empty_scene, tmp_path):
    for name, start in (("one", 100), ("two", 3)):
        take = takes.make_take(tmp_path / name, takes.noise(3), start=start)
        strip.land(empty_scene, tmp_path / name, take)
    edit = bpy.data.scenes["Scene edit"]
    assert (edit.frame_start, edit.frame_end) == (3, 102)


def test_the_artists_own_scene_of_that_name_is_left_alone(empty_scene, tmp_path):
    own = bpy.data.scenes.new("Scene edit")
    tiny(own)
    take = takes.make_take(tmp_path / "take", takes.noise(2))
    landed = strip.land(empty_scene, tmp_path / "take", take)
    assert takes.strips(own) == []
    assert landed.scene == "Scene edit.001"
    assert len(takes.strips(bpy.data.scenes["Scene edit.001"])) == 1
    assert "“Scene edit.001”" in landed.where
    assert strip.land(empty_scene, tmp_path / "take", take).scene == "Scene edit.001"


def test_another_shots_edit_scene_is_left_alone(empty_scene, tmp_path):
    take = takes.make_take(tmp_path / "take", takes.noise(1))
    strip.land(empty_scene, tmp_path / "take", take)
    other = bpy.data.scenes.new("Other")
    bpy.data.scenes["Scene edit"].name = "Other edit"
    assert strip.land(other, tmp_path / "take", take).scene == "Other edit.001"
    assert len(takes.strips(bpy.data.scenes["Other edit"])) == 1


def test_a_linked_edit_scene_is_left_alone_and_the_take_survives_opening_the_file_again(
    empty_scene, tmp_path
):
    take = takes.make_take(tmp_path / "take", takes.noise(2))
    strip.land(empty_scene, tmp_path / "take", take)
    ours = bpy.data.scenes["Scene edit"]
    bpy.data.libraries.write(str(tmp_path / "library.blend"), {ours})
    bpy.data.scenes.remove(ours)
    with bpy.data.libraries.load(str(tmp_path / "library.blend"), link=True) as (_, wanted):
        wanted.scenes = ["Scene edit"]
    landed = strip.land(empty_scene, tmp_path / "take", take)
    assert bpy.data.scenes[landed.scene].library is None
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    (local,) = [
        scene
        for scene in bpy.data.scenes
        if scene.name.startswith("Scene edit") and scene.library is None
    ]
    assert len(takes.strips(local)) == 1


def test_a_take_of_another_size_gets_an_edit_scene_of_its_own(empty_scene, tmp_path):
    sizes = {"one": (32, 18), "two": (40, 30)}
    for name, size in sizes.items():
        frames = takes.noise(2, size=size)
        take = takes.make_take(tmp_path / name, frames)
        landed = strip.land(empty_scene, tmp_path / name, take)
        rendered = takes.render(bpy.data.scenes[landed.scene], tmp_path / "r.png", 2)
        assert np.array_equal(rendered, frames[1])
    assert landed.scene == "Scene edit.001"
    small = takes.make_take(tmp_path / "three", takes.noise(1))
    assert strip.land(empty_scene, tmp_path / "three", small).scene == "Scene edit"


def test_muted_and_locked_channels_are_passed_over(empty_scene, tmp_path):
    editor = empty_scene.sequence_editor_create()
    editor.channels[1].mute = True
    editor.channels[2].lock = True
    assert strip.free_channel(editor, 1, 10) == 3


def test_below_the_top_only_where_there_is_room(empty_scene, tmp_path):
    add_color(empty_scene, channel=128, start=1, end=10)
    add_color(empty_scene, channel=127, start=5, end=20)
    editor = empty_scene.sequence_editor
    assert strip.free_channel(editor, 5, 10) == 126
    assert strip.free_channel(editor, 10, 12) == 128
    assert strip.free_channel(editor, 20, 30) == 128


def test_no_channel_at_all_is_said_and_changes_nothing(empty_scene, tmp_path):
    empty_scene.view_settings.view_transform = "Standard"
    for channel in range(1, 129):
        add_color(empty_scene, channel=channel, start=1, end=50)
    take = takes.make_take(tmp_path / "take", takes.noise(2))
    with pytest.raises(TargetError, match="no free channel from frame 1 to 2"):
        strip.land(empty_scene, tmp_path / "take", take)
    assert len(takes.strips(empty_scene)) == 128


def test_a_missing_frame_is_named_and_changes_nothing(empty_scene, tmp_path):
    take = takes.make_take(tmp_path / "take", takes.noise(3))
    (tmp_path / "take/frames/0002.png").unlink()
    with pytest.raises(TakeError, match=r"frames/0002\.png"):
        strip.land(empty_scene, tmp_path / "take", take)
    assert len(bpy.data.scenes) == 1


def test_the_path_is_relative_when_the_file_is_saved(empty_scene, tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"), check_existing=False)
    frames = takes.noise(2)
    take = takes.make_take(tmp_path / "depthshot/take", frames)
    strip.land(empty_scene, tmp_path / "depthshot/take", take)
    (made,) = takes.strips(bpy.data.scenes["Scene edit"])
    assert made.directory == "//depthshot/take/frames/"
    bpy.ops.wm.save_mainfile()

    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (tmp_path / "depthshot").rename(moved / "depthshot")
    (tmp_path / "a.blend").rename(moved / "a.blend")
    bpy.ops.wm.open_mainfile(filepath=str(moved / "a.blend"))
    rendered = takes.render(bpy.data.scenes["Scene edit"], tmp_path / "r.png", 2)
    assert np.array_equal(rendered, frames[1])


def test_another_frame_rate_is_said(empty_scene, tmp_path):
    empty_scene.view_settings.view_transform = "Standard"
    add_color(empty_scene, channel=1, end=3)
    empty_scene.frame_end = 2
    empty_scene.render.fps = 25
    take = takes.make_take(tmp_path / "take", takes.noise(2))
    landed = strip.land(empty_scene, tmp_path / "take", take)
    (note,) = landed.notes
    assert "24 frames a second" in note
    assert "plays 25" in note


def test_half_size_scene_still_shows_the_take_pixel_for_pixel(empty_scene, tmp_path):
    empty_scene.view_settings.view_transform = "Standard"
    tiny(empty_scene, (64, 36))
    empty_scene.render.resolution_percentage = 50
    frames = takes.noise(1)
    take = takes.make_take(tmp_path / "take", frames)
    strip.land(empty_scene, tmp_path / "take", take, place="SCENE")
    assert np.array_equal(takes.render(empty_scene, tmp_path / "r.png", 1), frames[0])


def test_one_undo_step_removes_everything(empty_scene, tmp_path):
    bpy.ops.ed.undo_push(message="before")
    take = takes.make_take(tmp_path / "take", takes.noise(2))
    strip.land(empty_scene, tmp_path / "take", take)
    bpy.ops.ed.undo_push(message="take")
    assert "Scene edit" in bpy.data.scenes
    bpy.ops.ed.undo()
    assert [scene.name for scene in bpy.data.scenes] == ["Scene"]
    assert takes.strips(bpy.data.scenes["Scene"]) == []
    bpy.ops.ed.redo()
    assert len(takes.strips(bpy.data.scenes["Scene edit"])) == 1


def test_long_names_keep_their_ending(empty_scene, tmp_path):
    empty_scene.name = "ü" * 300
    take = takes.make_take(tmp_path / "take", takes.noise(1))
    landed = strip.land(empty_scene, tmp_path / "take", take)
    assert landed.scene.endswith("ü edit")
    again = strip.land(empty_scene, tmp_path / "take", take)
    assert again.scene == landed.scene
    assert len(bpy.data.scenes) == 2


def test_targets_can_be_told_apart():
    assert len({target.ID for target in TARGETS}) == len(TARGETS)
    assert all(target.LABEL and target.HELP for target in TARGETS)
