"""Capture as a whole: what comes out, what is refused, and that the session stays as it was."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import bpy
import pytest
from bl_ext.devrepo.depthshot.backend.errors import CaptureError
from bl_ext.devrepo.depthshot.backend.wire import read_shot
from bl_ext.devrepo.depthshot.scene.child_process import wait_for_ends

from tests.blender import scene_hash, shots
from tests.waiting import wait_until


@pytest.fixture
def scene(empty_scene):
    """A plane, a camera that moves over it, and one of everything that a capture must not touch."""
    scene = shots.small(empty_scene)
    shots.add_plane(scene)
    shots.move(shots.add_camera(scene), "location", {1: (0, 0, 8), 5: (2, 0, 8)})
    scene["note"] = {"by": "artist", "values": [1, 2, 3]}
    scene.render.use_border = scene.render.use_stamp = True
    scene.render.film_transparent = False
    scene.frame_set(3)
    return scene


def partial(cache):
    """What unfinished captures have left in the cache."""
    assert wait_for_ends()
    return sorted(path.name for path in cache.iterdir() if path.suffix == ".partial")


def alive(pid):
    """Whether a process runs; a zombie does not."""
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def run_until(running, phase):
    """Steps a capture until it is in a phase."""
    wait_until(lambda: running.step().phase == phase)


def make_slow(scene):
    """A scene whose guides take minutes: very many frames."""
    return {"end": scene.frame_start + 2000}


def test_a_capture_is_a_shot(scene, tmp_path):
    running = shots.start(
        scene, tmp_path, end=4, still=2, name="Hall", prompt="rain", negative_prompt="fog", seed=7
    )
    told = shots.finish(running)
    shot = running.shot
    assert (shot.name, shot.prompt, shot.negative_prompt, shot.seed) == ("Hall", "rain", "fog", 7)
    assert (shot.size, shot.fps, shot.frame_start, shot.frames) == ((64, 36), 24.0, 1, 4)
    assert [still.index for still in shot.stills] == [1]
    assert list(shot.guides) == ["depth", "flow"]
    assert shot.guides["depth"] == tuple(f"guides/{frame:04d}.exr" for frame in range(1, 5))
    xs = [camera.transform_matrix[0][3] for camera in shot.cameras]
    assert xs == pytest.approx([0, 0.5, 1, 1.5], abs=1e-6)
    png = (running.folder / "still.png").read_bytes()
    assert png[16:26] == (64).to_bytes(4, "big") + (36).to_bytes(4, "big") + b"\x10\x02"
    phases = list(dict.fromkeys(progress.phase for progress in told))
    assert [phase for phase in phases if phase != "cameras"] in (
        ["starting", "still", "guides", "finished"],
        ["starting", "guides", "finished"],
    )
    guides = [(p.done, p.total) for p in told if p.phase == "guides"]
    assert guides == sorted(guides) and guides[-1] == (4, 4)
    assert running.warnings == []
    assert partial(tmp_path) == []


def test_frame_numbers_and_rate_are_the_scenes(scene, tmp_path):
    scene.render.fps, scene.render.fps_base = 30, 1.001
    shot = read_shot(shots.capture(scene, tmp_path, start=-2, end=1, still=0).folder)
    assert (shot.frame_start, shot.fps, shot.stills[0].index) == (-2, pytest.approx(29.97003), 2)
    assert shot.guides["depth"][0] == "guides/-002.exr"


@pytest.mark.parametrize("state", ["unsaved", "clean", "dirty", "edit mode", "second scene"])
@pytest.mark.parametrize("end", ["finished", "cancelled", "refused"])
def test_the_session_stays_as_it_was(scene, tmp_path, monkeypatch, state, end):
    monkeypatch.setattr(bpy.data, "use_autopack", True)
    image = bpy.data.images.new("Loose", 4, 4)
    image.filepath_raw, image.file_format = str(tmp_path / "loose.png"), "PNG"
    image.save()
    if end == "refused":
        scene.camera.data.type = "ORTHO"
        # Which camera a marker brings is asked in the second Blender alone.
        scene.timeline_markers.new("cut", frame=1).camera = scene.camera
    if state == "edit mode":
        bpy.context.view_layer.objects.active = bpy.data.objects["Plane"]
        bpy.ops.object.mode_set(mode="EDIT")
        # Any save does this: until then the mesh is as it was when Edit Mode was entered.
        bpy.context.object.update_from_editmode()
    if state == "second scene":
        bpy.context.window.scene = bpy.data.scenes.new("Other")
    if state in ("clean", "dirty"):
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "artist.blend"))
        image.filepath = "//loose.png"
        bpy.ops.wm.save_mainfile()
    if state == "dirty":
        bpy.ops.ed.undo_push(message="something")
        bpy.ops.object.empty_add()
    monkeypatch.setattr(bpy.context.preferences, "is_dirty", False)
    before, state_before = scene_hash.scene_hash(), scene_hash.session_state()
    saved = (tmp_path / "artist.blend").exists() and (tmp_path / "artist.blend").stat().st_mtime_ns

    running = shots.start(scene, tmp_path / "cache", end=3)
    assert scene_hash.differences(state_before, scene_hash.session_state()) == []
    if end == "finished":
        shots.finish(running)
    elif end == "cancelled":
        run_until(running, "still")
        running.cancel()
    else:
        with pytest.raises(CaptureError, match="orthographic at frame 1"):
            shots.finish(running)

    assert scene_hash.differences(state_before, scene_hash.session_state()) == []
    assert scene_hash.scene_hash() == before
    if saved:
        assert (tmp_path / "artist.blend").stat().st_mtime_ns == saved
    assert partial(tmp_path / "cache") == []


def test_the_hash_sees_what_it_is_for(scene, monkeypatch):
    seen = [scene_hash.scene_hash()]

    def changed():
        seen.append(scene_hash.scene_hash())
        assert seen[-1] not in seen[:-1]

    scene["note"]["by"] = "somebody"
    changed()
    scene.render.use_border = False
    changed()
    scene.view_layers.new("More")
    changed()
    scene.frame_set(4)
    changed()
    bpy.data.objects["Plane"].select_set(True)
    changed()
    bpy.data.meshes["Plane"].vertices[0].co.x += 1
    changed()
    monkeypatch.setattr(bpy.context.preferences.filepaths, "file_preview_type", "NONE")
    changed()


def test_undo_still_works(scene, tmp_path):
    bpy.ops.ed.undo_push(message="before")
    plane = bpy.data.objects["Plane"]
    plane.location.x = 3
    bpy.ops.ed.undo_push(message="moved")
    shots.capture(scene, tmp_path)
    bpy.ops.ed.undo()
    assert bpy.data.objects["Plane"].location.x == 0
    bpy.ops.ed.redo()
    assert bpy.data.objects["Plane"].location.x == 3


def test_edits_that_were_not_left_yet_are_captured(scene, tmp_path):
    plane = bpy.data.objects["Plane"]
    bpy.context.view_layer.objects.active = plane
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.transform.translate(value=(0, 0, 3))
    depth = shots.shown(shots.capture(scene, tmp_path)).depth()
    assert abs(depth - 5).max() < 1e-5
    assert plane.mode == "EDIT"


def test_cancel_ends_the_second_blender_at_once(scene, tmp_path):
    running = shots.start(scene, tmp_path, **make_slow(scene))
    pid = running.child_pid
    run_until(running, "guides")
    assert alive(pid)
    began = time.monotonic()
    running.cancel()
    assert time.monotonic() - began < 1
    assert wait_for_ends()
    assert not alive(pid)
    assert partial(tmp_path) == []
    for what in ("folder", "shot"):
        with pytest.raises(CaptureError, match="not finished"):
            getattr(running, what)


def test_the_second_blender_ends_when_the_first_is_killed(tmp_path):
    """Another Blender starts a capture and is killed with signal 9 in the middle of it."""
    root = Path(__file__).parents[2]
    script = tmp_path / "artist.py"
    script.write_text(
        textwrap.dedent(
            """
            import sys, time
            from pathlib import Path
            import bpy
            sys.path.insert(0, sys.argv[2])
            from tests.blender import shots
            scene = shots.small(bpy.context.scene)
            shots.add_plane(scene)
            shots.add_camera(scene)
            running = shots.start(scene, Path(sys.argv[1]), end=2000)
            while running.step().phase != "guides":
                time.sleep(0.01)
            print("CHILD", running.child_pid, flush=True)
            time.sleep(600)
            """
        )
    )
    command = [sys.executable, str(root / "tools" / "with_extension.py"), str(script)]
    artist = subprocess.Popen(
        [*command, str(tmp_path / "cache"), str(root)], stdout=subprocess.PIPE, text=True
    )
    try:
        pid = next(int(line.split()[1]) for line in artist.stdout if line.startswith("CHILD"))
        assert alive(pid)
    finally:
        artist.send_signal(signal.SIGKILL)
        artist.wait()
        artist.stdout.close()
    wait_until(lambda: not alive(pid))
    assert partial(tmp_path / "cache") == []


def test_a_failing_second_blender_gives_one_sentence_and_a_log(scene, tmp_path):
    running = shots.start(scene, tmp_path, **make_slow(scene))
    (work,) = tmp_path.glob("*.partial")
    run_until(running, "guides")
    # Stopped, or it makes the folder again for its next frame before the file is there.
    os.kill(running.child_pid, signal.SIGSTOP)
    try:
        (work / "shot" / "guides").rename(work / "elsewhere")
        (work / "shot" / "guides").write_text("a file where the folder was")
    finally:
        os.kill(running.child_pid, signal.SIGCONT)
    with pytest.raises(CaptureError) as failed:
        shots.finish(running)
    log = tmp_path / "failed-capture.log"
    words = str(failed.value)
    assert words.startswith("The second Blender failed (Not a directory) while rendering guides")
    assert words.endswith(f"; its log '{log}' has the details.")
    assert "Traceback" in log.read_text()
    assert partial(tmp_path) == []


def test_what_blender_says_of_a_failure_is_told_and_the_traceback_stays_in_the_log(scene, tmp_path):
    running = shots.start(scene, tmp_path)
    (work,) = tmp_path.glob("*.partial")
    (work / "copy.blend").write_bytes(b"no file of Blender's")
    with pytest.raises(CaptureError) as failed:
        shots.finish(running)
    log = tmp_path / "failed-capture.log"
    assert "Error" in log.read_text()
    words = str(failed.value)
    assert words.startswith("The second Blender failed (") and "copy.blend" in words
    assert "Traceback" not in words and "Error" not in words
    assert words.endswith(f") while opening the copy; its log '{log}' has the details.")


@pytest.mark.parametrize("unit", [1, 0.5])
def test_braces_and_hashes_in_the_folder_mean_themselves(scene, tmp_path, unit):
    """Blender reads braces in an output path as a template, since 4.5, and # as the frame."""
    scene.unit_settings.scale_length = unit
    finished = shots.capture(scene, tmp_path / "a {b} {{c # ##", end=2)
    assert (shots.shown(finished).depth(1) == 8 * unit).all()


@pytest.mark.skipif(sys.platform == "win32", reason="no such modes there")
def test_what_is_captured_is_for_the_user_alone(scene, tmp_path):
    before = os.umask(0o022)
    try:
        shots.capture(scene, tmp_path / "data" / "captures")
    finally:
        os.umask(before)
    for folder in (tmp_path / "data", tmp_path / "data" / "captures"):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_second_blender_that_is_killed_gives_one_sentence(scene, tmp_path):
    running = shots.start(scene, tmp_path, **make_slow(scene))
    run_until(running, "guides")
    os.kill(running.child_pid, signal.SIGKILL)
    with pytest.raises(CaptureError, match=r"crashed or was ended while rendering"):
        shots.finish(running)
    assert partial(tmp_path) == []


def test_a_cache_that_cannot_be_written_is_named(scene, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CaptureError, match=r"cannot be written .* or choose another one"):
        shots.start(scene, tmp_path / "file" / "cache")


@pytest.mark.skipif(sys.platform == "win32", reason="no limits for the size of a file there")
def test_a_disk_that_takes_no_more_is_named(scene, tmp_path):
    """The copy has some 400 kB; here no file can have more than 100."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(CaptureError, match=r"could not be copied to .*; free some space"):
            shots.start(scene, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert partial(tmp_path) == []
