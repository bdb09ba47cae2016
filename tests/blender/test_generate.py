"""Generate from a scene to the timeline: the real second Blender, the real backend, tiny sizes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import bpy
import numpy as np
import pytest
from bl_ext.devrepo.depthshot.backend.client import Backend
from bl_ext.devrepo.depthshot.backend.paths import ROOT
from bl_ext.devrepo.depthshot.backend.rendezvous import read_server
from bl_ext.devrepo.depthshot.backend.take import verify_take
from bl_ext.devrepo.depthshot.operators.clock import Stage
from bl_ext.devrepo.depthshot.operators.generation import Generation, Outcome
from bl_ext.devrepo.depthshot.operators.pending import pending_takes
from bl_ext.devrepo.depthshot.operators.request import read_request
from bl_ext.devrepo.depthshot.operators.runner import runner
from bl_ext.devrepo.depthshot.preferences import EXTENSION, PYTHON_VARIABLE, preferences

from tests.blender import takes

FRAMES = range(5, 8)


@pytest.fixture(scope="module", autouse=True)
def backend_python():
    """`dev.py test` says where the backend's Python is; without it the checkout's own is used."""
    with pytest.MonkeyPatch.context() as patch:
        if PYTHON_VARIABLE not in os.environ:
            folder = "Scripts/python.exe" if os.name == "nt" else "bin/python"
            patch.setenv(PYTHON_VARIABLE, str(ROOT / ".env/backend" / folder))
        yield


@pytest.fixture
def shot(empty_scene, tmp_path):
    """A tiny scene in a saved file: something with a shape, a light, a camera that moves."""
    scene = empty_scene
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 1
    scene.render.resolution_x, scene.render.resolution_y = 64, 36
    scene.frame_start, scene.frame_end = FRAMES[0], FRAMES[-1]
    bpy.ops.mesh.primitive_cube_add(size=2)
    bpy.ops.mesh.primitive_plane_add(size=40, location=(0, 0, -1))
    sun = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
    sun.rotation_euler = (0.6, 0.4, 0)
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.rotation_euler = (1.1, 0, 0)
    for item in (sun, camera):
        scene.collection.objects.link(item)
    for frame, x in ((FRAMES[0], -0.3), (FRAMES[-1], 0.3)):
        camera.location = (x, -7, 3.5)
        camera.keyframe_insert("location", frame=frame)
    scene.camera = camera
    scene.frame_set(FRAMES[0])
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    return scene


@pytest.fixture
def stored():
    """The stored preferences, as they were afterwards."""
    stored = bpy.context.preferences.addons[EXTENSION].preferences
    yield stored
    for name in ("takes_folder", "backend_python", "data_folder"):
        stored.property_unset(name)


def state():
    """Returns what a generation that came to nothing must leave as it was."""
    scenes = {
        scene.name: (
            len(takes.strips(scene)),
            scene.frame_current,
            scene.render.filepath,
            scene.render.engine,
            scene.view_settings.view_transform,
        )
        for scene in bpy.data.scenes
    }
    return scenes, sorted(bpy.data.objects.keys()), bpy.data.filepath, bpy.data.is_dirty


def start():
    return Generation.start(bpy.context, read_request(bpy.context))


def run(generation, until=lambda generation: False):
    """Steps a generation to its end, or until something is so."""
    while generation.outcome is None and not until(generation):
        generation.step()
        time.sleep(0.02)
    return generation


def in_stage(stage):
    return lambda generation: generation.clock.phase.startswith(stage.label)


def waiting():
    return pending_takes(preferences(bpy.context).data, blend=bpy.data.filepath)


def test_from_a_scene_to_the_timeline(shot, tmp_path):
    before = takes.render(shot, tmp_path / "before.png", FRAMES[0])
    bpy.ops.ed.undo_push(message="before")
    assert bpy.ops.depthshot.generate() == {"FINISHED"}
    status = bpy.context.window_manager.depthshot
    assert status.message == "3 frames landed in “Scene edit”."
    assert not status.failed
    assert not runner.running
    assert "The take lies in the scene “Scene edit”" in status.warnings
    assert 0 < status.generated < 0.5
    assert waiting() == []

    folder = Path(status.take)
    assert folder == tmp_path / "depthshot/Scene-projection-001"
    take = verify_take(folder)
    assert (take.frame_start, take.frames, take.size) == (5, 3, (64, 36))
    (made,) = takes.strips(bpy.data.scenes["Scene edit"])
    assert made.directory == "//depthshot/Scene-projection-001/frames/"
    assert (made.frame_final_start, made.frame_final_duration) == (5, 3)

    pictures = {}
    for frame in FRAMES:
        path = folder / f"frames/{frame:04d}.png"
        pictures[frame] = takes.render(bpy.data.scenes["Scene edit"], tmp_path / "r.png", frame)
        assert np.array_equal(pictures[frame], takes.read(path)), frame
    # Its first frame is the still, which was rendered in 16 bit without dithering.
    assert np.abs(pictures[5] - before).max() <= 1
    assert not np.array_equal(pictures[5], pictures[7])
    assert np.array_equal(takes.render(shot, tmp_path / "after.png", FRAMES[0]), before)


def test_one_undo_step_removes_the_take(shot):
    bpy.ops.ed.undo_push(message="before")
    before = state()[:3]
    assert bpy.ops.depthshot.generate() == {"FINISHED"}
    assert len(bpy.data.scenes) == 2
    bpy.ops.ed.undo()
    assert state()[:3] == before


def test_the_next_take_lies_above_the_last_one(shot, tmp_path):
    assert bpy.ops.depthshot.generate() == {"FINISHED"}
    shot.depthshot.models.projection.fill = False
    assert bpy.ops.depthshot.generate() == {"FINISHED"}
    first, second = takes.strips(bpy.data.scenes["Scene edit"])
    assert (first.channel, second.channel) == (1, 2)
    assert second.directory == "//depthshot/Scene-projection-002/frames/"
    assert verify_take(tmp_path / "depthshot/Scene-projection-002").settings == {"fill": False}


def test_a_still_from_a_file(shot, tmp_path):
    picture = np.full((36, 64, 3), (200, 90, 30), np.uint8)
    (tmp_path / "still.png").write_bytes(takes.png(picture))
    shot.depthshot.still_source = "IMAGE"
    shot.depthshot.still_image = "//still.png"
    assert bpy.ops.depthshot.generate() == {"FINISHED"}
    frame = takes.read(tmp_path / "depthshot/Scene-projection-001/frames/0005.png")
    assert np.array_equal(frame, picture)


@pytest.mark.parametrize("stage", [Stage.CAPTURE, Stage.SEND, Stage.RUN])
def test_cancelled(shot, tmp_path, stage):
    before = state()
    # Enough for the cancel to come first.
    shot.frame_end = 60
    generation = run(start(), in_stage(stage))
    assert generation.outcome is None
    generation.cancel()
    run(generation)
    assert generation.outcome is Outcome.CANCELLED
    assert waiting() == []
    assert not (tmp_path / "depthshot").exists()
    assert state() == before
    data = preferences(bpy.context).data
    assert not list((data / "captures").glob("*.partial"))
    if generation.pending is not None:
        backend = Backend.start_or_attach(preferences(bpy.context).backend_python, ROOT, data)
        events = backend.follow(generation.pending.job)
        while not (last := events.drain()) or not last[-1].final:
            time.sleep(0.02)
        assert last[-1].kind == "cancelled"
        backend.close()


def test_a_backend_that_dies_is_started_again_and_the_take_still_comes(shot):
    shot.frame_end = 40
    generation = run(start(), lambda generation: generation.pending is not None)
    server = read_server(preferences(bpy.context).data)
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/F", "/PID", str(server.pid)], check=True)
    else:
        os.kill(server.pid, 9)
    run(generation)
    assert generation.outcome is Outcome.DONE, generation.message
    assert generation.take.frames == 36
    assert read_server(preferences(bpy.context).data).pid != server.pid


def test_a_python_without_the_backend_is_said_and_changes_nothing(shot, stored, tmp_path):
    before = state()
    stored.backend_python = sys.executable
    stored.data_folder = str(tmp_path / "data")
    generation = run(start())
    assert generation.outcome is Outcome.FAILED
    assert "backend" in generation.message
    assert state() == before
    assert not list((tmp_path / "data/captures").glob("*.partial"))
    with pytest.raises(RuntimeError, match="backend"):
        bpy.ops.depthshot.generate()
    assert bpy.context.window_manager.depthshot.failed


def test_a_shot_that_sees_nothing_fails_in_the_backends_words(shot):
    for item in [item for item in bpy.data.objects if item.type == "MESH"]:
        bpy.data.objects.remove(item)
    before = state()
    generation = run(start())
    assert generation.outcome is Outcome.FAILED
    assert "infinite everywhere" in generation.message
    assert "capture again" in generation.message
    assert state() == before
    assert waiting() == []
    assert generation.shot.is_dir(), "the capture is kept"


def test_closing_the_file_during_a_job_and_fetching_the_take_later(shot, tmp_path):
    generation = run(start(), lambda generation: generation.pending is not None)
    generation.abandon()
    assert generation.outcome is Outcome.CANCELLED
    assert [pending.job for pending in waiting()] == [generation.pending.job]
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert not bpy.ops.depthshot.fetch.poll()
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    assert bpy.ops.depthshot.fetch() == {"FINISHED"}
    (made,) = takes.strips(bpy.data.scenes["Scene edit"])
    assert made.frame_final_duration == 3
    assert waiting() == []


def test_opening_another_file_meanwhile_leaves_that_file_alone(shot, tmp_path):
    generation = run(start(), lambda generation: generation.pending is not None)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    before = state()
    run(generation)
    assert generation.outcome is Outcome.FAILED
    assert generation.message == (
        "The take is finished, but its scene “Scene” of 'shot.blend' is not open; open it and"
        " choose Fetch Take."
    )
    assert state() == before
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    assert bpy.ops.depthshot.fetch() == {"FINISHED"}
    assert len(takes.strips(bpy.data.scenes["Scene edit"])) == 1


def test_renaming_the_scene_meanwhile_does_not_lose_it(shot):
    generation = run(start())
    shot.name = "Renamed"
    second = start()
    shot.name = "Renamed again"
    run(second)
    assert (generation.outcome, second.outcome) == (Outcome.DONE, Outcome.DONE)
    assert second.landed.scene == "Renamed again edit"


def test_a_folder_for_takes_that_cannot_be_written_loses_nothing(shot, stored, tmp_path):
    (tmp_path / "occupied").touch()
    stored.takes_folder = str(tmp_path / "occupied")
    before = state()
    generation = run(start())
    assert generation.outcome is Outcome.FAILED
    assert "occupied" in generation.message
    assert state() == before
    stored.takes_folder = str(tmp_path / "free")
    assert bpy.ops.depthshot.fetch() == {"FINISHED"}
    assert (tmp_path / "free/Scene-projection-001/take.json").is_file()


def test_a_job_the_backend_no_longer_has_is_said_once(shot):
    generation = run(start(), lambda generation: generation.pending is not None)
    generation.abandon()
    stored = preferences(bpy.context)
    backend = Backend.start_or_attach(stored.backend_python, ROOT, stored.data)
    events = backend.follow(generation.pending.job)
    while not any(event.final for event in events.drain()):
        time.sleep(0.02)
    backend.delete(generation.pending.job)
    backend.close()
    with pytest.raises(RuntimeError, match=r"no .*job"):
        bpy.ops.depthshot.fetch()
    assert waiting() == []
