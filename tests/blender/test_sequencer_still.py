"""A strip's frame as the still: compared with what Blender renders of the strip."""

from pathlib import Path

import bpy
import numpy as np
import pytest
from bl_ext.devrepo.depthshot.backend.errors import CaptureError
from bl_ext.devrepo.depthshot.operators.request import read_request
from bl_ext.devrepo.depthshot.scene import compat
from bl_ext.devrepo.depthshot.scene.movie import Movie
from bl_ext.devrepo.depthshot.scene.strips import find_picture
from bl_ext.devrepo.depthshot.scene.targets import strip as strip_target

from tests.blender import movies, shots, takes

COUNT = 8


@pytest.fixture
def pictures():
    return takes.noise(COUNT, size=movies.SIZE)


@pytest.fixture
def scene(empty_scene, tmp_path, stored):
    """A scene with a camera and a sequencer of its own, shown there."""
    movies.plain(empty_scene)
    shots.add_camera(empty_scene)
    stored.takes_folder = str(tmp_path / "takes")
    compat.show_in_sequencer(bpy.context.window, empty_scene)
    return empty_scene


def trim(strip):
    strip.frame_offset_start, strip.frame_offset_end = 3, 2


def trim_hard(strip):
    strip.animation_offset_start, strip.animation_offset_end = 2, 1


def reverse(strip):
    strip.use_reverse_frames = True


def reverse_trimmed(strip):
    trim_hard(strip)
    reverse(strip)
    strip.frame_offset_start = 1


def hold(strip):
    strip.frame_offset_start, strip.frame_offset_end = -2, -3


def strobe(strip):
    strip.strobe = 3


def strobe_between(strip):
    strip.strobe = 1.5


def move(strip):
    strip.frame_start = -20


def leave(strip):
    pass


def retime(strip):
    """Plays the second half at half speed, as the sequencer's own menu does."""
    window = bpy.context.window
    area = window.screen.areas[0]
    before, area.type = area.type, "SEQUENCE_EDITOR"
    strip.select = True
    region = next(region for region in area.regions if region.type == "WINDOW")
    with bpy.context.temp_override(window=window, area=area, region=region):
        bpy.ops.sequencer.retiming_key_add(timeline_frame=strip.frame_final_start + 4)
        bpy.ops.sequencer.retiming_segment_speed_set(speed=50)
    area.type = before


SETUPS = [leave, trim, trim_hard, reverse, reverse_trimmed, hold, strobe, strobe_between, move]


def shown(strip):
    return range(strip.frame_final_start, strip.frame_final_end)


def rendered(scene, strip, folder):
    """Returns what Blender makes of every frame of the strip, each for itself."""
    pictures = {}
    for frame in shown(strip):
        # Blender 5.0 takes a frame between two of the movie's for the one before, once that is
        # kept.
        strip.invalidate_cache("RAW")
        pictures[frame] = takes.render(scene, folder / "rendered.png", frame)
    return pictures


@pytest.mark.parametrize("setup", [*SETUPS, retime])
def test_an_image_strip_gives_the_file_that_is_rendered(scene, pictures, tmp_path, setup):
    strip = movies.add_images(scene, movies.write_pictures(tmp_path / "p", pictures), start=10)
    setup(strip)
    for frame, expected in rendered(scene, strip, tmp_path).items():
        picture = find_picture(strip, frame)
        assert picture.index is None
        assert np.array_equal(takes.read(picture.file), expected), frame


@pytest.mark.parametrize("setup", SETUPS)
def test_a_movie_strip_gives_the_frame_that_is_rendered(scene, pictures, tmp_path, setup):
    path = movies.write_movie(tmp_path / "movie.mkv", pictures)
    strip = movies.add_movie(scene, path, start=10)
    setup(strip)
    for frame, expected in rendered(scene, strip, tmp_path).items():
        picture = find_picture(strip, frame)
        with Movie(picture.file) as movie:
            still = movie.save(picture.index, tmp_path / "stills", name=f"{frame}")
        assert np.array_equal(takes.read(still), expected), frame


@pytest.mark.parametrize("fps", [10, 30, 50])
@pytest.mark.parametrize("setup", [leave, trim, reverse])
def test_a_movie_fitted_to_another_frame_rate_gives_it_too(scene, pictures, tmp_path, fps, setup):
    path = movies.write_movie(tmp_path / "movie.mkv", pictures)
    scene.render.fps = fps
    strip = movies.fit_movie(scene, path, start=10)
    assert strip.frame_final_duration != COUNT
    if setup is trim:
        strip.frame_offset_start = 1
    else:
        setup(strip)
    for frame, expected in rendered(scene, strip, tmp_path).items():
        index = find_picture(strip, frame).index
        assert np.array_equal(pictures[index], expected), frame


def test_frames_of_a_movie_are_read_in_any_order_and_leave_nothing(scene, pictures, tmp_path):
    path = movies.write_movie(tmp_path / "movie.mkv", pictures)
    before = len(bpy.data.images), len(bpy.data.textures)
    with Movie(path) as movie:
        assert movie.frames == COUNT
        for index in (5, 0, COUNT - 1, 2, 2, 6):
            values = np.rint(movie.read(index)[::-1, :, :3] * 255).astype(int)
            assert np.array_equal(values, pictures[index]), index
    assert (len(bpy.data.images), len(bpy.data.textures)) == before


@pytest.mark.skipif(bpy.app.version < (4, 4), reason="this Blender writes movies of 8 bits alone")
def test_a_movie_with_more_than_8_bits_gives_a_16_bit_png(scene, pictures, tmp_path):
    path = movies.write_movie(tmp_path / "movie.mkv", pictures, depth="10")
    with Movie(path) as movie:
        still = movie.save(3, tmp_path, name="still")
    assert still.read_bytes()[24] == 16
    assert np.abs(takes.read(still) - pictures[3]).max() <= 1


def test_a_still_is_never_written_over_and_the_same_one_is_written_once(scene, pictures, tmp_path):
    with Movie(movies.write_movie(tmp_path / "movie.mkv", pictures)) as movie:
        first = movie.save(0, tmp_path / "stills", name="still")
        kept = first.read_bytes()
        assert movie.save(0, tmp_path / "stills", name="still") == first
        other = movie.save(1, tmp_path / "stills", name="still")
    assert (first.name, other.name) == ("still.png", "still-2.png")
    assert first.read_bytes() == kept != other.read_bytes()
    assert sorted(path.name for path in first.parent.iterdir()) == ["still-2.png", "still.png"]


def test_what_is_no_movie_is_refused_and_leaves_nothing(scene, tmp_path):
    (tmp_path / "movie.mkv").write_bytes(b"nothing" * 100)
    before = len(bpy.data.images)
    with pytest.raises(CaptureError, match=r"movie.mkv' cannot be read"):
        Movie(tmp_path / "movie.mkv")
    assert len(bpy.data.images) == before


def test_the_still_of_the_strips_own_scene(scene, pictures, tmp_path):
    """Pressed in the sequencer of a saved file: the settings are as Generate reads them."""
    (tmp_path / "python").touch()
    bpy.context.preferences.addons["bl_ext.devrepo.depthshot"].preferences.backend_python = str(
        tmp_path / "python"
    )
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    paths = movies.write_pictures(tmp_path / "p", pictures)
    movies.add_images(scene, paths, start=10)
    scene.frame_set(14)
    assert bpy.ops.depthshot.still_from_strip() == {"FINISHED"}
    assert scene.depthshot.still_image == "//p/picture04.png"
    capture = read_request(bpy.context).capture
    assert (capture.still_source, capture.still_image) == ("IMAGE", paths[4])
    assert capture.still_frame == 14


def test_a_movies_still_lies_in_the_folder_for_takes(scene, pictures, tmp_path):
    movies.add_movie(scene, movies.write_movie(tmp_path / "my movie.mkv", pictures), start=10)
    scene.frame_set(15)
    before = set(bpy.data.images.keys())
    assert bpy.ops.depthshot.still_from_strip() == {"FINISHED"}
    assert set(bpy.data.images.keys()) == before
    assert scene.depthshot.still_image == str(tmp_path / "takes/my_movie-0006.png")
    assert np.array_equal(takes.read(scene.depthshot.still_image), pictures[5])


def test_the_still_of_an_edit_scene_is_that_of_its_shot(scene, pictures, tmp_path):
    scene.name = "Shot"
    take = takes.make_take(tmp_path / "takes/take", pictures, start=5)
    edit = bpy.data.scenes[strip_target.land(scene, tmp_path / "takes/take", take).scene]
    compat.show_in_sequencer(bpy.context.window, edit)
    (strip,) = takes.strips(edit)
    edit.sequence_editor.active_strip = strip
    edit.frame_set(7)
    assert bpy.ops.depthshot.still_from_strip() == {"FINISHED"}
    settings = scene.depthshot
    assert settings.still_image.endswith("0007.png")
    assert (settings.still_source, settings.still_choice) == ("IMAGE", "CHOSEN")
    assert settings.still_frame == 7
    assert edit.depthshot.still_source == "RENDER"


def test_a_chosen_shot_comes_before_all_and_starts_at_its_first_frame(scene, pictures, tmp_path):
    other = bpy.data.scenes.new("Other")
    shots.add_camera(other, name="Second")
    scene.depthshot.strips_shot = other
    movies.add_images(scene, movies.write_pictures(tmp_path / "p", pictures), start=1)
    assert bpy.ops.depthshot.still_from_strip() == {"FINISHED"}
    assert other.depthshot.still_source == "IMAGE"
    assert other.depthshot.still_choice == "FIRST"
    assert scene.depthshot.still_source == "RENDER"


def test_the_only_scene_with_a_camera_is_the_shot_of_an_edit_without_one(scene, pictures, tmp_path):
    edit = movies.plain(bpy.data.scenes.new("My edit"))
    compat.show_in_sequencer(bpy.context.window, edit)
    movies.add_images(edit, movies.write_pictures(tmp_path / "p", pictures), start=1)
    assert bpy.ops.depthshot.still_from_strip() == {"FINISHED"}
    assert (scene.depthshot.still_source, scene.depthshot.still_choice) == ("IMAGE", "FIRST")
    other = bpy.data.scenes.new("Other")
    shots.add_camera(other, name="Second")
    with pytest.raises(RuntimeError, match="not clear which scene is the shot"):
        bpy.ops.depthshot.still_from_strip()


def test_one_undo_takes_the_still_back(scene, pictures, tmp_path):
    movies.add_images(scene, movies.write_pictures(tmp_path / "p", pictures), start=1)
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.depthshot.still_from_strip("EXEC_DEFAULT", True)
    assert bpy.context.scene.depthshot.still_source == "IMAGE"
    bpy.ops.ed.undo()
    settings = bpy.context.scene.depthshot
    assert (settings.still_source, settings.still_image) == ("RENDER", "")
    assert settings.still_choice == "FIRST"


def no_strip(scene, strip):
    scene.sequence_editor.active_strip = None


def elsewhere(scene, strip):
    scene.frame_set(100)


def color(scene, strip):
    length = {"length": 9} if bpy.app.version >= (5, 0) else {"frame_end": 10}
    scene.sequence_editor.active_strip = movies.strips(scene).new_effect(
        name="Red", type="COLOR", channel=3, frame_start=1, **length
    )


def speed(scene, strip):
    options = {"length": 8} if bpy.app.version >= (5, 0) else {"frame_end": 9}
    options["input1" if bpy.app.version >= (4, 5) else "seq1"] = strip
    movies.strips(scene).new_effect(name="Slow", type="SPEED", channel=2, frame_start=1, **options)


def linear(scene, strip):
    strip.elements[0].filename = "render.EXR"


def stereo(scene, strip):
    scene.render.use_multiview = True
    strip.use_multiview = True


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (no_strip, "No strip is active"),
        (elsewhere, "playhead at frame 100 is not on “Pictures”, which is shown from 1 to 8"),
        (color, "“Red” is no image or movie strip"),
        (speed, "“Pictures” is played by the speed effect “Slow”"),
        (linear, "“Pictures” shows 'render.EXR', which is linear"),
        (stereo, "“Pictures” is stereoscopic"),
    ],
)
def test_what_cannot_be_known_is_refused_by_name(scene, pictures, tmp_path, spoil, reason):
    strip = movies.add_images(scene, movies.write_pictures(tmp_path / "p", pictures), start=1)
    assert bpy.ops.depthshot.still_from_strip.poll()
    spoil(scene, strip)
    assert not bpy.ops.depthshot.still_from_strip.poll()
    with pytest.raises(RuntimeError, match=reason):
        bpy.ops.depthshot.still_from_strip()
    assert scene.depthshot.still_source == "RENDER"


def test_a_retimed_movie_is_refused(scene, pictures, tmp_path):
    strip = movies.add_movie(scene, movies.write_movie(tmp_path / "movie.mkv", pictures))
    assert bpy.ops.depthshot.still_from_strip.poll()
    retime(strip)
    with pytest.raises(RuntimeError, match="“Movie” is retimed"):
        bpy.ops.depthshot.still_from_strip()


def test_a_lost_file_is_named_and_changes_nothing(scene, pictures, tmp_path):
    paths = movies.write_pictures(tmp_path / "p", pictures)
    movies.add_images(scene, paths, start=1)
    paths[0].unlink()
    with pytest.raises(RuntimeError, match=r"picture00.png' is not there"):
        bpy.ops.depthshot.still_from_strip()
    assert scene.depthshot.still_source == "RENDER"


def test_a_movie_that_became_shorter_is_refused(scene, pictures, tmp_path):
    path = movies.write_movie(tmp_path / "movie.mkv", pictures)
    strip = movies.add_movie(scene, path)
    assert strip.frame_duration == COUNT
    movies.write_movie(tmp_path / "short.mkv", pictures[:3]).replace(path)
    with pytest.raises(CaptureError, match="another length than its movie"):
        find_picture(strip, 1)


def test_a_frame_rate_nearly_the_scenes_is_refused_where_it_matters(scene, pictures, tmp_path):
    long = pictures * 100
    path = movies.write_movie(tmp_path / "movie.mkv", long)
    strip = movies.add_movie(scene, path)
    scene.render.fps_base = 1.001
    assert find_picture(strip, 1).index == 0
    with pytest.raises(CaptureError, match="does not tell whether it is fitted"):
        find_picture(strip, 700)


def test_what_the_strip_adds_is_said(scene, pictures, tmp_path, capfd):
    strip = movies.add_images(scene, movies.write_pictures(tmp_path / "p", pictures), start=1)
    strip.use_flip_x = True
    strip.crop.min_x = 2
    strip.modifiers.new("Bright", "BRIGHT_CONTRAST")
    strip.modifiers.new("Off", "CURVES").mute = True
    strip.colorspace_settings.name = "Linear Rec.709"
    scene.frame_start = 3
    assert bpy.ops.depthshot.still_from_strip() == {"FINISHED"}
    told = capfd.readouterr().out
    assert "without what the strip adds: a crop, a flip, modifiers." in told
    assert "reads its file as “Linear Rec.709”" in told
    assert "Frame 1 is outside the shot's frames 3 to 250" in told
    assert "“picture00.png” is the still of “Scene” at frame 1." in told


def test_a_folder_for_takes_that_cannot_be_written_is_said_and_changes_nothing(
    scene, pictures, tmp_path, stored
):
    (tmp_path / "file").touch()
    stored.takes_folder = str(tmp_path / "file/below")
    movies.add_movie(scene, movies.write_movie(tmp_path / "movie.mkv", pictures))
    images = len(bpy.data.images)
    with pytest.raises(RuntimeError, match=r"folder for takes '.*file/below' cannot be written"):
        bpy.ops.depthshot.still_from_strip()
    assert scene.depthshot.still_source == "RENDER"
    assert len(bpy.data.images) == images


def test_a_movies_still_is_what_the_shot_has(scene, pictures, tmp_path):
    movies.add_movie(scene, movies.write_movie(tmp_path / "movie.mkv", pictures))
    scene.frame_set(3)
    bpy.ops.depthshot.still_from_strip()
    shots.small(scene, movies.SIZE)
    shots.add_plane(scene)
    settings = scene.depthshot
    finished = shots.capture(
        scene, tmp_path / "cache", start=3, end=3,
        still_source="IMAGE", still_image=Path(settings.still_image),
    )  # fmt: skip
    assert np.array_equal(takes.read(finished.folder / "still.png"), pictures[2])
