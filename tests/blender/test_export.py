"""Exports from Blender: a real take, a real second process, and what is there afterwards."""

import json
import time
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from bl_ext.devrepo.depthshot.operators.export import (
    DEPTHSHOT_OT_export_movie,
    _free,
    _with_suffix,
)
from bl_ext.devrepo.depthshot.operators.exporter import CANCELLED, exporter
from bl_ext.devrepo.depthshot.panels.export import DEPTHSHOT_PT_export
from bl_ext.devrepo.depthshot.preferences import preferences

from tests.blender import generations, takes
from tests.blender.drawings import draw
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("backend_python", "idle")


@pytest.fixture
def idle():
    """No export of another test, before and after."""
    exporter.abandon()
    exporter.message, exporter.failed, exporter.warnings = "", False, ()
    yield
    exporter.abandon()
    exporter.message, exporter.failed, exporter.warnings = "", False, ()


@pytest.fixture
def take(tmp_path):
    """A finished take that is the last one."""
    return last_take(tmp_path / "some take", 5)


def last_take(folder, frames, **options):
    takes.write_record(folder, takes.make_take(folder, takes.noise(frames), **options))
    bpy.context.window_manager.depthshot.take = str(folder)
    return folder


def refused(operator, **options):
    """Returns the one sentence with which an operator refuses."""
    with pytest.raises(RuntimeError) as caught:
        operator(**options)
    sentence = str(caught.value).removeprefix("Error: ").strip()
    assert "\n" not in sentence and "Traceback" not in sentence
    return sentence


@pytest.mark.parametrize(
    ("codec", "name"), [("h264", "film.mp4"), ("prores", "film.mov"), ("prores4444", "film.mov")]
)
def test_a_movie_has_the_take_s_frames_size_and_rate(tmp_path, codec, name):
    last_take(tmp_path / "take", 5, fps=24 / 1.001)
    target = str(tmp_path / "film")
    assert bpy.ops.depthshot.export_movie(filepath=target, codec=codec) == {"FINISHED"}
    clip = bpy.data.movieclips.load(str(tmp_path / name))
    assert (clip.frame_duration, tuple(clip.size)) == (5, (32, 18))
    assert clip.fps == pytest.approx(24 / 1.001, abs=1e-3)
    assert exporter.message == f"Exported to '{tmp_path / name}'."
    assert (exporter.failed, exporter.warnings, exporter.running) == (False, (), False)


@pytest.mark.parametrize(
    ("codec", "name", "most"), [("h264", "film.mp4", 2.5), ("prores4444", "film.mov", 1.0)]
)
def test_blender_sees_the_movie_s_colours_as_the_frame_s(tmp_path, codec, name, most):
    y, x = np.mgrid[:64, :96] / 96
    pixels = np.rint(255 * np.stack([x, y, 1 - x * y], -1)).astype(np.uint8)
    takes.write_record(tmp_path / "take", takes.make_take(tmp_path / "take", [pixels] * 2))
    bpy.context.window_manager.depthshot.take = str(tmp_path / "take")
    bpy.ops.depthshot.export_movie(filepath=str(tmp_path / name), codec=codec, quality="high")
    error = takes.read(tmp_path / name) - pixels.astype(int)
    assert np.abs(error).mean() < most
    # A wrong matrix or range moves colours by eight and more.
    assert np.abs(error.mean(axis=(0, 1))).max() < 2


def test_what_to_know_about_a_movie_is_in_the_panel(tmp_path):
    last_take(tmp_path / "take", 2)
    (tmp_path / "take/frames/0002.png").write_bytes(takes.png(np.zeros((18, 32, 3), np.uint8)))
    bpy.ops.depthshot.export_movie(filepath=str(tmp_path / "film.mp4"))
    (sentence,) = exporter.warnings
    assert "'frames/0002.png' first; they were exported as they are now." in sentence
    drawn = " ".join(entry[1] for entry in draw(DEPTHSHOT_PT_export) if entry[0] == "label")
    assert "not as they were made" in drawn


def test_a_dataset_of_a_generated_take_has_its_frames_and_exact_depth(shot, backend, tmp_path):
    generation = generations.run(generations.start())
    status = bpy.context.window_manager.depthshot
    status.take = str(generation.folder)
    target = tmp_path / "set"
    result = bpy.ops.depthshot.export_dataset(filepath=str(target), masks=True)
    assert result == {"FINISHED"}, exporter.message
    meta = json.loads((target / "transforms.json").read_text())
    names = [entry["file_path"] for entry in meta["frames"]]
    assert names == [f"images/{frame:04d}.png" for frame in generations.FRAMES]
    for entry, frame in zip(meta["frames"], generations.FRAMES, strict=True):
        shot.frame_set(frame)
        matrix = np.array(shot.camera.matrix_world)
        assert np.allclose(entry["transform_matrix"], matrix, atol=1e-5)
        millimetres = takes.values(target / entry["depth_file_path"], fine=True)[..., 0] * 65535
        # A ray through the middle: Blender's own, against the file.
        hit, point, *_ = shot.ray_cast(
            bpy.context.view_layer.depsgraph,
            shot.camera.matrix_world.translation,
            -shot.camera.matrix_world.col[2].to_3d(),
        )
        true = (point - shot.camera.matrix_world.translation).length
        assert hit and abs(millimetres[18, 32] / 1000 - true) < 0.06
        image = (target / entry["file_path"]).read_bytes()
        assert image == (generation.folder / "frames" / f"{frame:04d}.png").read_bytes()
        assert (target / entry["mask_path"]).is_file()
    assert (target / "points.ply").read_bytes().startswith(b"ply\n")
    stills = tmp_path / "stills"
    assert bpy.ops.depthshot.export_dataset(filepath=str(stills), pictures="STILLS") == {"FINISHED"}
    (entry,) = json.loads((stills / "transforms.json").read_text())["frames"]
    assert entry["file_path"] == "images/still_0001.png"


def wait(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, (exporter.phase, exporter.share, exporter.message)
        exporter.step()
        time.sleep(0.01)


def started(tmp_path, target):
    """Starts a long movie and returns once some of it is there."""
    take = last_take(tmp_path / "long", 400)
    arguments = ["movie", str(take), "--codec", "prores4444", "--out", str(target)]
    exporter.start(preferences(bpy.context).backend_python, arguments, target=target)
    wait(lambda: exporter.share > 0)


def test_cancelled_an_export_leaves_nothing_and_says_so(tmp_path):
    (tmp_path / "out").mkdir()
    started(tmp_path, tmp_path / "out/film.mov")
    assert list((tmp_path / "out").iterdir()) != []
    drawn = draw(DEPTHSHOT_PT_export)
    assert ("operator", "depthshot.cancel_export") in drawn
    assert ("operator", "depthshot.export_movie") not in drawn
    assert not bpy.ops.depthshot.export_movie.poll()
    assert bpy.ops.depthshot.cancel_export() == {"FINISHED"}
    wait(lambda: not exporter.running)
    assert (exporter.message, exporter.failed) == (CANCELLED, False)
    assert list((tmp_path / "out").iterdir()) == []
    assert not bpy.ops.depthshot.cancel_export.poll()


def test_a_blender_that_ends_leaves_no_export_behind(tmp_path):
    (tmp_path / "out").mkdir()
    started(tmp_path, tmp_path / "out/film.mov")
    process = exporter._process
    exporter.abandon()
    assert not exporter.running
    wait_until(lambda: process.ended)
    assert list((tmp_path / "out").iterdir()) == []


def test_an_export_that_dies_is_said(tmp_path):
    started(tmp_path, tmp_path / "film.mov")
    exporter._process._process.kill()
    wait(lambda: not exporter.running)
    assert exporter.failed
    assert exporter.message.startswith("The export ended by itself (status -9)")


def test_without_a_take_the_buttons_are_grey_and_the_panel_is_away():
    assert not bpy.ops.depthshot.export_movie.poll()
    assert not bpy.ops.depthshot.export_dataset.poll()
    context = SimpleNamespace(window_manager=bpy.context.window_manager)
    assert not DEPTHSHOT_PT_export.poll(context)


def unfinished(take):
    (take / "take.json").unlink()


def gone(take):
    for path in sorted(take.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    take.rmdir()


def lost(take):
    (take / "frames/0003.png").unlink()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (unfinished, "is no finished take: it has no take.json"),
        (gone, "is not there; bring it back, or choose the folder where it is now"),
        (lost, "The take has lost 'frames/0003.png'; generate it again."),
    ],
)
def test_a_take_that_is_not_whole_is_said(take, tmp_path, spoil, words):
    spoil(take)
    sentence = refused(bpy.ops.depthshot.export_movie, filepath=str(tmp_path / "a.mp4"))
    assert words in sentence
    assert not (tmp_path / "a.mp4").exists()


def test_a_place_that_cannot_be_is_said(take, tmp_path, stored):
    movie, dataset = bpy.ops.depthshot.export_movie, bpy.ops.depthshot.export_dataset
    assert "nowhere' is not there" in refused(movie, filepath=str(tmp_path / "nowhere/a.mp4"))
    (tmp_path / "used").mkdir()
    (tmp_path / "used/mine").write_text("mine")
    assert "is there already" in refused(dataset, filepath=str(tmp_path / "used"))
    assert "does not say where its frames" in refused(dataset, filepath=str(tmp_path / "set"))
    assert "has no name" in refused(movie, filepath="")
    stored.backend_python = str(tmp_path / "python")
    sentence = refused(movie, filepath=str(tmp_path / "a.mp4"))
    assert "cannot be started" in sentence and "install the backend" in sentence
    assert sorted(path.name for path in tmp_path.iterdir()) == ["some take", "used"]


def test_the_name_follows_the_codec_and_is_free(tmp_path):
    (tmp_path / "take.mp4").touch()
    (tmp_path / "take-2.mp4").touch()
    assert _free(tmp_path, "take", ".mp4") == tmp_path / "take-3.mp4"
    operator = SimpleNamespace(filepath="/x/take-3.mp4", suffix=".mov")
    assert DEPTHSHOT_OT_export_movie.check(operator, bpy.context)
    assert operator.filepath == "/x/take-3.mov"
    assert not DEPTHSHOT_OT_export_movie.check(operator, bpy.context)


@pytest.mark.parametrize(
    ("name", "suffix", "fitting"),
    [
        ("clip", ".mp4", "clip.mp4"),
        ("clip.mov", ".mp4", "clip.mp4"),
        ("clip.MP4", ".mp4", "clip.MP4"),
        # One suffix goes, whichever names Python happens to look at first.
        ("clip.mov.mp4", ".mp4", "clip.mov.mp4"),
        ("clip.mp4.mov", ".mp4", "clip.mp4"),
        ("clip.v2", ".mov", "clip.v2.mov"),
    ],
)
def test_one_suffix_is_changed(name, suffix, fitting):
    assert _with_suffix(name, suffix) == fitting
    assert _with_suffix(fitting, suffix) == fitting


def test_only_the_file_that_was_named_is_replaced(take, tmp_path):
    movie = bpy.ops.depthshot.export_movie
    (tmp_path / "x.mp4").write_bytes(b"somebody's")
    assert f"'{tmp_path / 'x.mp4'}' is there already" in refused(
        movie, filepath=str(tmp_path / "x.mov"), codec="h264"
    )
    assert (tmp_path / "x.mp4").read_bytes() == b"somebody's"
    assert movie(filepath=str(tmp_path / "x.mp4"), codec="h264") == {"FINISHED"}
    assert (tmp_path / "x.mp4").stat().st_size > 100
