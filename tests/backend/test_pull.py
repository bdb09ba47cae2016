"""Downloads, with the hub's own library against a hub on this machine."""

import errno
import hashlib
import json
import shutil
import socket
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants

from backend.errors import Cancelled, ModelError, StorageError
from backend.locks import FileLock
from backend.models import fetch, hub, kept, pull
from tests.disks import disk
from tests.hubs import LARGE, REVISION, fill_cache, model_files, needed, safetensors, tiny_card
from tests.pulls import blobs, content, get, refusal

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def data(tmp_path) -> Path:
    return tmp_path / "data"


def test_only_what_is_needed_arrives_and_is_written_down(hub_here, data):
    said = []
    folder = get(data, on_progress=lambda *values: said.append(values))
    wanted = needed(hub_here.files)
    assert folder == hub.find_weights(tiny_card(), data=data)
    assert content(folder) == wanted
    assert {name for name, _ in hub_here.of_files()} == set(wanted)
    manifest = json.loads((data / "weights/tiny-video.json").read_text())
    assert manifest["revision"] == REVISION
    assert manifest["files"] == {
        name: {"size": len(each), "sha256": hashlib.sha256(each).hexdigest()}
        for name, each in wanted.items()
    }
    total = sum(map(len, wanted.values()))
    assert said[-1] == (pull.CHECKING, total, total)
    assert all(done <= total == of for _, done, of in said)
    assert not list(data.rglob("*.incomplete"))
    assert hub_here.tokens == {None}


def test_a_second_pull_checks_and_fetches_nothing(hub_here, data):
    folder = get(data)
    hub_here.asked.clear()
    said = []
    assert get(data, accept=False, on_progress=lambda *values: said.append(values)) == folder
    assert hub_here.of_files() == []
    total = sum(map(len, needed(hub_here.files).values()))
    assert {phase for phase, _, _ in said} == {pull.CHECKING} and said[-1][1:] == (total, total)


def test_without_an_accepted_licence_nothing_is_asked(hub_here, data):
    text = refusal(ModelError, lambda: get(data, accept=False))
    assert "Tiny-1.0" in text and "https://example.org/licence" in text
    assert hub_here.asked == [] and not data.exists()


def test_another_revision_or_licence_has_to_be_accepted_anew(hub_here, data):
    get(data)
    for changed in ({"revision": "f" * 40}, {"licence": "Tiny-2.0"}):
        card = replace(tiny_card(), **changed)
        if "licence" in changed:
            (hub.snapshot_folder(hub.home(data), card) / "model_index.json").unlink()
        assert "licence" in refusal(ModelError, lambda card=card: get(data, card, accept=False))


@pytest.mark.parametrize("content", ["[]", "{", ""])
def test_an_unreadable_list_of_licences_is_named_and_stays(hub_here, data, content):
    (data / "weights").mkdir(parents=True)
    (data / "weights/licences.json").write_text(content)
    said = f"'{data / 'weights/licences.json'}' is damaged; remove it, and accept the licences aga"
    assert said in refusal(ModelError, lambda: get(data))
    assert said in refusal(ModelError, lambda: get(data, accept=True))
    assert [path.name for path in (data / "weights").glob("licences.json*")] == ["licences.json"]
    assert (data / "weights/licences.json").read_text() == content


@pytest.mark.parametrize("how", ["environment", "argument"])
def test_offline_means_no_attempt_at_all(hub_here, data, monkeypatch, how):
    def attempt(*values: object) -> None:
        raise AssertionError(f"a socket was used: {values}")

    for name in ("connect", "connect_ex", "bind", "sendto"):
        monkeypatch.setattr(socket.socket, name, attempt)
    monkeypatch.setattr(socket, "getaddrinfo", attempt)
    options = {"offline_asked": True}
    if how == "environment":
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        options = {}
    assert "HF_HUB_OFFLINE" in refusal(ModelError, lambda: get(data, **options))
    assert not data.exists()
    whole = fill_cache(hub.home(data), needed(model_files()))
    assert get(data, **options) == whole


def test_the_users_cache_is_used_and_not_written(hub_here, data, tmp_path):
    there = fill_cache(tmp_path / "cache", needed(model_files()))
    before = sorted((str(path), path.lstat().st_mtime_ns) for path in there.parents[1].rglob("*"))
    assert get(data, accept=False) == there
    after = sorted((str(path), path.lstat().st_mtime_ns) for path in there.parents[1].rglob("*"))
    assert after == before and hub_here.asked == [] and not data.exists()


def test_a_disk_that_is_too_small_is_refused_before_anything_is_fetched(
    hub_here, data, monkeypatch
):
    need = sum(map(len, needed(hub_here.files).values())) + 1_000_000_000
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 0, need - 1))
    text = refusal(StorageError, lambda: get(data))
    assert "need 1.0 GB more" in text and "make room" in text
    assert hub_here.of_files() == []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 0, need))
    get(data)


def test_what_is_there_needs_no_room(hub_here, data, monkeypatch):
    get(data)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 0, 0))
    get(data)


def test_a_disk_that_fills_up_is_named_and_what_arrived_is_kept(hub_here, tmp_path, monkeypatch):
    hub_here.files[LARGE[0]] = safetensors(bytes(3_000_000))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 0, 10**11))
    with disk(tmp_path / "small", megabytes=6) as small:
        data = small.folder / "data"
        small.leave(2_000_000)
        text = refusal(StorageError, lambda: get(data))
        assert "is full; make room: what has arrived is kept" in text
        assert max(path.stat().st_size for path in blobs(data)) > 1_000_000
        small.leave(None)
        hub_here.asked.clear()
        assert content(get(data)) == needed(hub_here.files)
        assert next(part for name, part in hub_here.of_files() if name == LARGE[0])


def test_a_protected_disk_is_named(hub_here, tmp_path):
    with disk(tmp_path / "small", megabytes=1) as small:
        small.protect()
        text = refusal(StorageError, lambda: get(small.folder / "data"))
        assert "cannot be written" in text


def test_a_cut_connection_is_taken_up_where_it_was(hub_here, data):
    hub_here.cuts[LARGE[0]] = [1000, 500]
    assert content(get(data)) == needed(hub_here.files)
    asked = [part for name, part in hub_here.of_files() if name == LARGE[0]]
    assert asked == [None, "bytes=1000-", "bytes=1500-"]


def test_what_arrived_before_is_not_fetched_again(hub_here, data):
    hub_here.cuts[LARGE[0]] = [1200, 0, 0, 0, 0]
    text = refusal(ModelError, lambda: get(data))
    assert "and the next try goes on with it" in text
    assert not (data / "weights/tiny-video.json").exists()
    # Several files come at once: the cut one may be the first that has arrived.
    with pytest.raises(ModelError, match=r"not whole|not on this computer"):
        hub.find_weights(tiny_card(), data=data)
    hub_here.cuts.clear()
    hub_here.asked.clear()
    said = []
    folder = get(data, on_progress=lambda *values: said.append(values))
    assert content(folder) == needed(hub_here.files)
    assert (LARGE[0], "bytes=1200-") in hub_here.of_files()
    assert said[0][1] >= 1200


def test_a_hub_without_ranges_sends_all_again(hub_here, data):
    hub_here.whole = True
    hub_here.cuts[LARGE[0]] = [1200]
    assert content(get(data)) == needed(hub_here.files)


def test_a_part_that_is_too_long_is_begun_anew(hub_here, data):
    digest = hashlib.sha256(hub_here.files[LARGE[0]]).hexdigest()
    part = hub.repository_folder(hub.home(data), tiny_card()) / f"blobs/{digest}.incomplete"
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(100_000))
    assert content(get(data)) == needed(hub_here.files)


@pytest.mark.parametrize("status", [503, 429])
def test_a_busy_hub_is_asked_again_and_then_named(hub_here, data, status):
    hub_here.statuses = [status]
    assert content(get(data)) == needed(hub_here.files)
    shutil.rmtree(data)
    hub_here.statuses = [status] * 100
    assert f"HTTP {status}" in refusal(ModelError, lambda: get(data))


def test_no_network_is_named(hub_here, data, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    text = refusal(ModelError, lambda: get(data))
    assert "http://127.0.0.1:9/someone/tiny-video failed" in text and "is kept" in text


def test_a_file_that_is_there_twice_is_fetched_once(hub_here, data):
    hub_here.files["vae/again.safetensors"] = hub_here.files["vae/model.safetensors"]
    hub_here.files["transformer/empty.safetensors.index.json"] = b'{"weight_map": {}}'
    assert content(get(data)) == needed(hub_here.files)
    asked = [name for name, _ in hub_here.of_files() if name.startswith("vae/")]
    assert sorted(asked) == ["vae/config.json", "vae/model.safetensors"]


def test_a_download_can_be_stopped_and_gone_on_with(hub_here, data):
    hub_here.files[LARGE[0]] = safetensors(bytes(4_000_000))
    hub_here.fast.clear()
    said = []
    with pytest.raises(Cancelled, match="what has arrived is kept"):
        get(
            data,
            should_stop=lambda: bool(said) and said[-1] > 2_000_000,
            on_progress=lambda phase, done, total: said.append(done),
        )
    assert not (data / "weights/tiny-video.json").exists()
    hub_here.fast.set()
    hub_here.asked.clear()
    assert content(get(data)) == needed(hub_here.files)
    start = next(part for name, part in hub_here.of_files() if name == LARGE[0])
    assert int(start.removeprefix("bytes=").removesuffix("-")) > 1_900_000


def test_two_at_once_do_not_disturb_each_other(hub_here, data):
    card = tiny_card()
    hub.repository_folder(hub.home(data), card).mkdir(parents=True)
    with FileLock(kept.lock_path(hub.home(data), card)):
        assert "in use by another Depthshot process" in refusal(StorageError, lambda: get(data))


def test_where_no_links_can_be_made_files_lie_in_the_snapshot(hub_here, data, monkeypatch):
    def refuse(*values: object, **options: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    monkeypatch.setattr(Path, "hardlink_to", refuse)
    folder = get(data)
    assert content(folder) == needed(hub_here.files) and blobs(data) == []
    hub_here.asked.clear()
    get(data)
    assert hub_here.of_files() == []


def test_what_counts_as_offline():
    assert fetch.is_offline({"HF_HUB_OFFLINE": "true"})
    assert fetch.is_offline({"TRANSFORMERS_OFFLINE": "1"})
    assert not fetch.is_offline({"HF_HUB_OFFLINE": "0"}) and not fetch.is_offline({})
