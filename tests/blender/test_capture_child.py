"""The second Blender itself: where it writes, what it tells, how it leaves."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import bpy
import pytest
from bl_ext.devrepo.depthshot.scene import fingerprint
from bl_ext.devrepo.depthshot.scene.blendfile import Block, StructType
from bl_ext.devrepo.depthshot.scene.child_process import ChildProcess, wait_for_ends

from tests.blender import shots


def test_one_that_does_not_end_is_waited_for_elsewhere(tmp_path):
    """Cancel comes back while it is there still; a thread kills it and removes its files."""
    script = tmp_path / "deaf.py"
    script.write_text(
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "open(sys.argv[-1] + '.deaf', 'w').close()\n"
        "time.sleep(600)\n"
    )
    work = tmp_path / "work"
    work.mkdir()
    child = ChildProcess(work, {}, script=script)
    limit = time.monotonic() + 60
    while not (work / "job.json.deaf").exists():
        assert time.monotonic() < limit, child.log.read_text()
        time.sleep(0.01)
    child.end()
    assert child.poll()[1] is None
    assert work.exists()
    assert wait_for_ends()
    assert child.poll()[1] is not None
    assert not work.exists()


def with_text(empty_scene, tmp_path, code):
    """A scene with a camera at x = 0 and a registered text, opened as a trusted file."""
    scene = shots.small(empty_scene, (32, 18))
    shots.add_plane(scene)
    shots.add_camera(scene)
    text = bpy.data.texts.new("handlers.py")
    text.write(code)
    text.use_module = True
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "artist.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "artist.blend"), use_scripts=True)
    return bpy.data.scenes["Scene"]


def test_the_cameras_are_those_that_were_rendered(empty_scene, tmp_path):
    """A handler at render time moves the camera; before any render it is elsewhere."""
    code = """
import bpy
def shift(scene, *_):
    bpy.data.objects["Camera"].location.x = 2
bpy.app.handlers.render_pre.append(shift)
"""
    scene = with_text(empty_scene, tmp_path, code)
    try:
        finished = shots.capture(scene, tmp_path / "cache", end=2)
    finally:
        bpy.app.handlers.render_pre.clear()
    assert [camera.transform_matrix[0][3] for camera in finished.shot.cameras] == [2, 2]


def test_temporary_files_go_with_the_capture(empty_scene, tmp_path):
    told = tmp_path / "told.txt"
    code = f"""
import bpy, tempfile
if bpy.data.filepath.endswith("copy.blend"):
    with open({str(told)!r}, "w") as file:
        file.write(bpy.app.tempdir + "|" + tempfile.gettempdir())
"""
    scene = with_text(empty_scene, tmp_path, code)
    running = shots.start(scene, tmp_path / "cache")
    (work,) = (tmp_path / "cache").glob("*.partial")
    shots.finish(running)
    of_blender, of_python = told.read_text().split("|")
    assert Path(of_python) == work / "tmp"
    assert Path(of_blender).is_relative_to(work / "tmp")


LEAVE = """
import importlib.util, shutil, sys, threading, time
spec = importlib.util.spec_from_file_location("child", sys.argv[1])
child = importlib.util.module_from_spec(spec)
spec.loader.exec_module(child)
going = threading.Event()
remove = shutil.rmtree

def slowly(*args, **options):
    going.set()
    time.sleep(0.5)
    remove(*args, **options)

def fail(job):
    going.wait()
    raise RuntimeError("the folder is going")

shutil.rmtree = slowly
sys.argv = [sys.argv[1], "--", sys.argv[2]]
child.main(fail)
"""


def test_a_failure_while_the_parent_goes_does_not_keep_the_folder(tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    (work / "job.json").write_text("{}")
    (tmp_path / "leave.py").write_text(LEAVE)
    script = Path(fingerprint.__file__).with_name("capture_child.py")
    command = [sys.executable, tmp_path / "leave.py", script, work / "job.json"]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert ended.returncode == 9
    assert not work.exists()


DENOISE = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("child", sys.argv[1])
child = importlib.util.module_from_spec(spec)
spec.loader.exec_module(child)

def fail(job):
    raise RuntimeError("Error: Warning first\\nError: Failed to denoise, build has no denoiser\\n")

sys.argv = [sys.argv[1], "--", sys.argv[2]]
child.main(fail)
"""


def test_blenders_own_last_error_is_told(tmp_path):
    (tmp_path / "job.json").write_text("{}")
    (tmp_path / "fail.py").write_text(DENOISE)
    script = Path(fingerprint.__file__).with_name("capture_child.py")
    command = [sys.executable, tmp_path / "fail.py", script, tmp_path / "job.json"]
    # Its end of stdin is held: it would take the other's going for ours.
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.wait(60) == 3
    (event,) = map(json.loads, (tmp_path / "events.jsonl").read_text().splitlines())
    assert event == {"kind": "failed", "reason": "Failed to denoise, build has no denoiser"}


@pytest.mark.parametrize(("other", "same"), [(b"seen", True), (b"else", False)])
def test_what_a_datablock_owns_counts_though_no_pointer_leads_there(monkeypatch, other, same):
    kind = StructType("Thing", 4, (), (), ())

    def digest(data):
        owned = Block(b"DATA", kind, 16, 1, memoryview(data), 0, "")
        scene = Block(b"SC", kind, 8, 1, memoryview(b"root"), 0, "SCScene")
        monkeypatch.setattr(fingerprint, "read_blocks", lambda path, *, noise: [scene, owned])
        return fingerprint.blend_fingerprint(Path(os.devnull), scene="Scene")

    assert (digest(b"seen") == digest(other)) is same
