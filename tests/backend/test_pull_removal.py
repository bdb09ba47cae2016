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


def test_remove_everything_knows_what_was_downloaded(hub_here, data):
    get(data)
    assert setup_removal.size(data) > 5000
    assert setup_removal.remove(data) == [] and not data.exists()
