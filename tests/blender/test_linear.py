"""Scene-linear frames: made by a second Blender, shown as the take was made wherever they land."""

import signal
import time

import bpy
import numpy as np
import pytest
from bl_ext.devrepo.depthshot.backend import png
from bl_ext.devrepo.depthshot.backend.errors import StorageError, TakeError
from bl_ext.devrepo.depthshot.backend.take import read_take, verify_take
from bl_ext.devrepo.depthshot.operators.request import why_not
from bl_ext.devrepo.depthshot.scene import linear
from bl_ext.devrepo.depthshot.scene.child_process import wait_for_ends
from bl_ext.devrepo.depthshot.scene.color import INVERSES, show_plain
from bl_ext.devrepo.depthshot.scene.linear import LinearFrames
from bl_ext.devrepo.depthshot.scene.strip_takes import other_takes, replace_take, shown_take
from bl_ext.devrepo.depthshot.scene.strips import find_picture
from bl_ext.devrepo.depthshot.scene.targets import background, compositor, plane, strip

from tests.blender import composited, fine_takes, takes, views
from tests.blender.looks import bounds_of, look

# View transform, share of grey: the largest mean and the largest single difference, in 8-bit code
# values, between a take of 16-bit PNG and its EXR frames rendered through the same view; in Blender
# 5.0 and newer, then in older ones. docs/manual/formats.md says what the colours are.
BOUNDS = {
    ("Standard", 0.1): ((0.01, 0.05), (0.01, 0.05)),
    ("Standard", 0.0): ((0.01, 0.05), (0.01, 0.05)),
    ("Filmic", 0.1): ((0.01, 0.06), (0.01, 0.06)),
    ("Filmic", 0.0): ((0.01, 0.06), (0.01, 0.06)),
    ("AgX", 0.1): ((0.03, 12), (0.07, 12)),
    ("AgX", 0.0): ((0.25, 33), (0.14, 9)),
    ("ACES 1.3", 0.1): ((0.03, 1), None),
    ("ACES 1.3", 0.0): ((0.05, 2.5), None),
    ("ACES 2.0", 0.1): ((0.01, 0.06), None),
    ("ACES 2.0", 0.0): ((0.01, 0.06), None),
}
# From this step to a neighbour on, in 8-bit code values, a pixel is beside an edge.
EDGE = 64


def convert(folder, view):
    conversion = LinearFrames.start(folder, view=view)
    while conversion.take is None:
        conversion.step()
        time.sleep(0.01)
    assert wait_for_ends()
    return conversion.take


def compare(shown, frame):
    difference = np.abs(shown - frame.astype(float)) / 257
    return difference.mean(), difference.max()


def steps(frame):
    """Returns how far each pixel is from the neighbour it differs from most, in 8-bit values."""
    height, width, _ = frame.shape
    around = np.pad(frame.astype(float), ((1, 1), (1, 1), (0, 0)), "edge")
    neighbours = [
        around[down : down + height, right : right + width]
        for down in range(3)
        for right in range(3)
    ]
    return np.abs(neighbours - frame.astype(float)).max(axis=(0, -1)) / 257


def test_every_inverse_is_measured():
    assert {view_transform for view_transform, _ in BOUNDS} == set(INVERSES)


@pytest.mark.parametrize(("view_transform", "grey"), BOUNDS)
def test_exr_frames_look_as_the_take_was_made(empty_scene, tmp_path, view_transform, grey):
    mean, largest = bounds_of(view_transform, grey, table=BOUNDS)
    look(empty_scene, view_transform)
    frame = fine_takes.through_the_view(empty_scene, tmp_path / "picture.png", grey=grey)
    before = fine_takes.make_take(tmp_path / "take", [frame])
    take = convert(tmp_path / "take", view_transform)
    assert (before.format, take.format, take.view) == ("png16", "exr", view_transform)
    assert verify_take(tmp_path / "take") == take
    assert set(take.files) - set(before.files) == {"linear/0001.exr"}
    empty_scene.render.resolution_x, empty_scene.render.resolution_y = take.size
    landed = strip.land(empty_scene, tmp_path / "take", take, place="SCENE")
    assert not any("view" in note for note in landed.notes)
    shown = fine_takes.render(empty_scene, tmp_path / "shown.png")
    there = compare(shown, frame)
    assert there[0] <= mean
    assert there[1] <= largest


@pytest.fixture
def converted(empty_scene, tmp_path):
    """Returns a function that makes a take of a view's colours, as PNG and EXR."""

    def make(view_transform):
        look(empty_scene, view_transform)
        frame = fine_takes.through_the_view(empty_scene, tmp_path / "picture.png", grey=0.1)
        fine_takes.make_take(tmp_path / "take", [frame])
        take = convert(tmp_path / "take", view_transform)
        empty_scene.render.resolution_x, empty_scene.render.resolution_y = take.size
        return frame, take

    return make


@pytest.mark.parametrize("view_transform", ["Standard", "Filmic", "AgX"])
def test_exr_frames_look_as_made_in_the_compositor(
    empty_scene, tmp_path, converted, view_transform
):
    composited.furnish(empty_scene)
    frame, take = converted(view_transform)
    landed = compositor.land(empty_scene, tmp_path / "take", take)
    assert not any("look" in note for note in landed.notes)
    composited.show(empty_scene, "Image")
    assert image_of("take").colorspace_settings.name == "Linear Rec.709"
    mean, largest = bounds_of(view_transform, 0.1, table=BOUNDS)
    there = compare(fine_takes.render(empty_scene, tmp_path / "r.png"), frame)
    assert there[0] <= mean
    assert there[1] <= largest


@pytest.mark.parametrize("view_transform", ["Standard", "Filmic", "AgX"])
def test_exr_frames_look_as_made_on_the_camera_plane(
    empty_scene, tmp_path, converted, view_transform
):
    views.exact(empty_scene)
    views.moving_camera(empty_scene)
    frame, take = converted(view_transform)
    plane.land(empty_scene, tmp_path / "take", take)
    assert image_of("take frames").colorspace_settings.name == "Linear Rec.709"
    shown = fine_takes.render(empty_scene, tmp_path / "r.png")
    mean, largest = bounds_of(view_transform, 0.1, table=BOUNDS)
    assert compare(shown, frame)[0] <= mean + 0.01
    # A texture is read up to 0.0008 of a pixel beside its middle, in 4.5, 5.0 and 5.2 alike. That
    # shows where black is beside what is far brighter than white; where most, differs between them.
    edges = steps(frame) > EDGE
    assert edges.mean() < 0.1
    assert compare(shown[~edges], frame[~edges])[1] <= largest + 0.06
    beside = 15 if bpy.app.version >= (5, 2) else 6
    assert compare(shown[edges], frame[edges])[1] <= largest + beside


def image_of(name):
    (image,) = [image for image in bpy.data.images if image.name == name]
    return image


def test_the_camera_background_shows_the_frames_for_displays(empty_scene, tmp_path, converted):
    views.moving_camera(empty_scene)
    _, take = converted("AgX")
    background.land(empty_scene, tmp_path / "take", take)
    image = image_of("take frames")
    assert image.colorspace_settings.name == "sRGB"
    assert image.filepath.endswith("frames/0001.png")


def test_an_edit_scene_for_exr_frames_has_their_view_and_is_not_that_of_png(empty_scene, tmp_path):
    look(empty_scene, "AgX")
    for name in ("png", "one", "two"):
        fine_takes.make_take(tmp_path / name, fine_takes.noise(1))
    png_take = read_take(tmp_path / "png")
    linear = {name: convert(tmp_path / name, "AgX") for name in ("one", "two")}
    plain = strip.land(empty_scene, tmp_path / "png", png_take).scene
    first = strip.land(empty_scene, tmp_path / "one", linear["one"]).scene
    assert first != plain
    assert strip.land(empty_scene, tmp_path / "two", linear["two"]).scene == first
    assert strip.land(empty_scene, tmp_path / "png", png_take).scene == plain
    assert bpy.data.scenes[plain].view_settings.view_transform == "Standard"
    assert bpy.data.scenes[first].view_settings.view_transform == "AgX"
    spaces = {made.colorspace_settings.name for made in takes.strips(bpy.data.scenes[first])}
    assert spaces == {"Linear Rec.709"}


def test_a_scene_with_another_view_is_said_to_look_different(empty_scene, tmp_path):
    look(empty_scene, "AgX")
    fine_takes.make_take(tmp_path / "take", fine_takes.noise(1))
    take = convert(tmp_path / "take", "AgX")
    look(empty_scene, "Filmic")
    empty_scene.view_settings.exposure = 1
    landed = strip.land(empty_scene, tmp_path / "take", take, place="SCENE")
    assert (
        "The take's EXR frames look as made through the view “AgX” alone, but “Scene” shows them,"
        " as it would a render, through the view transform “Filmic” and an exposure of 1."
    ) in landed.notes


def test_the_files_say_what_they_are_and_what_made_them(empty_scene, tmp_path):
    fine_takes.make_take(tmp_path / "take", fine_takes.noise(2), start=7)
    take = convert(tmp_path / "take", "Standard")
    assert take.picture(7) == "linear/0007.exr"
    for frame in (7, 8):
        data = (tmp_path / "take" / take.picture(frame)).read_bytes()
        for mark in (
            b"http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia",
            b"projection 1",
            b"lin_rec709_scene",
            b"chromaticities",
        ):
            assert mark in data
    image = bpy.data.images.load(str(tmp_path / "take/linear/0007.exr"))
    assert image.colorspace_settings.name == "Linear Rec.709", "by itself"


def test_an_earlier_conversion_is_made_anew(empty_scene, tmp_path):
    fine_takes.make_take(tmp_path / "take", fine_takes.noise(1))
    first = convert(tmp_path / "take", "Standard")
    second = convert(tmp_path / "take", "Filmic")
    assert verify_take(tmp_path / "take") == second
    assert second.view == "Filmic"
    assert first.files["linear/0001.exr"] != second.files["linear/0001.exr"]
    assert sorted(path.name for path in (tmp_path / "take").iterdir()) == [
        *("frames", "linear", "mask", "take.json")
    ]


class TestNothingIsLost:
    @pytest.fixture
    def folder(self, empty_scene, tmp_path):
        fine_takes.make_take(tmp_path / "take", fine_takes.noise(3))
        return tmp_path / "take"

    def still_there(self, folder):
        """Asserts that the take is what it was, and nothing lies beside it."""
        assert wait_for_ends()
        assert verify_take(folder).format == "png16"
        assert sorted(path.name for path in folder.iterdir()) == ["frames", "mask", "take.json"]

    def finish(self, conversion):
        while conversion.take is None:
            conversion.step()
            time.sleep(0.01)

    def test_when_the_second_blender_dies(self, folder):
        conversion = LinearFrames.start(folder, view="AgX")
        conversion._child._process.kill()
        with pytest.raises(
            TakeError, match="could not be made: the second Blender ended with code"
        ):
            self.finish(conversion)
        self.still_there(folder)
        assert convert(folder, "AgX").is_linear

    def test_when_it_is_cancelled(self, folder):
        conversion = LinearFrames.start(folder, view="AgX")
        conversion.step()
        conversion.cancel()
        self.still_there(folder)

    def test_when_it_begins_again_while_the_cancelled_one_ends(self, folder):
        conversion = LinearFrames.start(folder, view="AgX")
        conversion._child._process.send_signal(signal.SIGSTOP)  # as one that is stuck in a driver
        conversion.cancel()
        assert conversion._child is None
        second = LinearFrames.start(folder, view="AgX")
        self.finish(second)
        assert verify_take(folder) == second.take
        assert wait_for_ends()
        assert sorted(path.name for path in folder.iterdir()) == [
            *("frames", "linear", "mask", "take.json")
        ]

    def test_when_a_blender_ended_in_the_middle(self, folder):
        (folder / ".linear/linear").mkdir(parents=True)
        (folder / ".linear/linear/0001.exr").write_bytes(b"torn")
        (folder / "linear").mkdir()  # it had its place, and the record did not name it yet
        take = convert(folder, "AgX")
        assert verify_take(folder) == take
        assert not (folder / ".linear").exists()

    def test_when_a_frame_is_no_picture_of_16_bits(self, folder):
        size = read_take(folder).size
        (folder / "frames/0002.png").write_bytes(
            png.encode(np.zeros((size[1], size[0], 3), np.uint8))
        )
        conversion = LinearFrames.start(folder, view="AgX")
        with pytest.raises(TakeError, match=r"0002\.png' is no 16-bit frame of the take"):
            self.finish(conversion)
        assert read_take(folder).format == "png16"
        assert not (folder / "linear").exists()

    def test_when_the_folder_takes_no_files(self, folder, monkeypatch):
        monkeypatch.setattr(linear.secrets, "token_hex", lambda _: "taken")
        (folder / ".linear-taken").write_text("in the way")
        with pytest.raises(StorageError, match="16-bit PNG frames are whole"):
            LinearFrames.start(folder, view="AgX")
        assert verify_take(folder).format == "png16"

    def test_8_bits_and_views_without_an_inverse_are_refused(self, folder, tmp_path):
        with pytest.raises(TakeError, match="“False Color” has no inverse"):
            LinearFrames.start(folder, view="False Color")
        self.still_there(folder)
        coarse = takes.make_take(tmp_path / "coarse", takes.noise(1))
        takes.write_record(tmp_path / "coarse", coarse)
        with pytest.raises(TakeError, match="8 bits a value, too few"):
            LinearFrames.start(tmp_path / "coarse", view="AgX")


def test_a_strip_can_show_a_take_of_another_format_and_be_the_next_still(empty_scene, tmp_path):
    look(empty_scene, "AgX")
    fine_takes.make_take(tmp_path / "takes/png", fine_takes.noise(3))
    fine_takes.make_take(tmp_path / "takes/exr", fine_takes.noise(3, seed=2))
    take = convert(tmp_path / "takes/exr", "AgX")
    landed = strip.land(empty_scene, tmp_path / "takes/exr", take, place="SCENE")
    (made,) = takes.strips(empty_scene)
    found = shown_take(made)
    assert found.take == take
    assert find_picture(made, 2).file == tmp_path / "takes/exr/frames/0002.png"
    (other,) = other_takes(made, found, ())
    replace_take(made, other.folder)
    assert made.colorspace_settings.name == "AgX Base sRGB"
    assert [element.filename for element in made.elements] == ["0001.png", "0002.png", "0003.png"]
    shown = fine_takes.render(empty_scene, tmp_path / "r.png", 2)
    _, notes = replace_take(made, tmp_path / "takes/exr")
    assert notes == []
    assert shown_take(made).folder == tmp_path / "takes/exr"
    assert made.colorspace_settings.name == "Linear Rec.709"
    assert not np.array_equal(fine_takes.render(empty_scene, tmp_path / "r.png", 2), shown)
    assert landed.strip == "exr"


OBSTACLES = {
    "look": "the look “AgX - Punchy” of “Scene” cannot be undone",
    "exposure": "an exposure of 1 of “Scene” cannot be undone",
    "gamma": "a gamma of 1.2 of “Scene” cannot be undone",
    "use_curve_mapping": "curves of “Scene” cannot be undone",
    "view_transform": "the view transform “False Color” of “Scene” cannot be undone",
}


@pytest.mark.parametrize("name", OBSTACLES)
def test_generating_exr_without_an_inverse_is_refused_with_a_way_out(shot, name):
    look(shot, "AgX")
    value = {"look": "AgX - Punchy", "exposure": 1, "gamma": 1.2, "view_transform": "False Color"}
    setattr(shot.view_settings, name, value.get(name, True))
    assert why_not(bpy.context) is None
    shot.depthshot.format = "exr"
    said = why_not(bpy.context)
    assert OBSTACLES[name] in said
    assert said.endswith("or choose the format PNG 16 Bit.")
    show_plain(shot, view_transform="AgX")
    assert why_not(bpy.context) is None


def test_a_render_with_color_management_of_its_own_is_refused_too(shot):
    shot.depthshot.format = "exr"
    shot.render.image_settings.color_management = "OVERRIDE"
    assert "Color Management to Follow Scene" in why_not(bpy.context)
