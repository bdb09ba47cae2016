"""What a hub has or sends that is not taken, and what is said of it."""

import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from backend.errors import ModelError
from backend.models import hub
from tests.hub_server import GRANTED, INVALID, NOT_GRANTED, running_hub
from tests.hubs import LARGE, model_files, needed, tiny_card
from tests.pulls import blobs, content, get, refusal


@pytest.fixture
def data(tmp_path) -> Path:
    return tmp_path / "data"


def test_a_wrong_checksum_is_removed_and_fetched_again_next_time(hub_here, data):
    for name in (LARGE[0], "vae/config.json"):  # a large file and a small one
        right = hub_here.files[name]
        hub_here.sent[name] = right[:-2] + b"!}"
        text = refusal(ModelError, lambda: get(data))
        assert name in text and "wrong checksum" in text and "pull again" in text
        assert hub_here.sent[name] not in [path.read_bytes() for path in blobs(data)]
        hub_here.sent.clear()
        assert content(get(data)) == needed(hub_here.files)
        shutil.rmtree(data)


def test_more_than_is_listed_is_not_taken(hub_here, data):
    hub_here.sent[LARGE[0]] = hub_here.files[LARGE[0]] + bytes(10_000)
    assert "wrong checksum" in refusal(ModelError, lambda: get(data))


def test_damage_on_the_disk_is_found_and_mended(hub_here, data):
    folder = get(data)
    wrong = bytearray((folder / LARGE[1]).read_bytes())
    wrong[-1] ^= 1
    (folder / LARGE[1]).resolve().write_bytes(wrong)
    hub_here.asked.clear()
    assert content(get(data)) == needed(hub_here.files)
    assert [name for name, _ in hub_here.of_files()] == [LARGE[1]]


@pytest.mark.parametrize(
    "wrong", [pickle.dumps({"weights": list(range(500))}), b"PK\x03\x04" + bytes(2000)]
)
def test_a_pickle_posing_as_safetensors_is_refused(hub_here, data, wrong):
    hub_here.files["vae/model.safetensors"] = wrong
    text = refusal(ModelError, lambda: get(data))
    assert "'vae/model.safetensors' of 'tiny-video' is no safetensors file" in text
    assert wrong not in [path.read_bytes() for path in blobs(data)]
    with pytest.raises(ModelError):
        hub.find_weights(tiny_card(), data=data)


def test_pickles_and_code_are_never_fetched_even_when_a_card_wants_all(hub_here, data):
    card = tiny_card()
    card = replace(card, hub=replace(card.hub, files=("*",)))
    get(data, card)
    asked = {name for name, _ in hub_here.of_files()}
    assert "README.md" in asked and not asked & {"vae/model.bin", "vae/modeling_vae.py"}


def test_gated_weights_say_where_to_ask(hub_here, data, monkeypatch):
    hub_here.gated = True
    card = tiny_card(gated=True)
    page = f"{hub_here.url}/someone/tiny-video"
    text = refusal(ModelError, lambda: get(data, card))
    assert f"ask for access at {page}" in text and "hf auth login" in text
    monkeypatch.setenv("HF_TOKEN", NOT_GRANTED)
    text = refusal(ModelError, lambda: get(data, card))
    assert f"ask for it at {page}" in text and NOT_GRANTED not in text
    monkeypatch.setenv("HF_TOKEN", INVALID)
    text = refusal(ModelError, lambda: get(data, card))
    assert "refuses your token" in text and INVALID not in text
    monkeypatch.setenv("HF_TOKEN", GRANTED)
    assert content(get(data, card)) == needed(hub_here.files)


def test_a_revision_that_is_gone_is_named(hub_here, data):
    card = replace(tiny_card(), revision="f" * 40)
    assert f"no revision {'f' * 40}" in refusal(ModelError, lambda: get(data, card))


def test_a_branch_is_no_pinned_revision(hub_here, data):
    card = replace(tiny_card(), revision=hub_here.branch)
    assert "no revision main" in refusal(ModelError, lambda: get(data, card))


def test_a_repository_that_is_gone_is_named(hub_here, data):
    card = tiny_card()
    card = replace(card, hub=replace(card.hub, repository="someone/else"))
    assert "The hub has no 'someone/else'" in refusal(ModelError, lambda: get(data, card))


def test_a_page_that_asks_to_sign_in_is_not_taken_for_the_hub(hub_here, data):
    hub_here.page = b"<html>Welcome to the hotel</html>"
    assert "is not the hub" in refusal(ModelError, lambda: get(data))
    hub_here.page = b'{"siblings": [{}]}'
    assert "is not the hub" in refusal(ModelError, lambda: get(data))


def test_a_token_is_not_shown_to_where_the_hub_keeps_its_files(hub_here, data, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", GRANTED)
    hub_here.gated = True
    with running_hub(hub_here.files) as elsewhere:
        hub_here.elsewhere = elsewhere.url
        elsewhere.cuts[LARGE[0]] = [1000]
        assert content(get(data, tiny_card(gated=True))) == needed(hub_here.files)
        assert (LARGE[0], "bytes=1000-") in elsewhere.of_files()
        assert elsewhere.tokens == {None} and hub_here.tokens == {GRANTED}


@pytest.mark.parametrize("name", ["../outside.json", "/outside.json", "vae/a\\b.json"])
def test_a_file_outside_the_folder_is_refused(hub_here, data, tmp_path, name):
    hub_here.files[name] = b"{}"
    assert "cannot be" in refusal(ModelError, lambda: get(data))
    assert hub_here.of_files() == []


def test_a_repository_without_what_is_wanted_is_named(hub_here, data):
    hub_here.files = {"README.md": b"# Tiny"}
    assert "has none of the files" in refusal(ModelError, lambda: get(data))
    hub_here.files = needed(model_files())
    del hub_here.files["vae/model.safetensors"]
    assert "vae has no weights" in refusal(ModelError, lambda: get(data))
    assert not (data / "weights/tiny-video.json").exists()


def test_a_model_that_needs_no_download_says_so(data):
    card = replace(tiny_card(), hub=None)
    assert "needs no download" in refusal(ModelError, lambda: get(data, card))
