"""What only a Blender with a window can show: timers, undo in a window, opening and closing files.

Runs where there is a Blender: `DEPTHSHOT_BLENDER`, or `blender` on PATH. Without a display it needs
xvfb-run. The backend runs with the Python of these tests.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLENDER = os.environ.get("DEPTHSHOT_BLENDER") or shutil.which("blender")
HAS_DISPLAY = bool(os.environ.get("DISPLAY")) or os.name == "nt"

pytestmark = [
    pytest.mark.ui,
    pytest.mark.skipif(BLENDER is None, reason="no Blender on PATH or in DEPTHSHOT_BLENDER"),
    pytest.mark.skipif(
        not HAS_DISPLAY and shutil.which("xvfb-run") is None, reason="no display and no xvfb-run"
    ),
]


def test_an_artists_way_through_a_window(tmp_path):
    environment = {
        **os.environ,
        "DEPTHSHOT_BACKEND_PYTHON": sys.executable,
        "DEPTHSHOT_DATA_DIR": str(tmp_path / "data"),
        "BLENDER_USER_RESOURCES": str(tmp_path / "user"),
    }
    command = [BLENDER, "--factory-startup", "-p", "0", "0", "1280", "800"]
    command += ["--python-exit-code", "3", "--python", str(ROOT / "tests/ui/in_window.py")]
    command += ["--", str(tmp_path), str(ROOT)]
    if not HAS_DISPLAY:
        environment["LIBGL_ALWAYS_SOFTWARE"] = "1"
        command = ["xvfb-run", "-a", "-s", "-screen 0 1280x800x24 +extension GLX", *command]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=170, check=False
    )
    result = tmp_path / "result.txt"
    output = done.stdout + done.stderr
    assert result.is_file(), output
    assert result.read_text(encoding="utf-8") == "passed", output
    assert done.returncode == 0, output
