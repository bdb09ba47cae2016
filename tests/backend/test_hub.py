"""Where downloaded weights are: Depthshot's own folder, the user's cache, and when they count."""

import pickle
import re
from dataclasses import replace
from pathlib import Path

import pytest

from backend.errors import ModelError
from backend.models import cards, hub, weights
from backend.models.card import Part
from backend.models.snapshot import is_safetensors, wanted, what_is_missing
from tests.hubs import LARGE, fill_cache, model_files, needed, safetensors, tiny_card


@pytest.fixture
def places(tmp_path, monkeypatch) -> tuple[Path, Path]:
    """Depthshot's own folder and the user's cache, both empty."""
    monkeypatch.setenv("DEPTHSHOT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(weights.variable("tiny-video"), raising=False)
    return tmp_path / "data" / "weights", tmp_path / "cache"


def everything(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(path), path.lstat().st_mtime_ns) for path in folder.rglob("*"))


def test_without_weights_one_sentence_says_how_to_get_them(places):
    card = tiny_card()
    assert weights.installed(card) is None
    with pytest.raises(ModelError) as caught:
        hub.find_weights(card)
    assert str(caught.value) == (
        f"The weights of 'tiny-video' ({hub.gigabytes(card.download_bytes)}) are not on this"
        " computer; get them with Download in Depthshot's panel or with `models pull tiny-video`,"
        " or choose a folder that has them with Use a Folder in Depthshot's panel or with `models"
        " use tiny-video FOLDER` (on a server also in DEPTHSHOT_TINY_VIDEO_WEIGHTS)."
    )


@pytest.mark.parametrize("number", [0, 1])
def test_a_whole_snapshot_is_used_as_it_is(places, number):
    snapshot = fill_cache(places[number], needed(model_files()))
    before = everything(places[number])
    assert hub.find_weights(tiny_card()) == snapshot
    assert weights.weights_folder(tiny_card()) == weights.installed(tiny_card()) == snapshot
    assert everything(places[number]) == before
    assert hub.size_on_disk(snapshot) == sum(map(len, needed(model_files()).values()))


def test_ours_comes_first_and_the_users_when_ours_is_not_whole(places):
    files = needed(model_files())
    ours, users = (fill_cache(place, files) for place in places)
    assert hub.find_weights(tiny_card()) == ours
    (ours / "vae/model.safetensors").unlink()
    assert hub.find_weights(tiny_card()) == users


def test_a_data_folder_can_be_named(places, tmp_path):
    snapshot = fill_cache(hub.home(tmp_path / "other"), needed(model_files()))
    assert weights.installed(tiny_card()) is None
    assert weights.installed(tiny_card(), data=tmp_path / "other") == snapshot


def test_a_local_folder_is_used_as_it_is(places, tmp_path, monkeypatch):
    mine = fill_cache(tmp_path / "mine", needed(model_files()))
    monkeypatch.setenv(weights.variable("tiny-video"), str(mine))
    assert weights.installed(tiny_card()) == mine
    monkeypatch.setenv(weights.variable("tiny-video"), str(tmp_path / "nowhere"))
    assert weights.installed(tiny_card()) is None


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        (None, "where no folder is; correct it, or clear it to download"),
        ("*", "does not have all that 'tiny-video' needs (model_index.json is missing); put it"),
        ("vae/model.safetensors", "needs (vae has no weights in safetensors); put it there"),
        (LARGE[1], f"needs ({LARGE[1]} is missing); put it there, name another folder, or clear"),
    ],
)
def test_a_local_folder_without_all_that_is_needed_does_not_count(
    places, tmp_path, monkeypatch, lost, said
):
    """An empty folder was shown as installed, and the lack of it told once all had been loaded."""
    mine = tmp_path / "mine"
    if lost is not None:
        mine = fill_cache(mine, {} if lost == "*" else needed(model_files()))
        mine.mkdir(parents=True, exist_ok=True)
        if lost != "*":
            (mine / lost).unlink()
    name = weights.variable("tiny-video")
    monkeypatch.setenv(name, str(mine))
    assert weights.installed(tiny_card()) is None
    trouble = weights.trouble(tiny_card())
    assert said in trouble and trouble.startswith(f"{name} names '{mine}', ")
    with pytest.raises(ModelError, match=re.escape(trouble)):
        weights.weights_folder(tiny_card())


def test_a_local_folder_may_have_another_variant_but_has_every_network(tmp_path, monkeypatch):
    files = needed(model_files())
    files["vae/model.fp32.safetensors"] = files.pop("vae/model.safetensors")
    mine = fill_cache(tmp_path / "mine", files)
    monkeypatch.setenv(weights.variable("tiny-video"), str(mine))
    card = tiny_card()
    source = replace(card.hub, files=("*.json", "transformer/*", "vae/*.fp16.*", "tokenizer/*"))
    card = replace(card, hub=source)
    assert weights.installed(card) == mine
    card = replace(card, parts=(Part("transformer", 1), Part("unet", 1)))
    assert "(unet is missing or has no configuration)" in weights.trouble(card)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("model_index.json", None, "model_index.json is missing"),
        ("model_index.json", b"[]", "model_index.json is no JSON object"),
        ("transformer/config.json", None, "transformer is missing or has no configuration"),
        (LARGE[0], None, "transformer/model-00001-of-00002.safetensors is missing"),
        ("transformer/model.safetensors.index.json", b"{}", "does not say which parts"),
        ("vae/model.safetensors", None, "vae has no weights"),
        (
            "vae/model.safetensors",
            pickle.dumps({"a": 1}),
            "vae/model.safetensors is no safetensors",
        ),
        ("vae/model.safetensors", safetensors(b"vae" * 50)[:-1], "is cut short: 221 of 222 bytes"),
        ("vae/config.json", b"{", "vae/config.json is no JSON"),
        ("tokenizer/tokenizer_config.json", None, "tokenizer is missing or has no configuration"),
    ],
)
def test_what_is_missing_is_named(tmp_path, places, name, content, said):
    files = needed(model_files())
    snapshot = fill_cache(places[1], files)
    (snapshot / name).unlink()
    if content is not None:
        (snapshot / name).write_bytes(content)
    assert said in what_is_missing(snapshot, tiny_card().hub)
    with pytest.raises(ModelError, match="are not whole"):
        hub.find_weights(tiny_card())


def test_a_link_to_a_blob_that_is_gone_counts_as_missing(places):
    snapshot = fill_cache(places[1], needed(model_files()))
    (snapshot / LARGE[1]).resolve().unlink()
    assert what_is_missing(snapshot, tiny_card().hub) == f"{LARGE[1]} is missing"


def test_parts_are_counted_by_their_names_where_no_index_is(places):
    snapshot = fill_cache(places[1], needed(model_files()))
    (snapshot / "transformer/model.safetensors.index.json").unlink()
    assert what_is_missing(snapshot, tiny_card().hub) is None
    (snapshot / LARGE[0]).unlink()
    assert what_is_missing(snapshot, tiny_card().hub) == f"{LARGE[0]} is missing"


def test_another_variant_that_is_there_in_part_does_not_matter(places):
    hub = replace(tiny_card().hub, files=("*.json", "transformer/*", "vae/model.safetensors"))
    half = {"vae/model.fp16-00001-of-00002.safetensors": safetensors(b"x")}
    snapshot = fill_cache(places[1], needed(model_files()) | half)
    assert what_is_missing(snapshot, tiny_card().hub) is not None
    assert what_is_missing(snapshot, hub) is None


def test_pickles_and_code_are_never_wanted():
    card = tiny_card()
    for name in ("vae/model.bin", "vae/MODEL.PT", "vae/a.ckpt", "vae/modeling.py", "vae/b.PKL"):
        assert not wanted(card.hub, name)
    assert wanted(card.hub, "vae/model.safetensors")
    assert not wanted(card.hub, "original/weights.safetensors")


def test_every_card_with_a_hub_is_pinned_and_says_its_licence():
    for card in (card for card in cards() if card.hub is not None):
        assert re.fullmatch("([0-9a-f]{40})?", card.revision), card.id
        assert card.hub.licence_url.startswith("https://") and card.licence
        assert card.hub.bytes > 1_000_000 and card.hub.repository.count("/") == 1
        assert wanted(card.hub, "model_index.json")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x02",
        pickle.dumps({"a": 1}),
        b"PK\x03\x04" + bytes(100),
        (5).to_bytes(8, "little") + b"[1,2]",
        (5).to_bytes(8, "little") + b"{nope",
        (2**40).to_bytes(8, "little") + b"{}",
    ],
)
def test_what_only_has_the_name_is_no_safetensors(tmp_path, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    assert not is_safetensors(path)
    path.write_bytes(safetensors(b"abc"))
    assert is_safetensors(path)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"HF_HUB_CACHE": "/a/b", "HF_HOME": "/c"}, "/a/b"),
        ({"HUGGINGFACE_HUB_CACHE": "/old", "HF_HOME": "/c"}, "/old"),
        ({"HF_HOME": "/c"}, "/c/hub"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/huggingface/hub"),
        ({}, str(Path.home() / ".cache/huggingface/hub")),
    ],
)
def test_the_users_cache_is_where_the_hubs_tools_have_it(environment, expected):
    assert hub.users_cache(environment) == Path(expected)
