"""Remove Everything while another Blender is at work: it refuses, and says with what."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import bpy
import pytest
from bl_ext.devrepo.depthshot.backend.errors import BackendNotStarted, CaptureError, SetupError
from bl_ext.devrepo.depthshot.backend.setup import removal
from bl_ext.devrepo.depthshot.operators.backend_state import busy
from bl_ext.devrepo.depthshot.operators.exporter import RUNNING, exporter
from bl_ext.devrepo.depthshot.scene import kept

from tests.blender import shots, views

ROOT = Path(__file__).resolve().parents[2]

CAPTURE = """
import sys
from pathlib import Path
import bpy
from tests.blender import shots, views
views.moving_camera(bpy.context.scene)
running = shots.start(bpy.context.scene, Path(sys.argv[1]) / "captures", end=50)
print("AT WORK", flush=True)
sys.stdin.read()
"""

EXPORT = """
import sys
from pathlib import Path
from bl_ext.devrepo.depthshot.operators import export_process
from bl_ext.devrepo.depthshot.operators.export import _use
from bl_ext.devrepo.depthshot.operators.exporter import exporter
data = Path(sys.argv[1])
# An export that goes on for as long as it is let.
export_process.ROOT = data.parent
(data.parent / "backend.py").write_text("import sys; sys.stdin.read()")
exporter.start(Path(sys.executable), [], target=data.parent / "film.mov", use=_use(data))
print("AT WORK", flush=True)
sys.stdin.read()
"""


@contextmanager
def another_blender(script, data, tmp_path):
    """Runs a script in a Blender of its own with the extension, until the block ends."""
    (tmp_path / "script.py").write_text(script)
    command = [sys.executable, ROOT / "tools" / "with_extension.py", tmp_path / "script.py", data]
    other = subprocess.Popen(
        [str(part) for part in command],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with other:
        try:
            assert any(line.startswith("AT WORK") for line in other.stdout)
            yield other
        finally:
            other.kill()


@pytest.mark.parametrize(
    ("script", "doing"),
    [(CAPTURE, "capturing a shot"), (EXPORT, "exporting")],
    ids=["capture", "export"],
)
def test_what_another_blender_does_is_named_and_loses_nothing(tmp_path, script, doing):
    data = tmp_path / "data"
    data.mkdir()
    with another_blender(script, data, tmp_path) as other:
        before = sorted((data / "captures").glob("*"))
        with pytest.raises(SetupError, match=f"A Blender is {doing} with .* and remove again"):
            removal.remove(data)
        assert sorted((data / "captures").glob("*")) == before
        other.kill()
        other.wait()
    assert removal.remove(data) == []


def test_a_capture_says_that_it_is_over_when_its_files_are_gone(empty_scene, tmp_path):
    views.moving_camera(empty_scene)
    empty_scene.render.resolution_x, empty_scene.render.resolution_y = 32, 18
    empty_scene.render.engine, empty_scene.cycles.samples = "CYCLES", 1
    uses = tmp_path / "captures" / "uses"
    running = shots.start(empty_scene, tmp_path / "captures")
    assert [path.stem for path in uses.iterdir()] == ["capturing"]
    running.cancel()
    assert shots.wait_for_ends()
    assert list(uses.iterdir()) == []
    done = shots.capture(empty_scene, tmp_path / "captures")
    assert [path.stem for path in uses.iterdir()] == [done.folder.name]
    done.release()
    assert list(uses.iterdir()) == []


def test_a_capture_that_cannot_start_uses_nothing(empty_scene, tmp_path, monkeypatch):
    views.moving_camera(empty_scene)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bl_ext.devrepo.depthshot.scene.capture.save_copy", full)
    with pytest.raises(CaptureError, match="No space left"):
        shots.start(empty_scene, tmp_path / "captures")
    assert list((tmp_path / "captures" / "uses").iterdir()) == []


def test_an_export_that_cannot_start_uses_nothing(tmp_path):
    used = kept.use(tmp_path / "captures", "exporting")
    with pytest.raises(BackendNotStarted):
        exporter.start(tmp_path / "no-python", [], target=tmp_path / "x", use=used)
    assert list((tmp_path / "captures" / "uses").iterdir()) == []
    assert not bpy.app.timers.is_registered(exporter._timer)


def test_while_this_blender_exports_the_backend_stays(monkeypatch):
    assert busy() is None
    monkeypatch.setattr(exporter, "_process", object())
    assert busy() == RUNNING
