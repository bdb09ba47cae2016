"""A disk that is full at each step of a generation, one that is protected, and odd names."""

from pathlib import Path

import bpy
import numpy as np
import pytest
from bl_ext.devrepo.depthshot.backend.errors import CaptureError, StorageError
from bl_ext.devrepo.depthshot.backend.take import verify_take
from bl_ext.devrepo.depthshot.operators.clock import Stage
from bl_ext.devrepo.depthshot.operators.generation import Generation, Outcome
from bl_ext.devrepo.depthshot.preferences import preferences

from tests.blender import scene_hash, shots, takes
from tests.blender.generations import FRAMES, claim, in_stage, run, start, state, waiting
from tests.disks import disk

PAGE = 4096
# Bytes left for a capture: nothing, less than the copy of the file, room for it and for one thing
# after the other of what the second Blender writes.
LEFT = [0, 100_000, 600_000, 640_000, 700_000, 800_000, 1_200_000]
ODD = Path("a space", "it's “quoted”", "🎬 é ü 深", "#1 {x} %d ;", "long" * 40)


@pytest.fixture
def small(tmp_path):
    with disk(tmp_path / "disk", megabytes=24) as made:
        yield made


def test_a_capture_says_at_any_step_that_the_disk_is_full(empty_scene, small, monkeypatch):
    scene = shots.small(empty_scene)
    shots.add_plane(scene)
    shots.add_camera(scene)
    bpy.context.view_layer.update()
    monkeypatch.setattr(bpy.context.preferences, "is_dirty", False)
    before, refused, cache = scene_hash.session_state(), [], small.folder / "cache"
    cache.mkdir()
    for size in LEFT:
        small.leave(size)
        try:
            shots.capture(scene, cache, end=3, seed=size).release()
        except CaptureError as reason:
            refused.append(str(reason))
        assert scene_hash.differences(before, scene_hash.session_state()) == []
        assert not list(cache.glob("*.partial"))
    small.leave(None)
    whole = shots.capture(scene, cache, end=3)
    assert len(list((whole.folder / "guides").iterdir())) == 3
    assert len(refused) >= 2
    assert all(message.endswith(".") and "Errno" not in message for message in refused), refused
    assert "free some space" in refused[0]


@pytest.mark.usefixtures("backend_python")
def test_a_take_that_found_no_room_is_fetched_once_there_is_some(shot, stored, small):
    stored.takes_folder = str(small.folder / "takes")
    generation = run(start(), in_stage(Stage.RUN))
    small.leave(PAGE)
    run(generation)
    assert generation.outcome is Outcome.FAILED
    assert "free some space" in generation.message
    assert len(waiting()) == 1, "the job is kept"
    small.leave(None)
    again = run(Generation.resume(claim(), preferences(bpy.context)))
    assert again.outcome is Outcome.DONE, again.message
    verify_take(again.folder)
    assert waiting() == []


@pytest.mark.usefixtures("backend_python")
def test_a_protected_folder_is_said_before_anything_starts(shot, stored, small):
    small.protect()
    before = state()
    stored.takes_folder = str(small.folder / "takes")
    with pytest.raises(StorageError, match=r"takes .* cannot be written .*Read-only file system"):
        start()
    stored.property_unset("takes_folder")
    stored.data_folder = str(small.folder / "data")
    with pytest.raises(StorageError, match=r"data folder .* cannot be written"):
        start()
    assert state() == before


@pytest.mark.usefixtures("backend_python")
def test_from_a_file_of_an_odd_and_long_path_to_its_timeline(unsaved, tmp_path):
    folder = tmp_path / ODD
    folder.mkdir(parents=True)
    assert len(str(folder)) > 260
    unsaved.name = "Scène 🎬 'x' \"y\" a/b: %s"
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "“shot” #1.blend"))
    name = unsaved.name
    generation = run(start())
    assert generation.outcome is Outcome.DONE, generation.message
    assert generation.folder.parent == folder / "depthshot"
    assert verify_take(generation.folder).name == name
    edit = bpy.data.scenes[generation.landed.scene]
    for frame in FRAMES:
        picture = takes.render(edit, tmp_path / "r.png", frame)
        made = generation.folder / f"frames/{frame:04d}.png"
        assert np.array_equal(picture, takes.read(made)), frame
