"""Takes that surfaces wear: a still that would be black is refused, another one says so."""

import json
import shutil

import bpy
import numpy as np
import pytest
from bl_ext.devrepo.depthshot.backend.errors import CaptureError
from bl_ext.devrepo.depthshot.backend.marks import Mark, add_mark, read_mark
from bl_ext.devrepo.depthshot.scene.session import check_scene
from bl_ext.devrepo.depthshot.scene.targets import find_target
from bl_ext.devrepo.depthshot.scene.worn_takes import worn_takes

from tests.blender import shots, takes, views

MADE = Mark("compositeWithTrainedAlgorithmicMedia", "draft 0123")
FIRST, LAST = views.FRAMES[0], views.FRAMES[-1]


@pytest.fixture
def scene(empty_scene):
    """A box before a camera."""
    views.exact(empty_scene)
    views.moving_camera(empty_scene)
    bpy.ops.mesh.primitive_cube_add(location=(0, 2, 3), size=3)
    bpy.context.object.name = "Wall"
    return empty_scene


@pytest.fixture
def folder(tmp_path):
    """A take of a learned model, on disk."""
    folder = views.finished_take(tmp_path / "takes/one")
    for frame in (folder / "frames").iterdir():
        add_mark(frame, MADE)
    return folder


def wear(scene, folder, target="PROJECTED"):
    take, _ = views.make_take(folder.parent / "same")  # its record alone is used
    shutil.rmtree(folder.parent / "same")
    place = json.dumps(["Wall"])
    find_target(target).land(scene, folder, take, place=place if target == "PROJECTED" else "")


def assign(scene, material):
    """As an artist gives a texture's material to an object."""
    bpy.data.objects["Wall"].data.materials.append(bpy.data.materials[material])


def check(scene, **options):
    check_scene(scene, shots.settings(scene, start=FIRST, end=LAST, **options))


@pytest.mark.parametrize("target", ["PROJECTED", "TEXTURE"])
def test_a_still_that_would_show_a_take_that_is_gone_is_refused(scene, folder, target):
    wear(scene, folder, target)
    if target == "TEXTURE":
        assign(scene, "one")
    check(scene)
    folder.rename(folder.with_name("elsewhere"))
    with pytest.raises(CaptureError) as refused:
        check(scene)
    message = str(refused.value)
    assert message.startswith(
        "“Wall” shows the take 'one' (image “one frames”), whose pictures are"
    )
    assert f"'{folder / 'frames'}', so the still would be magenta or black there;" in message
    assert message.endswith(
        "bring the folder back, show where it is with Find Take, or give the object another"
        " material."
    )


def test_the_frame_that_the_still_shows_is_asked_for(scene, folder):
    wear(scene, folder)
    gone = folder / f"frames/{FIRST + 1:04d}.png"
    gone.unlink()
    with pytest.raises(CaptureError) as refused:
        check(scene, still=FIRST + 1)
    assert str(refused.value) == (
        f"“Wall” shows the take 'one' (image “one frames”), of which the still needs '{gone.name}',"
        f" which is gone from '{folder / 'frames'}', so it would be magenta or black there; bring"
        " it back from a backup, choose another frame for the still, or give the object another"
        " material."
    )
    # What other frames show is in no still.
    check(scene, still=FIRST)
    check(scene, still=LAST)


def test_beyond_its_end_a_take_shows_its_last_frame(scene, folder):
    wear(scene, folder)
    (folder / f"frames/{LAST:04d}.png").unlink()
    with pytest.raises(CaptureError, match=f"needs '{LAST:04d}.png'"):
        check_scene(scene, shots.settings(scene, start=LAST + 5, end=LAST + 9))


def test_a_take_without_its_record_is_as_long_as_what_is_there(scene, folder):
    wear(scene, folder)
    (folder / "take.json").unlink()
    check_scene(scene, shots.settings(scene, start=LAST + 5, end=LAST + 9))
    (folder / f"frames/{FIRST + 1:04d}.png").unlink()
    with pytest.raises(CaptureError, match=f"needs '{FIRST + 1:04d}.png'"):
        check(scene, still=FIRST + 1)


def test_without_its_first_file_none_is_found(scene, folder):
    wear(scene, folder)
    (folder / f"frames/{FIRST:04d}.png").unlink()
    with pytest.raises(CaptureError, match=f"needs '{FIRST:04d}.png'"):
        check(scene, still=LAST)


def test_an_artists_own_pictures_with_a_gap_are_no_take(scene, folder):
    wear(scene, folder)
    image = bpy.data.images["one frames"]
    for name in ("depthshot_shot", "depthshot_take", "depthshot_made"):
        del image[name]
    (folder / f"frames/{LAST:04d}.png").unlink()
    with pytest.raises(CaptureError, match="is gone"):  # the record says that it is one
        check(scene, still=LAST)
    (folder / "take.json").unlink()
    check(scene, still=LAST)


@pytest.mark.parametrize("target", ["PLANE", "BACKGROUND", "COMPOSITOR", "TEXTURE"])
def test_what_no_capture_shows_is_no_obstacle(scene, folder, target):
    wear(scene, folder, target)
    shutil.rmtree(folder)
    check(scene)


def test_what_is_hidden_in_renders_is_no_obstacle(scene, folder):
    wear(scene, folder)
    shutil.rmtree(folder)
    wall = bpy.data.objects["Wall"]
    wall.hide_render = True
    check(scene)
    wall.hide_render = False
    hidden = bpy.data.collections.new("Hidden")
    scene.collection.children.link(hidden)
    hidden.objects.link(wall)
    scene.collection.objects.unlink(wall)
    with pytest.raises(CaptureError, match="“Wall” shows"):
        check(scene)
    hidden.hide_render = True
    check(scene)
    hidden.hide_render = False
    bpy.context.view_layer.layer_collection.children["Hidden"].exclude = True
    check(scene)


def test_an_instance_of_a_collection_wears_what_its_objects_wear(scene, folder):
    wear(scene, folder)
    wall = bpy.data.objects["Wall"]
    library = bpy.data.collections.new("Library")
    library.objects.link(wall)
    scene.collection.objects.unlink(wall)
    assert worn_takes(scene) == []
    shots.add(scene, "Instance", None).instance_type = "COLLECTION"
    bpy.data.objects["Instance"].instance_collection = library
    assert [worn.on for worn in worn_takes(scene)] == ["“Wall”"]


def test_an_image_as_the_still_does_not_depend_on_what_is_worn(scene, folder, tmp_path):
    wear(scene, folder)
    shutil.rmtree(folder)
    still = tmp_path / "still.png"
    still.write_bytes(takes.png(np.zeros((18, 32, 3), np.uint8)))
    check(scene, still_source="IMAGE", still_image=still)


def test_a_still_that_shows_a_take_says_so_and_bears_its_mark(scene, folder, tmp_path):
    plain = shots.capture(scene, tmp_path / "cache", start=FIRST, end=LAST)
    assert not any("shows the take" in warning for warning in plain.warnings)
    assert read_mark(plain.folder / "still.png") is None
    wear(scene, folder)
    for reused in (False, True):
        worn = shots.capture(scene, tmp_path / "cache", start=FIRST, end=LAST)
        assert worn.reused == reused
        (warning,) = [each for each in worn.warnings if "shows the take" in each]
        assert warning.startswith("The still shows the take 'one' on “Wall”: what was generated")
        assert read_mark(worn.folder / "still.png") == MADE
        still = takes.read(worn.folder / "still.png")
        assert np.abs(still - takes.read(plain.folder / "still.png")).mean() > 5


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_an_image_of_a_generated_picture_keeps_its_mark(scene, folder, tmp_path, kind):
    frame = folder / f"frames/{FIRST:04d}.png"
    if kind == "JPEG":
        image = bpy.data.images.new("Picture", 32, 18)
        image.file_format = "JPEG"
        image.save(filepath=str(tmp_path / "still.jpg"))
        address = b"http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
        with (tmp_path / "still.jpg").open("ab") as stream:
            stream.write(address + b"\n")
        frame = tmp_path / "still.jpg"
    captured = shots.capture(
        scene, tmp_path / "cache", start=FIRST, end=LAST, still_source="IMAGE", still_image=frame
    )
    mark = read_mark(captured.folder / "still.png")
    assert mark.source_type == MADE.source_type
    assert mark.model == ("" if kind == "JPEG" else MADE.model)
