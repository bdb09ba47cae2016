"""What the cards promise, and the weights that ship with them."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from backend.errors import ModelError, SettingError
from backend.models import cards, find_card, load_model
from backend.models.card import Setting
from backend.models.weights import (
    MAX_BYTES,
    as_installed,
    fingerprint,
    weights_files,
    weights_folder,
    what_is_wrong,
)

PROJECTION = find_card("projection")
SHIPPED = [card for card in cards() if card.ships_weights]


def by_id(card) -> str:
    return card.id


@pytest.fixture
def weights(tmp_path) -> Path:
    folder = tmp_path / "weights"
    (folder / "network").mkdir(parents=True)
    (folder / "model_index.json").write_text("{}")
    (folder / "network" / "model.safetensors").write_bytes(bytes(range(256)))
    return folder


@pytest.mark.parametrize("card", cards(), ids=by_id)
def test_a_card_is_consistent(card):
    defaults = {setting.name: setting.default for setting in card.settings}
    assert card.check_settings({}) == defaults
    assert card.check_settings({name: str(value) for name, value in defaults.items()}) == defaults
    for setting in card.settings:
        assert setting.help.endswith(".")
        assert setting.unless == "" or isinstance(defaults[setting.unless], bool)
        assert setting.unless != setting.name
    assert card.takes_seed or not card.learned, "what is sampled depends on a seed"


def test_what_a_card_takes_is_told_to_programs():
    card = replace(
        PROJECTION,
        takes_prompt=True,
        settings=(
            Setting("steps", "Steps", 4, "How many.", least=1, most=8, unless="mean"),
            Setting("mean", "Mean", False, "The mean of all.", advanced=True),
        ),
    )
    value = card.to_json()
    assert (value["takes_prompt"], value["takes_seed"]) == (True, False)
    assert value["settings"][0] == {
        "name": "steps", "label": "Steps", "type": "int", "default": 4, "help": "How many.",
        "least": 1, "most": 8, "unless": "mean",
    }  # fmt: skip
    assert value["settings"][1]["advanced"] is True


@pytest.mark.parametrize("card", cards(), ids=by_id)
def test_the_phases_of_a_card_are_all_its_work(card):
    names = [name for name, _ in card.phases]
    assert len(set(names)) == len(names) > 0
    assert sum(share for _, share in card.phases) == pytest.approx(1)
    assert card.share_done(names[-1], 1, 1) == pytest.approx(1)


def test_the_share_of_the_work_that_is_done():
    card = replace(PROJECTION, phases=(("looking", 0.2), ("making", 0.8)))
    assert card.share_done("looking", 0, 10) == 0
    assert card.share_done("looking", 5, 10) == pytest.approx(0.1)
    assert card.share_done("making", 0, 3) == pytest.approx(0.2)
    assert card.share_done("making", 3, 3) == pytest.approx(1)
    assert card.share_done("making", 0, 0) == pytest.approx(0.2)
    assert card.share_done("loading the model", 1, 1) is None


@pytest.mark.parametrize("value", ["0", 9, 2.5, True, "many"])
def test_a_whole_number_outside_its_range_is_refused(value):
    setting = Setting("steps", "Steps", 4, "How many.", least=1, most=8)
    with pytest.raises(SettingError, match="'steps' must be a whole number from 1 to 8, not"):
        setting.check(value)


@pytest.mark.parametrize("card", SHIPPED, ids=by_id)
def test_shipped_weights_are_those_the_card_names(card):
    folder = weights_folder(card)
    assert weights_files(folder), "there are none"
    found = fingerprint(folder)
    assert card.revision == found, f"new weights: set the revision of '{card.id}' to '{found}'"
    assert what_is_wrong(card) is None
    assert sum(path.stat().st_size for path in weights_files(folder)) <= MAX_BYTES


def test_the_fingerprint_is_also_that_of_what_a_link_leads_to(tmp_path):
    shared, mine = tmp_path / "shared", tmp_path / "mine"
    for folder in (shared, mine):
        folder.mkdir()
        (folder / "config.json").write_text("{}")
    (mine / "text_encoder").symlink_to(shared, target_is_directory=True)
    (shared / "back").symlink_to(mine, target_is_directory=True)  # it ends all the same
    before = fingerprint(mine)
    names = [path.relative_to(mine).as_posix() for path in weights_files(mine)]
    assert names == ["config.json", "text_encoder/config.json"]
    (shared / "config.json").write_text("[]")
    assert fingerprint(mine) != before
    assert weights_files(tmp_path / "none") == []


def test_the_fingerprint_is_that_of_names_and_contents(weights):
    before = fingerprint(weights)
    assert before == fingerprint(weights)
    assert len(before) == 12
    (weights / ".DS_Store").write_text("a file manager's")
    (weights / "README.md").write_text("words")
    assert fingerprint(weights) == before
    (weights / "network").rename(weights / "unet")
    assert fingerprint(weights) != before


def test_one_changed_bit_is_found(weights):
    card = replace(PROJECTION, learned=True, revision=fingerprint(weights))
    assert card.ships_weights
    assert what_is_wrong(card, weights) is None
    content = bytearray((weights / "network" / "model.safetensors").read_bytes())
    content[100] ^= 1
    (weights / "network" / "model.safetensors").write_bytes(content)
    found = what_is_wrong(card, weights)
    assert f"are damaged or were exchanged (they are {fingerprint(weights)}" in found
    assert "install Depthshot again" in found


def test_missing_weights_are_said_and_not_loaded(tmp_path):
    card = replace(PROJECTION, learned=True)
    found = what_is_wrong(card, tmp_path / "weights")
    assert found.startswith(f"The weights of 'projection' are missing from '{tmp_path}")
    assert "install Depthshot again, or choose another model." in found
    with pytest.raises(ModelError, match="The weights of 'projection' are missing from"):
        load_model(card, device="cpu")


def test_other_weights_can_be_named_and_are_told_apart(weights, monkeypatch):
    card = replace(PROJECTION, learned=True, id="wan-1.3b", revision="0" * 12)
    assert as_installed(card) == card
    monkeypatch.setenv("DEPTHSHOT_WAN_1_3B_WEIGHTS", str(weights))
    assert weights_folder(card) == weights
    installed = as_installed(card)
    assert installed == replace(card, revision=fingerprint(weights), folder=weights)
    assert what_is_wrong(installed) is None
    monkeypatch.setenv("DEPTHSHOT_WAN_1_3B_WEIGHTS", str(weights / "nowhere"))
    assert what_is_wrong(as_installed(card)).endswith(
        "correct or clear the environment variable DEPTHSHOT_WAN_1_3B_WEIGHTS."
    )
    assert as_installed(replace(card, learned=False)).revision == card.revision


def test_a_package_that_is_missing_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "backend.models.projection.pipeline", None)
    with pytest.raises(ModelError, match=r"'projection' cannot be loaded .*install the backend"):
        load_model(PROJECTION, device="cpu")
