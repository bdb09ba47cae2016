"""The whole way of an artist: the built zip, an empty user folder, Install, Generate, Remove.

Downloads and installs the real packages, so it runs for one Blender of a CI alone.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from bl_ext.devrepo.depthshot.preferences import PYTHON_VARIABLE

# Each line is a step that an artist takes; every answer is printed for the test to read.
WAY = """
import json, os, sys
from pathlib import Path
import bpy

archive, repository, blend = sys.argv[1:]
bpy.ops.wm.read_factory_settings(use_empty=True)
preferences = bpy.context.preferences
preferences.extensions.repos.new(
    name="local", module="local", custom_directory=repository, remote_url="", source="USER"
)
bpy.ops.extensions.package_install_files(filepath=archive, repo="local", enable_on_install=True)
page = preferences.addons["bl_ext.local.depthshot"].preferences
# Whatever GPU the machine of the test has.
page.device = "CPU"

scene = bpy.context.scene
scene.depthshot.model = "projection"
scene.render.engine = "CYCLES"
scene.cycles.samples = 1
scene.render.resolution_x, scene.render.resolution_y = 64, 36
scene.frame_start, scene.frame_end = 5, 7
bpy.ops.mesh.primitive_cube_add(size=2)
camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
camera.rotation_euler = (1.1, 0, 0)
scene.collection.objects.link(camera)
for frame, x in ((5, -0.3), (7, 0.3)):
    camera.location = (x, -7, 3.5)
    camera.keyframe_insert("location", frame=frame)
scene.camera = camera
bpy.ops.wm.save_as_mainfile(filepath=blend)

def tell(name, **values):
    print(json.dumps({"step": name, **values}), flush=True)

def press(name):
    try:
        result = sorted(getattr(bpy.ops.depthshot, name)())
    except RuntimeError as reason:
        result = str(reason)
    tell(name, result=result)

press("generate")
preferences.system.use_online_access = False
tell("offline", can=bpy.ops.depthshot.backend_install.poll())
preferences.system.use_online_access = True
press("backend_install")
tell("installed", can=bpy.ops.depthshot.backend_install.poll())
preferences.system.use_online_access = False
press("backend_doctor")
press("generate")
status = bpy.context.window_manager.depthshot
tell("take", message=status.message, folder=status.take)
press("backend_remove")
tell("modules", names=sorted({name.split(".")[0] for name in sys.modules} & {"torch", "fastapi"}))
os._exit(0)
"""


@pytest.mark.once
@pytest.mark.timeout(1000)
def test_from_the_zip_to_a_take_and_back(archive, tmp_path):
    data = tmp_path / "user data"
    blend = tmp_path / "shot.blend"
    variables = {
        **{name: value for name, value in os.environ.items() if name != PYTHON_VARIABLE},
        "BLENDER_USER_RESOURCES": str(tmp_path / "blender"),
        "DEPTHSHOT_DATA_DIR": str(data),
        "DEPTHSHOT_PIP_CACHE": shared_cache(),
    }
    done = subprocess.run(
        [sys.executable, "-c", WAY, str(archive), str(tmp_path / "repository"), str(blend)],
        env=variables,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=960,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"step"')]
    said = [json.loads(line) for line in lines]
    assert done.returncode == 0, done.stdout + done.stderr
    refused, offline, installed, after, doctor, made, take, removed, modules = said
    assert "The backend is not installed; press Install" in refused["result"]
    assert offline == {"step": "offline", "can": False}
    assert installed["result"] == ["FINISHED"], installed
    assert after == {"step": "installed", "can": False}
    assert doctor["result"] == ["FINISHED"], doctor
    assert made["result"] == ["FINISHED"], made
    assert take["message"].startswith("3 frames landed as strip")
    assert removed["result"] == ["FINISHED"], removed
    assert not data.exists()
    assert modules["names"] == []
    folder = Path(take["folder"])
    assert folder == tmp_path / "depthshot/Scene-projection-001"
    assert len(list((folder / "frames").iterdir())) == 3


def shared_cache() -> str:
    """The folder in which pip keeps what it has downloaded for the user."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "cache", "dir"], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
