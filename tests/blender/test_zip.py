"""The zip that artists install: what is in it, and that a Blender takes it."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from bl_ext.devrepo.depthshot.backend.models import cards
from bl_ext.devrepo.depthshot.backend.models.weights import weights_files, weights_folder

from tests.environments import here
from tools import build
from tools.console import DevError

INSTALL = """
import json, os, sys
import bpy
import addon_utils

bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.context.preferences.extensions.repos.new(
    name="local", module="local", custom_directory=sys.argv[2], remote_url="", source="USER"
)
bpy.ops.extensions.package_install_files(
    filepath=sys.argv[1], repo="local", enable_on_install=True
)
name = "bl_ext.local.depthshot"
module = sys.modules.get(name)
registered = sorted(n for n in dir(bpy.types) if n.startswith("DEPTHSHOT_"))
print(json.dumps({
    "enabled": addon_utils.check(name),
    "file": module and module.__file__,
    "panels": [n for n in registered if "_PT_" in n],
}), flush=True)
os._exit(0)
"""


def test_it_holds_what_an_artist_needs_and_nothing_else(archive):
    with zipfile.ZipFile(archive) as file:
        names = set(file.namelist())
    assert {
        "blender_manifest.toml",
        "__init__.py",
        "LICENSE",
        "backend/wire.py",
        "requirements/backend.txt",
        "requirements/torch.txt",
        "panels/__init__.py",
    } <= names
    assert {name.split("/")[0] for name in names} <= build.SHIPS
    assert {name for name in names if name.startswith("requirements/")} == {
        "requirements/backend.txt",
        "requirements/pip.txt",
        "requirements/torch.txt",
    }
    unwanted = ("__pycache__", "backend/training/", "conftest", "/test_")
    assert [name for name in names if any(part in name for part in unwanted)] == []


def test_weights_ship_and_what_made_them_does_not(archive):
    with zipfile.ZipFile(archive) as file:
        sizes = {entry.filename: entry.file_size for entry in file.infolist()}
    shipping = [card for card in cards() if card.ships_weights]
    assert [card.id for card in shipping] == ["draft"]
    for path in weights_files(weights_folder(shipping[0])):
        # The extension's folder in Blender is a link to the checkout.
        name = path.resolve().relative_to(build.ROOT).as_posix()
        assert sizes[name] == path.stat().st_size, name
    assert any(name.endswith(".safetensors") for name in sizes)
    for left_out in ("backend/training", "benchmarks", "examples", "docs"):
        assert (build.ROOT / left_out).is_dir(), "else it says nothing that it is not there"
        assert not [name for name in sizes if name.startswith(f"{left_out}/")]


def test_a_blender_installs_and_enables_it(archive, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", INSTALL, str(archive), str(tmp_path / "repository")],
        env={**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path / "user")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["enabled"] == [True, True]
    assert Path(said["file"]).is_relative_to(tmp_path / "repository" / "depthshot")
    assert said["panels"]


def test_a_stray_file_is_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "SHIPS", build.SHIPS - {"LICENSE"})
    with pytest.raises(DevError, match=r"^LICENSE would ship"):
        build.build(here(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_zip_that_is_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "MAX_BYTES", 1000)
    with pytest.raises(DevError, match="leave something out"):
        build.build(here(), tmp_path)
    assert list(tmp_path.iterdir()) == []
