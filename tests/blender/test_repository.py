"""The static repository that `dev.py build` makes, as a Blender with empty settings uses it."""

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.environments import here
from tools import build
from tools.console import DevError

# A line on stdin says that the next version is there.
ARTIST = """
import json, os, sys
from pathlib import Path
import bpy
import addon_utils
import bl_pkg
from bl_pkg.bl_extension_ops import repo_cache_store_refresh_from_prefs

NAME = "bl_ext.ours.depthshot"

def sync():
    bpy.ops.extensions.repo_sync_all()
    store = bl_pkg.repo_cache_store_ensure()
    repo_cache_store_refresh_from_prefs(store)
    return bl_pkg.repo_stats_calc_outdated_for_repo_directory(store, str(folder))

def installed():
    manifest = addon_utils.module_bl_info(sys.modules[NAME])["version"]
    return [list(addon_utils.check(NAME)), ".".join(map(str, manifest)), sys.modules[NAME].__file__]

def say(value):
    print(json.dumps(value), flush=True)

bpy.ops.wm.read_factory_settings(use_empty=True)
preferences = bpy.context.preferences
preferences.system.use_online_access = True
for repository in list(preferences.extensions.repos):
    preferences.extensions.repos.remove(repository)
folder = Path(sys.argv[2])
folder.mkdir()
preferences.extensions.repos.new(
    name="ours", module="ours", custom_directory=str(folder), remote_url=sys.argv[1], source="USER"
)
say(sync())
bpy.ops.extensions.package_install(repo_index=0, pkg_id="depthshot", enable_on_install=True)
say(installed())
say(sync())
sys.stdin.readline()
say(sync())
bpy.ops.extensions.package_upgrade_all()
say(installed())
say(sync())
os._exit(0)
"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and remembers what was asked for."""

    asked: list[str] = []  # noqa: RUF012 - one list for all requests is what is wanted

    def log_request(self, code="-", size="-"):
        self.asked.append(f"{code:d} {self.path.partition('?')[0]}")


@pytest.fixture
def index(archive, tmp_path) -> Path:
    dist = tmp_path / "dist it's"
    dist.mkdir()
    return build.repository(here(), Path(shutil.copy(archive, dist)))


@pytest.fixture
def web(index):
    """Serves the repository; yields its address."""
    handler = functools.partial(Quiet, directory=str(index.parent))
    Quiet.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/index.json"
        server.shutdown()
        thread.join()


def next_version(index: Path) -> None:
    """Replaces the repository by one of a version 9.0.0, as the next release does."""
    (archive,) = index.parent.glob("*.zip")
    later = index.parent.parent / "depthshot-9.0.0.zip"
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(later, "w") as new:
        for entry in old.infolist():
            content = old.read(entry)
            if entry.filename == "blender_manifest.toml":
                assert content.count(b'\nversion = "') == 1
                before, _, after = content.partition(b'\nversion = "')
                content = before + b'\nversion = "9.0.0' + after[after.index(b'"') :]
            new.writestr(entry, content)
    assert build.repository(here(), later) == index


def go_through(address: str, index: Path, tmp_path: Path) -> list:
    """Returns what the artist's Blender says at each step."""
    process = subprocess.Popen(
        [sys.executable, "-c", ARTIST, address, str(tmp_path / "extensions")],
        env={**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path / "user")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    limit = threading.Timer(240, process.kill)
    limit.start()
    said = []
    try:
        for line in process.stdout:
            if line[:1] in "[0123456789":
                said.append(json.loads(line))
                if len(said) == 3:
                    next_version(index)
                    process.stdin.write("\n")
                    process.stdin.flush()
        assert process.wait() == 0, said
    finally:
        limit.cancel()
        process.kill()
        process.stdin.close()
        process.stdout.close()
    return said


@pytest.mark.parametrize("where", ["web", "folder"])
def test_it_is_added_installed_from_and_updated_from(index, web, tmp_path, where):
    address = web if where == "web" else index.as_uri()
    version = json.loads(index.read_text())["data"][0]["version"]
    file = str(tmp_path / "extensions/depthshot/__init__.py")
    assert go_through(address, index, tmp_path) == [
        0,
        [[True, True], version, file],
        0,
        1,
        [[True, True], "9.0.0", file],
        0,
    ]
    if where == "web":
        assert [line for line in Quiet.asked if line.endswith(".zip")] == [
            f"200 /depthshot-{version}.zip",
            "200 /depthshot-9.0.0.zip",
        ]


def test_its_index_holds_the_one_version_and_no_place(index, tmp_path):
    (archive,) = index.parent.glob("*.zip")
    assert sorted(path.name for path in index.parent.iterdir()) == [
        archive.name,
        "index.html",
        "index.json",
    ]
    (entry,) = json.loads(index.read_text())["data"]
    assert entry["archive_url"] == f"./{archive.name}"
    assert entry["archive_size"] == archive.stat().st_size
    assert entry["archive_hash"] == f"sha256:{hashlib.sha256(archive.read_bytes()).hexdigest()}"
    page = (index.parent / "index.html").read_text()
    assert f'href="./{archive.name}?repository=' in page
    for text in (index.read_text(), page):
        assert str(tmp_path) not in text


def test_a_build_that_is_refused_leaves_the_last_repository(index, monkeypatch):
    before = {path.name: path.read_bytes() for path in index.parent.iterdir()}
    (archive,) = index.parent.parent.glob("*.zip")
    (index.parent.parent / f"{build.REPOSITORY}.new").mkdir()
    monkeypatch.setattr(build, "builder", lambda environment: Path("no such builder.py"))
    with pytest.raises(DevError, match="refused"):
        build.repository(here(), archive)
    assert {path.name: path.read_bytes() for path in index.parent.iterdir()} == before
