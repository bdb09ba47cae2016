"""Remove Everything: what Depthshot has made goes, whatever else lies there stays."""

import json
import os
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest

from backend.errors import SetupError
from backend.jobs import JobStore
from backend.locks import FileLock
from backend.rendezvous import ServerInfo, write_server
from backend.setup import place, removal
from backend.setup.environment import MARK, STAMP
from backend.tokens import kept_token
from tests.backends import ROOT
from tests.waiting import wait_until

NAME = "0123456789abcdef" * 2

# Everyday names in the folder of a project, and what lies there.
FOREIGN = [
    "captures/mocap_day1.bvh",
    "captures/uses/notes.txt",
    "logs/render.log",
    "env/hdri/studio.hdr",
    "env/pyvenv.cfg",
    "env/bin/python",
    "env-before/sky.hdr",
    "env-before/pyvenv.cfg",
    "store-assets/chair.blend",
    "store-2/chair.blend",
    "store-2/jobs/list.txt",
    "pending/invoice.json",
    "outbox/mail.zip",
    "pip-cache/readme.txt",
    "setup-tmp/draft.blend",
    "takes/shot-001/0001.png",
    "weights/licences.json",
    "weights/models--stabilityai--some/blobs/0123",
    "weights/models--stabilityai--some/snapshots/0123/model.safetensors",
    "weights/some.json",
    "weights/folders.json",
    "weights/folders.lock",
    "prompts/list.safetensors",
    "token",
    "server-1.json",
    "start.lock",
]


@pytest.fixture
def data(tmp_path) -> Path:
    data = tmp_path / "user’s data 🎬"
    data.mkdir()
    return data


def put(data: Path, name: str, content: str = "") -> Path:
    path = data / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


LICENCES = '{"a-model": {"licence": "MIT", "licence_url": "https://example.org", "revision": "0"}}'
REPOSITORY = "weights/models--someone--a.model"


def fill(data: Path) -> None:
    """Puts everything there that Depthshot leaves, and its killed writers."""
    put(data, f"env/{STAMP}", "{}")
    put(data, "env/bin/python")
    put(data, f"env-before/{MARK}")
    (data / "env-unfinished" / "lib").mkdir(parents=True)
    for name in (NAME, f"once-{NAME}", f"{NAME}.partial", f"{NAME}-{NAME}.removed"):
        put(data, f"captures/{name}/guides/0001.exr", "pixels")
    put(data, "captures/captures.lock")
    put(data, f"captures/uses/{NAME}.{uuid.uuid4().hex}")
    for name in ("setup.log", "server-1.log", "server-1.previous.log"):
        put(data, f"logs/{name}", "words")
    for suffix in ("json", "part"):
        put(data, f"pending/0123456789abcdef-a_job-1.{suffix}", "{}")
    put(data, "pending/0123456789abcdef-a_job-1.lock")
    put(data, f"outbox/{NAME}.zip", "shot")
    put(data, "pip-cache/http-v2/a/b", "wheel")
    put(data, "pip-cache/selfcheck/a")
    put(data, "depthshot-setup-tmp/pip-unpack-1/a")
    put(data, "setup-tmp/pip-unpack-1/a")
    store = data / "store-1"
    store.mkdir()
    JobStore(store).close()
    put(data, "store-1/jobs/an-id/shot/shot.json")
    put(data, "store-1/owner.lock")
    put(data, "store-1/identity", "0123")
    put(data, "store-3/owner.lock")
    write_server(data, ServerInfo(protocol=1, port=9, token="a", pid=1))
    put(data, "server-1.json.0a1b2c3d", '{"token": 1}')
    kept_token(data)
    put(data, "token.0a1b2c3d")
    put(data, "start.lock")
    put(data, "takes/.used-names", "shot-001\n")
    put(data, f"prompts/{NAME * 2}.safetensors", "words")
    put(data, f"prompts/.{NAME * 2}.safetensors.123.part", "words")
    put(data, "weights/licences.json", LICENCES)
    put(data, "weights/a-model.json", '{"repository": "someone/a", "revision": "0", "files": {}}')
    put(data, "weights/b-model.json.part", '{"repo')
    put(data, "weights/folders.json", json.dumps({"a-model": str(data.parent / "mine")}))
    put(data, "weights/folders.lock")
    put(data, "weights/folders.json.damaged", "{")
    put(data, f"{REPOSITORY}/pull.lock")
    put(data, f"{REPOSITORY}/blobs/{NAME}.incomplete", "some")
    link = put(data, f"{REPOSITORY}/blobs/{NAME}", "weights")
    (data / REPOSITORY / "snapshots" / "0" / "vae").mkdir(parents=True)
    (data / REPOSITORY / "snapshots" / "0" / "vae" / "model.safetensors").symlink_to(link)


def everything(data: Path) -> list[str]:
    return sorted(p.relative_to(data).as_posix() for p in data.rglob("*") if not p.is_dir())


def test_all_that_depthshot_makes_is_gone(data):
    fill(data)
    assert removal.size(data) > 1000
    called = []
    assert removal.remove(data, before=lambda: called.append(True)) == []
    assert called == [True]
    assert not data.exists()
    assert removal.remove(data) == []


def test_folders_that_were_chosen_stay_and_are_forgotten(data, tmp_path):
    mine = put(tmp_path, "mine/model.safetensors", "weights")
    folders = json.dumps({"a-model": str(mine.parent)})
    put(data, "weights/folders.json", folders)
    put(data, "weights/folders.lock")
    assert removal.size(data) == len(folders)
    assert removal.remove(data) == [] and not data.exists()
    assert mine.read_text() == "weights"


@pytest.mark.parametrize(
    "content", ["{", "", '{"a-model": "relative"}', '{"a-model": "/a\\u0000"}']
)
def test_a_damaged_list_of_chosen_folders_goes_as_well(data, content):
    put(data, "weights/folders.json", content)
    put(data, "weights/folders.lock")
    assert removal.size(data) == len(content)
    assert removal.remove(data) == [] and not data.exists()


def test_nothing_goes_by_an_everyday_name(data):
    for name in FOREIGN:
        put(data, name, "mine")
    assert removal.size(data) == 0
    left = removal.remove(data)
    assert everything(data) == sorted(FOREIGN)
    assert [path.name for path in left] == sorted({Path(name).parts[0] for name in FOREIGN})


def test_beside_somebodys_work_ours_goes_alone(data):
    fill(data)
    mine = ["captures/mocap.bvh", "logs/render.log", "pip-cache/a.txt", "store-1/chair.blend"]
    mine += ["weights/mine.json", "weights/mine.safetensors", f"{REPOSITORY}/notes.txt"]
    for name in mine:
        put(data, name, "mine")
    removal.remove(data)
    assert everything(data) == sorted(mine)
    assert [path.name for path in (data / "store-1").iterdir()] == ["chair.blend"]


def test_weights_that_are_being_downloaded_are_left(data):
    fill(data)
    before = everything(data)
    with FileLock(data / REPOSITORY / "pull.lock"), pytest.raises(SetupError, match="downloaded"):
        removal.remove(data)
    assert set(everything(data)) == {*before, "setup.lock"}


def test_weights_count_once_however_many_names_a_file_has(data):
    put(data, "weights/licences.json", LICENCES)
    before = removal.size(data)
    blob = put(data, f"{REPOSITORY}/blobs/{NAME}", "weights" * 100_000)
    assert removal.size(data) - before > 700_000
    (data / REPOSITORY / "snapshots").mkdir()
    (data / REPOSITORY / "snapshots" / "model.safetensors").hardlink_to(blob)
    assert 700_000 < removal.size(data) - before < 800_000


def test_a_link_to_weights_on_another_disk_goes_alone(data, tmp_path):
    fill(data)
    (data / "weights").rename(tmp_path / "large disk")
    (data / "weights").symlink_to(tmp_path / "large disk")
    before = everything(tmp_path / "large disk")
    assert removal.remove(data) == [tmp_path / "large disk"]
    assert everything(tmp_path / "large disk") == before and not data.exists()


def test_links_go_and_not_what_they_show(data, tmp_path):
    fill(data)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("env", "captures", "logs"):
        (data / name).rename(elsewhere / name)
        (data / name).symlink_to(elsewhere / name)
    note = data / "pending" / "0123456789abcdef-a_job-1.json"
    note.unlink()
    note.symlink_to(elsewhere / "logs" / "setup.log")
    before = everything(elsewhere)
    left = removal.remove(data)
    assert elsewhere / "env" in left and elsewhere / "captures" in left
    assert everything(elsewhere) == before
    assert not data.exists()


def test_a_link_to_somebodys_work_stays(data, tmp_path):
    put(tmp_path, "mocap/day1.bvh", "mine")
    (data / "captures").symlink_to(tmp_path / "mocap")
    (data / "takes").symlink_to(tmp_path / "mocap")
    assert [path.name for path in removal.remove(data)] == ["captures", "takes"]
    assert (data / "captures").is_symlink()


def test_a_linked_data_folder_is_emptied_and_its_link_removed(data, tmp_path):
    fill(data)
    link = tmp_path / "link"
    link.symlink_to(data)
    assert removal.remove(link) == []
    assert not link.is_symlink()
    assert list(data.iterdir()) == []


HELD = {
    f"captures/uses/{NAME}.{'1' * 32}": "capturing or exporting a shot",
    f"captures/uses/capturing.{'2' * 32}": "A Blender is capturing a shot with",
    f"captures/uses/exporting.{'3' * 32}": "A Blender is exporting with",
    "pending/0123456789abcdef-another.lock": "generating or fetching a take",
    "store-1/owner.lock": "A backend is still running",
}


@pytest.mark.parametrize("name", HELD)
def test_what_is_in_use_is_named_and_nothing_removed(data, name):
    fill(data)
    path = put(data, name)
    before = everything(data)
    with FileLock(path), pytest.raises(SetupError, match=HELD[name]):
        removal.remove(data)
    assert set(before) <= set(everything(data))
    assert removal.remove(data) == []


def test_the_server_is_ended_only_once_no_blender_needs_it(data):
    path = put(data, "pending/0123456789abcdef-another.lock")
    called = []
    with FileLock(path), pytest.raises(SetupError):
        removal.remove(data, before=lambda: called.append(True))
    assert not called


def test_a_server_whose_address_is_lost_keeps_its_store(data):
    process = subprocess.Popen(
        [sys.executable, "-m", "backend", "serve", "--data", str(data)],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: (data / "server-1.json").exists())
        (data / "server-1.json").unlink()
        with pytest.raises(SetupError, match="A backend is still running"):
            removal.remove(data)
        assert (data / "store-1" / "jobs.sqlite").is_file()
    finally:
        process.kill()
        process.wait()
    assert removal.remove(data) == []


@pytest.mark.skipif(os.name == "nt", reason="a file that is open is not removed there")
def test_who_waits_for_a_lock_whose_file_goes_has_the_new_one(tmp_path):
    path = tmp_path / "setup.lock"
    first, second = FileLock(path), FileLock(path, timeout=60)
    assert first.take()
    waiting = threading.Thread(target=second.take)
    waiting.start()
    wait_until(lambda: second_waits(path))
    first.remove()
    waiting.join()
    third = FileLock(path)
    assert not third.take(), "two would have the same lock"
    second.release()
    assert third.take()
    third.release()


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_a_lock_whose_file_cannot_be_looked_at_any_more_is_not_kept_open(tmp_path):
    path = tmp_path / "setup.lock"
    first, second, refused = FileLock(path), FileLock(path, timeout=60), []

    def wait() -> None:
        try:
            second.take()
        except OSError as reason:
            refused.append(reason)

    assert first.take()
    waiting = threading.Thread(target=wait)
    waiting.start()
    wait_until(lambda: second_waits(path))
    path.rename(tmp_path / "moved")
    path.symlink_to(path)  # as with a share that has gone: its name is there, and no file
    first.release()
    waiting.join()
    assert len(refused) == 1
    assert not any(os.path.realpath(each) == str(tmp_path / "moved") for each in
                   Path("/proc/self/fd").iterdir())  # fmt: skip


def second_waits(path: Path) -> bool:
    opened = [os.path.realpath(each) for each in Path("/proc/self/fd").iterdir()]
    return opened.count(str(path)) > 1


def test_while_another_installs_nothing_is_removed(data):
    fill(data)
    with place.lock(data), pytest.raises(SetupError, match="Another Blender is installing"):
        removal.remove(data)
    assert (data / "env" / STAMP).exists()
