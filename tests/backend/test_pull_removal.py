"""Weights that were downloaded go again, and nothing that is needed with them."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from backend.errors import ModelError
from backend.models import hub, removal
from backend.setup import removal as setup_removal
from tests.hubs import tiny_card
from tests.pulls import blobs, get, refusal


@pytest.fixture
def data(tmp_path) -> Path:
    return tmp_path / "data"


def test_removing_takes_what_nobody_else_needs(hub_here, data):
    folder = get(data)
    other = folder.parent / ("f" * 40)
    other.mkdir()
    shared = (folder / "vae/config.json").resolve()
    (other / "config.json").symlink_to(shared)
    home = hub.home(data)
    assert removal.remove(home, tiny_card()) > 5000
    assert blobs(data) == [shared] and not folder.exists()
    shutil.rmtree(other)
    assert removal.is_kept(home, tiny_card())
    removal.remove(home, tiny_card())
    assert sorted(path.name for path in home.iterdir()) == ["licences.json", "licences.lock"]
    assert not removal.is_kept(home, tiny_card())


def test_weights_of_two_cards_stay_until_the_last_is_removed(hub_here, data):
    second = replace(tiny_card(), id="tiny-too")
    folder = get(data)
    assert get(data, second) == folder
    home = hub.home(data)
    assert "remove 'tiny-too'" in refusal(ModelError, lambda: removal.remove(home, tiny_card()))
    assert folder.is_dir()
    removal.remove(home, second)
    assert not folder.exists()


@pytest.mark.parametrize("content", ["{", "[]", '"text"', ""])
def test_a_damaged_list_of_another_card_keeps_no_weights(hub_here, data, content):
    folder = get(data)
    home = hub.home(data)
    (home / "another.json").write_text(content)
    assert removal.remove(home, tiny_card()) > 5000
    assert not folder.exists() and (home / "another.json").read_text() == content


def test_what_is_no_list_of_a_cards_files_is_not_read(hub_here, data, monkeypatch):
    get(data)
    home, read = hub.home(data), []
    (home / "another.json").write_text("{}")
    (home / "folders.json").write_text("{")
    parse = removal.read_json
    monkeypatch.setattr(
        removal, "read_json", lambda path, **how: read.append(path.name) or parse(path, **how)
    )
    removal.remove(home, tiny_card())
    assert read == ["another.json"]


def test_a_list_of_another_card_that_cannot_be_read_is_told(hub_here, data, monkeypatch):
    folder = get(data)
    home, opened = hub.home(data), Path.open
    (home / "another.json").write_text("{}")

    def refuse(path: Path, *how: str, **more: str) -> object:
        if path.name == "another.json":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *how, **more)

    monkeypatch.setattr(Path, "open", refuse)  # root may read everything
    said = refusal(ModelError, lambda: removal.remove(home, tiny_card()))
    assert "another.json cannot be read: Permission denied" in said and folder.is_dir()


def test_remove_everything_knows_what_was_downloaded(hub_here, data):
    get(data)
    assert setup_removal.size(data) > 5000
    assert setup_removal.remove(data) == [] and not data.exists()
