"""A take's folder that is gone: it is named, found again, or another take is shown instead."""

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from bl_ext.devrepo.depthshot.backend.errors import TakeError, TargetError
from bl_ext.devrepo.depthshot.backend.take import hash_file, read_take
from bl_ext.devrepo.depthshot.operators import take_folder
from bl_ext.devrepo.depthshot.operators.interface import know_last_take, known_last_take
from bl_ext.devrepo.depthshot.operators.place import DEPTHSHOT_OT_place_take
from bl_ext.devrepo.depthshot.panels import sequencer, sidebar
from bl_ext.devrepo.depthshot.scene import compat, lost_takes
from bl_ext.devrepo.depthshot.scene.lost_takes import (
    find_again,
    fitting_takes,
    lost_in_file,
    lost_take,
)
from bl_ext.devrepo.depthshot.scene.remembered import traits
from bl_ext.devrepo.depthshot.scene.targets import TARGETS, find_target
from bl_ext.devrepo.depthshot.scene.worn_takes import lost_images

from tests.blender import movies, shots, takes
from tests.blender.drawings import drawn_layout, names
from tests.blender.sequencer_tab import MENU, TAKE, draw, labels
from tests.blender.takes import finished


@pytest.fixture
def strip(empty_scene, stored, tmp_path):
    """The strip of a take whose folder was moved from takes/one to moved/one."""
    empty_scene.name = "Shot"
    shots.add_camera(movies.plain(empty_scene))
    stored.takes_folder = str(tmp_path / "takes")
    folder = tmp_path / "takes/one"
    take = finished(folder, takes.noise(3, size=movies.SIZE))
    landed = find_target("STRIP").land(empty_scene, folder, take)
    find_target("TEXTURE").land(empty_scene, folder, take)
    edit = bpy.data.scenes[landed.scene]
    compat.show_in_sequencer(bpy.context.window, edit)
    (tmp_path / "moved").mkdir()
    folder.rename(tmp_path / "moved/one")
    return edit.sequence_editor.active_strip


def test_the_strip_names_what_is_gone_and_offers_the_ways_out(strip, tmp_path):
    assert lost_take(strip) == tmp_path / "takes/one"
    assert lost_in_file() == [tmp_path / "takes/one"]
    (sentence,) = [line for line in labels(TAKE) if "gone" in line]
    assert f"'{tmp_path / 'takes/one'}'" in sentence
    drawn = draw(TAKE)
    assert ("menu", "DEPTHSHOT_MT_takes", True) in drawn
    assert any(each[:2] == ("button", "depthshot.find_take") for each in drawn)
    (made,) = [each[1] for each in drawn if each[0] == "made"]
    assert made == SimpleNamespace(lost=str(tmp_path / "takes/one"))


def test_found_again_by_strips_and_images_alike(strip, tmp_path):
    result = bpy.ops.depthshot.find_take(
        lost=str(tmp_path / "takes/one"), directory=f"{tmp_path / 'moved/one'}/"
    )
    assert result == {"FINISHED"}
    assert lost_take(strip) is None
    assert lost_images() == {}
    assert strip.directory == f"{tmp_path / 'moved/one/frames'}/"
    assert bpy.data.images["one frames"].filepath == str(tmp_path / "moved/one/frames/0005.png")


def test_a_take_that_landed_as_a_strip_alone_is_missed_too(strip, tmp_path):
    bpy.data.images.remove(bpy.data.images["one frames"])
    assert lost_in_file() == [tmp_path / "takes/one"]


def test_the_last_take_says_that_its_folder_is_gone(strip, tmp_path):
    status = bpy.context.window_manager.depthshot
    status.take = str(tmp_path / "takes/one")
    bpy.context.window.scene = bpy.data.scenes["Shot"]
    layout = drawn_layout(sidebar.DEPTHSHOT_PT_last_take)
    said = " ".join(names(layout.drawn, "label"))
    assert "The last take's folder is gone" in said and "of the pixels" not in said
    find, *others = layout.buttons
    assert find[0].lost == status.take
    places = [(button, on) for button, on in others if hasattr(button, "target")]
    assert len(places) == len(TARGETS) and not any(on for _, on in places)
    described = DEPTHSHOT_OT_place_take.description(bpy.context, places[0][0])
    assert described.endswith("Not now: The take's folder is gone")
    bpy.ops.depthshot.find_take(lost=status.take, directory=f"{tmp_path / 'moved/one'}/")
    assert status.take == str(tmp_path / "moved/one")
    buttons = drawn_layout(sidebar.DEPTHSHOT_PT_last_take).buttons
    assert not hasattr(buttons[0][0], "lost")
    status.take = ""


@pytest.fixture
def last(empty_scene, stored, tmp_path):
    """The last take, placed and undone, so that nothing shows it; its folder was moved."""
    finished(tmp_path / "takes/one", takes.noise(3, size=movies.SIZE))
    bpy.ops.depthshot.place_take(target="TEXTURE", directory=f"{tmp_path / 'takes/one'}/")
    bpy.data.images.remove(bpy.data.images["one frames"])
    (tmp_path / "moved").mkdir()
    (tmp_path / "takes/one").rename(tmp_path / "moved/one")
    return bpy.context.window_manager.depthshot


def test_a_last_take_that_nothing_shows_is_no_other_take(last, tmp_path):
    lost = last.take
    finished(tmp_path / "moved/two", takes.noise(3, size=movies.SIZE, seed=2), seed=9)
    other = "made by projection 1 with the seed 9, the lost one by projection 1 with the seed 0;"
    with pytest.raises(RuntimeError, match=f"'two' is not the take 'one': .*, {other}"):
        bpy.ops.depthshot.find_take(lost=lost, directory=f"{tmp_path / 'moved/two'}/")
    assert last.take == lost
    bpy.ops.depthshot.find_take(lost=lost, directory=f"{tmp_path / 'moved/one'}/")
    assert last.take == str(tmp_path / "moved/one")
    # Lost once more it is still known.
    (tmp_path / "moved/one").rename(tmp_path / "moved/three")
    with pytest.raises(RuntimeError, match="'two' is not the take 'one'"):
        bpy.ops.depthshot.find_take(lost=last.take, directory=f"{tmp_path / 'moved/two'}/")


def test_what_was_noted_of_another_last_take_does_not_count(last, tmp_path):
    """As when a take is generated after it and its record is not read."""
    finished(tmp_path / "moved/two", takes.noise(3, size=movies.SIZE, seed=2), seed=9)
    last.take = str(tmp_path / "takes/two")
    bpy.ops.depthshot.find_take(lost=last.take, directory=f"{tmp_path / 'moved/two'}/")
    assert last.take == str(tmp_path / "moved/two")


def test_a_generated_take_is_known_and_so_is_the_one_before_it(shot, backend, tmp_path):
    status = bpy.context.window_manager.depthshot
    assert bpy.ops.depthshot.generate() == {"FINISHED"}
    first = traits(read_take(Path(status.take)))
    assert known_last_take(status) == first
    # The next one is here and has not landed.
    second = finished(tmp_path / "two", takes.noise(3, size=movies.SIZE, seed=2), seed=9)
    know_last_take(tmp_path / "two", second)
    assert known_last_take(status) == first
    status.take = str(tmp_path / "two")
    assert known_last_take(status) == traits(second)


def forget(*shows):
    """As what an earlier version has placed: it knows the shot alone."""
    for each in shows:
        del each["depthshot_capture"], each["depthshot_take"], each["depthshot_made"]


def test_another_take_of_the_same_shot_is_refused_and_both_are_named(strip, tmp_path):
    finished(tmp_path / "moved/two", takes.noise(3, size=movies.SIZE, seed=2), seed=9)
    finished(tmp_path / "moved/three", takes.noise(3, size=movies.SIZE, seed=3))
    before = strip.directory, bpy.data.images["one frames"].filepath
    with pytest.raises(TargetError) as refused:
        find_again(tmp_path / "takes/one", tmp_path / "moved/two")
    assert str(refused.value) == (
        "'two' is not the take 'one': it is another one of the same shot, made by projection 1 with"
        " the seed 9, the lost one by projection 1 with the seed 0; choose the folder that it was"
        " moved to."
    )
    with pytest.raises(TargetError, match="seed 0 as well but with other pictures; choose"):
        find_again(tmp_path / "takes/one", tmp_path / "moved/three")
    assert (strip.directory, bpy.data.images["one frames"].filepath) == before
    found = find_again(tmp_path / "takes/one", tmp_path / "moved/one")
    assert found.sure and found.count == 2


def test_two_seeds_of_one_capture_are_of_one_shot(empty_scene, tmp_path):
    """The shot's hash has the seed in it, as it has all else that is asked for."""
    pictures = takes.noise(3, size=movies.SIZE)
    captured = {"capture_sha256": "c" * 64}
    take = finished(tmp_path / "one", pictures, **captured)
    other = {"shot_sha256": "1" * 64, "seed": 9}
    finished(tmp_path / "two", pictures, **other, **captured)
    finished(tmp_path / "kitchen", pictures, **other, capture_sha256="d" * 64)
    finished(tmp_path / "old", pictures, **other)
    find_target("TEXTURE").land(empty_scene, tmp_path / "one", take)
    image = bpy.data.images["one frames"]
    (tmp_path / "one").rename(tmp_path / "moved")
    seeds = "the same shot, made by projection 1 with the seed 9, the lost one by projection 1 with"
    with pytest.raises(TargetError, match=f"'two' .* {seeds} the seed 0; choose"):
        find_again(tmp_path / "one", tmp_path / "two")
    for name in ("kitchen", "old"):
        with pytest.raises(TargetError, match=f"'{name}' .*: it is of another shot; choose"):
            find_again(tmp_path / "one", tmp_path / name)
    del image["depthshot_capture"]  # as an earlier version has placed it
    with pytest.raises(TargetError, match=r"'two' .*: it is of another shot; choose"):
        find_again(tmp_path / "one", tmp_path / "two")
    assert find_again(tmp_path / "one", tmp_path / "moved").sure


@pytest.mark.parametrize("words", ["are not as they were made", "are gone"])
def test_files_that_are_not_as_they_were_are_said(strip, tmp_path, monkeypatch, capfd, words):
    """What the strip and the image show is there; each file is read once."""
    if words == "are gone":
        file = tmp_path / "moved/one/mask/0006.png"
        file.unlink()
    else:
        file = tmp_path / "moved/one/frames/0006.png"
        file.write_bytes(takes.png(np.zeros((18, 32, 3), np.uint8)))
    read = []
    monkeypatch.setattr(take_folder, "hash_file", lambda path: read.append(path) or hash_file(path))
    bpy.ops.depthshot.find_take(
        lost=str(tmp_path / "takes/one"), directory=f"{tmp_path / 'moved/one'}/"
    )
    assert lost_take(strip) is None
    said = capfd.readouterr().out
    assert f"1 of the take's files {words}, '{file.parent.name}/0006.png' first" in said
    assert len(read) == len(set(read)) == (5 if words == "are gone" else 6)


def test_what_knows_the_shot_alone_is_relinked_and_the_doubt_is_said(strip, tmp_path, capfd):
    forget(strip, bpy.data.images["one frames"])
    finished(tmp_path / "moved/two", takes.noise(3, size=movies.SIZE, seed=2), seed=9)
    bpy.ops.depthshot.find_take(
        lost=str(tmp_path / "takes/one"), directory=f"{tmp_path / 'moved/two'}/"
    )
    said = capfd.readouterr().out
    assert "notes which shot “one” is of, but not which take" in said
    # From then on it is known.
    (tmp_path / "moved/two").rename(tmp_path / "moved/again")
    with pytest.raises(TargetError, match="seed 0, the lost one by projection 1 with the seed 9"):
        find_again(tmp_path / "moved/two", tmp_path / "moved/one")


def test_all_pictures_of_a_compositors_take_are_found_at_once(strip, tmp_path):
    """Its picture, mask and depth; what is undone is undone as a whole."""
    one = tmp_path / "moved/one"
    (one / "depth").mkdir()
    record = json.loads((one / "take.json").read_text())
    for number in (5, 6, 7):
        (one / f"depth/{number:04d}.exr").write_bytes(b"")
        record["files"][f"depth/{number:04d}.exr"] = "0" * 64
    (one / "take.json").write_text(json.dumps(record))
    shot = bpy.data.scenes["Shot"]
    find_target("COMPOSITOR").land(shot, one, read_take(one))
    (tmp_path / "files/sub").mkdir(parents=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "files/sub/shot.blend"))
    one.rename(tmp_path / "found")
    before = {image.name: image.filepath for image in bpy.data.images}
    assert lost_in_file() == [one, tmp_path / "takes/one"]
    bpy.ops.ed.undo_push(message="Before")
    bpy.ops.depthshot.find_take(
        "EXEC_DEFAULT", True, lost=str(one), directory=f"{tmp_path / 'found'}/"
    )
    folders = {Path(bpy.path.abspath(image.filepath)).parent for image in relinked(before)}
    there = {Path(os.path.normpath(folder)) for folder in folders}
    assert there == {tmp_path / "found" / kind for kind in ("frames", "mask", "depth")}
    assert lost_in_file() == [tmp_path / "takes/one"]
    bpy.ops.ed.undo()
    assert relinked(before) == []


def relinked(before):
    return [image for image in bpy.data.images if image.filepath != before[image.name]]


def test_a_mask_whose_folder_alone_is_gone_goes_along_with_its_picture(strip, tmp_path):
    one = tmp_path / "moved/one"
    find_target("COMPOSITOR").land(bpy.data.scenes["Shot"], one, read_take(one))
    shutil.copytree(one, tmp_path / "whole")
    shutil.rmtree(one / "mask")
    assert lost_in_file() == [one, tmp_path / "takes/one"]
    with pytest.raises(TargetError, match=r"it has no 'mask/0005\.png'"):
        find_again(one, one)
    assert find_again(one, tmp_path / "whole").count == 2


def test_an_artists_own_masks_are_no_take(strip, tmp_path):
    image = bpy.data.images.new("Own", 4, 4)
    image.source, image.filepath = "SEQUENCE", str(tmp_path / "plate/mask/0001.png")
    assert lost_in_file() == [tmp_path / "takes/one"]


def test_another_folder_is_refused_and_changes_nothing(strip, tmp_path):
    lost = tmp_path / "takes/one"
    before = strip.directory
    forget(strip, bpy.data.images["one frames"])
    finished(tmp_path / "moved/short", takes.noise(2, size=movies.SIZE))
    finished(tmp_path / "moved/small", takes.noise(3, size=(16, 9)))
    with pytest.raises(TargetError, match=r"'short' is not the take 'one': it has no 'frames/0007"):
        find_again(lost, tmp_path / "moved/short")
    with pytest.raises(TargetError, match="it has 16 x 9 pixels, the strip's 32 x 18"):
        find_again(lost, tmp_path / "moved/small")
    with pytest.raises(
        TakeError, match=r"'moved' is no take; choose the folder that has take\.json"
    ):
        find_again(lost, tmp_path / "moved")
    assert strip.directory == before
    assert list(lost_images().values()) == [lost / "frames/0005.png"]


@pytest.fixture
def texture(empty_scene, tmp_path):
    """The image of a take whose folder was moved, and nothing else of it in the file."""
    take = finished(tmp_path / "takes/garden", takes.noise(3, size=movies.SIZE))
    find_target("TEXTURE").land(empty_scene, tmp_path / "takes/garden", take)
    (tmp_path / "takes/garden").rename(tmp_path / "garden")
    return bpy.data.images["garden frames"]


def test_an_image_takes_no_take_of_another_shot(texture, tmp_path):
    finished(tmp_path / "kitchen", takes.noise(3, size=movies.SIZE), shot_sha256="1" * 64)
    before = texture.filepath
    with pytest.raises(TargetError, match="'kitchen' is not the take 'garden': it is of another"):
        find_again(tmp_path / "takes/garden", tmp_path / "kitchen")
    assert texture.filepath == before
    assert find_again(tmp_path / "takes/garden", tmp_path / "garden").count == 1


def test_an_image_of_an_earlier_version_is_compared_by_size(tmp_path):
    """Only a window reads a sequence and keeps its size once it is gone: here it is made up."""
    take = finished(tmp_path / "kitchen", takes.noise(3, size=(16, 4)), shot_sha256="1" * 64)
    first = tmp_path / "garden/frames/0005.png"
    unfit = lost_takes._why_image_unfit(
        SimpleNamespace(size=(8, 8)), first, tmp_path / "kitchen", take
    )
    assert unfit == "it has 16 x 4 pixels, the image's 8 x 8"
    for size in ((16, 4), (0, 0)):
        image = SimpleNamespace(size=size)
        assert lost_takes._why_image_unfit(image, first, tmp_path / "kitchen", take) is None


def test_a_strip_takes_no_take_of_another_shot_for_its_own(strip, tmp_path):
    finished(tmp_path / "kitchen", takes.noise(3, size=movies.SIZE), shot_sha256="1" * 64)
    bpy.data.images.remove(bpy.data.images["one frames"])
    with pytest.raises(TargetError, match="'kitchen' is not the take 'one': it is of another"):
        find_again(tmp_path / "takes/one", tmp_path / "kitchen")
    # Shown in its place on purpose it is the strip's own from then on.
    bpy.ops.depthshot.replace_take(folder=str(tmp_path / "kitchen"))
    (tmp_path / "kitchen").rename(tmp_path / "elsewhere")
    assert find_again(tmp_path / "kitchen", tmp_path / "elsewhere").count == 1


def test_images_of_linked_files_are_left_alone(texture, tmp_path):
    library = tmp_path / "library.blend"
    texture.use_fake_user = True
    bpy.data.libraries.write(str(library), {texture}, path_remap="ABSOLUTE")
    bpy.data.images.remove(texture)
    with bpy.data.libraries.load(str(library), link=True) as (_, wanted):
        wanted.images = ["garden frames"]
    (linked,) = wanted.images
    before = linked.filepath
    assert lost_in_file() == []
    assert find_again(tmp_path / "takes/garden", tmp_path / "garden").count == 0
    assert linked.filepath == before


def test_another_take_is_offered_and_shown_in_its_place(strip, tmp_path):
    finished(tmp_path / "takes/two", takes.noise(3, size=movies.SIZE, seed=3), seed=9)
    finished(tmp_path / "takes/short", takes.noise(2, size=movies.SIZE))
    folders = (tmp_path / "takes",)
    assert [each.folder.name for each in fitting_takes(strip, folders)] == ["two"]
    (button,) = [each[1] for each in draw(MENU) if each[0] == "made"]
    assert bpy.ops.depthshot.replace_take.poll()
    assert bpy.ops.depthshot.replace_take(folder=button.folder) == {"FINISHED"}
    assert strip.directory == f"{tmp_path / 'takes/two/frames'}/"
    with pytest.raises(RuntimeError, match=r"is of another|it has no|has no frame"):
        bpy.ops.depthshot.replace_take(folder=str(tmp_path / "takes/short"))


def test_a_strip_of_other_pictures_is_no_lost_take(strip, tmp_path):
    assert lost_take(None) is None
    strip.directory = str(tmp_path / "elsewhere")
    assert lost_take(strip) is None
    assert sequencer.NO_TAKE in " ".join(labels(TAKE))


def test_the_record_is_needed_to_find_a_take(strip, tmp_path):
    (tmp_path / "moved/one/take.json").write_text(json.dumps({"protocol": 1}))
    with pytest.raises(TakeError, match="The record of the take 'one' is damaged"):
        find_again(tmp_path / "takes/one", tmp_path / "moved/one")
