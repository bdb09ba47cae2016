"""Generate from a scene to the timeline: the real second Blender, the real backend, tiny sizes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import bpy
import numpy as np
import pytest
from bl_ext.devrepo.depthshot.backend.models import find_card
from bl_ext.devrepo.depthshot.backend.rendezvous import read_server
from bl_ext.devrepo.depthshot.backend.take import verify_take
from bl_ext.devrepo.depthshot.operators.clock import Stage
from bl_ext.devrepo.depthshot.operators.generation import Outcome
from bl_ext.devrepo.depthshot.operators.runner import runner
from bl_ext.devrepo.depthshot.panels import sidebar
from bl_ext.devrepo.depthshot.preferences import preferences

from tests.blender import takes
from tests.blender.generations import (
    FRAMES,
    finish,
    in_stage,
    run,
    start,
    state,
    waiting,
)

pytestmark = pytest.mark.usefixtures("backend_python")


def test_from_a_scene_to_the_timeline(shot, backend, tmp_path):
    before = takes.render(shot, tmp_path / "before.png", FRAMES[0])
    bpy.ops.ed.undo_push(message="before")
    assert bpy.ops.depthshot.generate() == {"FINISHED"}
    status = bpy.context.window_manager.depthshot
    assert status.message == (
        "3 frames landed as strip “Scene-projection-001” in the sequencer of “Scene edit”;"
        " rendering “Scene” stays as it is."
    )
    assert not status.failed
    assert not runner.running
    assert "stays as it is" not in status.warnings, "what nobody has to mind is no warning"
    assert 0 < status.generated < 0.5
    assert status.held_up > 0
    assert waiting() == []
    assert status.job not in [job["id"] for job in backend.jobs()], "the backend's copy is gone"

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


def test_a_new_scene_gets_a_take_of_the_model_that_ships(shot, tmp_path):
    shot.depthshot.property_unset("model")
    shot.depthshot.seed = 3
    shot.depthshot.models.draft.steps = 1
    phases = set()
    generation = start()
    run(generation, lambda generation: phases.add(generation.clock.phase))
    assert generation.outcome is Outcome.DONE, generation.message
    assert generation.folder == tmp_path / "depthshot/Scene-draft-001"
    take = verify_take(generation.folder)
    card = find_card("draft")
    assert (take.model, take.seed, take.settings["steps"]) == ("draft", 3, 1)
    assert take.digital_source_type == "compositeWithTrainedAlgorithmicMedia"
    assert 0 < max(take.generated) < 0.5
    (made,) = takes.strips(bpy.data.scenes["Scene edit"])
    assert (made.frame_final_start, made.frame_final_duration) == (5, 3)
    shown = {phase.removeprefix("Making frames: ").rstrip(" 0123456789%") for phase in phases}
    assert shown & {name for name, _ in card.phases}, phases


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


def test_the_next_take_of_the_same_scene_renders_nothing_again(shot):
    """Neither the strips that have landed nor the undo steps between make another scene of it."""
    captures = set()
    for seed in range(3):
        shot.depthshot.seed = seed
        generation = run(start())
        assert generation.outcome is Outcome.DONE, generation.message
        captures.add(generation.shot)
        bpy.ops.ed.undo_push(message="What an artist does in between")
    assert len(captures) == 1


def test_a_still_from_a_file(shot, tmp_path):
    picture = np.full((36, 64, 3), (200, 90, 30), np.uint8)
    (tmp_path / "still.png").write_bytes(takes.png(picture))
    shot.depthshot.still_source = "IMAGE"
    shot.depthshot.still_image = "//still.png"
    assert bpy.ops.depthshot.generate() == {"FINISHED"}
    frame = takes.read(tmp_path / "depthshot/Scene-projection-001/frames/0005.png")
    assert np.array_equal(frame, picture)


@pytest.mark.parametrize("stage", [Stage.CAPTURE, Stage.SEND, Stage.RUN])
def test_cancelled(shot, backend, tmp_path, stage):
    before = state()
    # Enough for the cancel to come first, on a machine that is busy with other things too.
    shot.frame_end = 300 if stage is Stage.RUN else 60
    generation = run(start(), in_stage(stage))
    assert generation.outcome is None
    generation.cancel()
    run(generation)
    assert generation.outcome is Outcome.CANCELLED
    assert waiting() == []
    assert not (tmp_path / "depthshot").exists()
    kept = stage is not Stage.CAPTURE
    assert generation.message == ("Cancelled; the capture is kept." if kept else "Cancelled.")
    assert state() == before
    data = preferences(bpy.context).data
    assert not list((data / "captures").glob("*.partial"))
    if generation.pending is not None:
        assert finish(backend, generation.pending.job).kind == "cancelled"


def test_the_last_take_stays_until_another_one_has_landed(shot, tmp_path):
    assert bpy.ops.depthshot.generate() == {"FINISHED"}
    status = bpy.context.window_manager.depthshot
    names = ("take", "scene", "landing", "generated")
    before = [getattr(status, name) for name in names]
    shot.frame_end = 60
    runner.start(start())
    try:
        assert [getattr(status, name) for name in names] == before
        assert sidebar.DEPTHSHOT_PT_last_take.poll(bpy.context)
        for press in (
            lambda: bpy.ops.depthshot.place_take(target="STRIP", directory=status.take),
            lambda: bpy.ops.depthshot.export_movie(filepath=str(tmp_path / "film.mp4")),
        ):
            with pytest.raises(RuntimeError, match="A take is being generated; wait for it"):
                press()
        runner.cancel()
        while runner._step():
            time.sleep(0.02)
        assert status.message.startswith("Cancelled"), status.message
        assert [getattr(status, name) for name in names] == before
    finally:
        runner.abandon()
    shot.frame_end = FRAMES[-1]
    assert bpy.ops.depthshot.generate() == {"FINISHED"}
    assert status.take == str(tmp_path / "depthshot/Scene-projection-002")
    assert status.landing not in ("", before[2])


@pytest.mark.parametrize("how", ["cancel", "abandon"])
def test_ended_before_its_first_step(shot, how):
    generation = start()
    getattr(generation, how)()
    run(generation)
    assert generation.outcome is Outcome.CANCELLED
    assert not list((preferences(bpy.context).data / "captures").glob("*.partial"))


def test_a_camera_that_never_moves_is_said_once(shot):
    shot.frame_end = FRAMES[0] + 1
    shot.camera.animation_data_clear()
    generation = run(start())
    assert generation.outcome is Outcome.DONE, generation.message
    said = [sentence for sentence in generation.warnings if "never moves" in sentence]
    assert said == [warning for warning in generation.take.warnings if "never moves" in warning]
    assert len(said) == 1


def test_another_display_is_said_at_once(shot):
    shot.display_settings.display_device = "Display P3"
    generation = start()
    (warning,) = generation.warnings
    assert "“Display P3”, but takes are sRGB" in warning
    generation.cancel()
    run(generation)


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


def test_renaming_the_scene_meanwhile_does_not_lose_it(shot):
    generation = run(start())
    shot.name = "Renamed"
    second = start()
    shot.name = "Renamed again"
    run(second)
    assert (generation.outcome, second.outcome) == (Outcome.DONE, Outcome.DONE)
    assert second.landed.scene == generation.landed.scene == "Scene edit", "whatever the shot's is"
    assert len(takes.strips(bpy.data.scenes["Scene edit"])) == 2
    assert (generation.take.name, second.take.name) == ("Scene", "Renamed"), "of one capture"
