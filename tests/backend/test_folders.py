"""Folders of weights that were chosen: kept, before what is downloaded, behind the variable."""

import json
import sys
from pathlib import Path

import pytest

from backend.errors import ModelError, StorageError
from backend.models import find_card, folders, hub, weights
from backend.models.preflight import missing_bytes
from tests.hubs import LARGE, fill_cache, model_files, needed, safetensors, tiny_card

CARD = tiny_card()
VARIABLE = weights.variable(CARD.id)


@pytest.fixture
def data(tmp_path, monkeypatch) -> Path:
    """A data folder of which the environment says nothing, and an empty cache of the user's."""
    monkeypatch.setenv("DEPTHSHOT_DATA_DIR", str(tmp_path / "another"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(VARIABLE, raising=False)
    return tmp_path / "data"


@pytest.fixture
def mine(tmp_path) -> Path:
    folder = tmp_path / "mein Ordner 🎬"
    fill_cache(tmp_path / "copy", needed(model_files())).rename(folder)
    return folder


def listed(data: Path) -> Path:
    return data / "weights/folders.json"


def test_what_is_chosen_is_remembered_until_it_is_let_go_of(data, mine):
    assert folders.chosen(data=data) == {}
    assert folders.choose(CARD, mine, data=data) == mine
    assert json.loads(listed(data).read_text("utf-8")) == {CARD.id: str(mine)}
    assert folders.chosen(data=data) == {CARD.id: mine}
    assert weights.installed(CARD, data=data) == weights.weights_folder(CARD, data=data) == mine
    assert weights.trouble(CARD, data=data) == "" and weights.is_own(CARD, data=data)
    assert missing_bytes(CARD, data) == 0
    assert folders.chosen() == {}, "another data folder has choices of its own"

    assert folders.forget(CARD, data=data) == mine
    assert folders.forget(CARD, data=data) is None
    assert not listed(data).exists() and not weights.is_own(CARD, data=data)
    assert weights.installed(CARD, data=data) is None
    assert (mine / LARGE[0]).is_file()


def test_choices_of_other_models_stay(data, mine, tmp_path):
    fast = find_card("wan-vace-1.3b").fast_card
    lora = tmp_path / "lora"
    (lora / fast.hub.files[0]).parent.mkdir(parents=True)
    (lora / fast.hub.files[0]).write_bytes(safetensors(b"LoRA"))
    folders.choose(CARD, mine, data=data)
    folders.choose(fast, lora, data=data)
    assert weights.weights_folder(fast, data=data) == lora
    folders.forget(CARD, data=data)
    assert folders.chosen(data=data) == {fast.id: lora}


def test_a_path_is_remembered_from_the_root(data, mine, monkeypatch):
    monkeypatch.chdir(mine.parent)
    assert folders.choose(CARD, Path(mine.name), data=data) == mine
    assert folders.chosen(data=data) == {CARD.id: mine}


def test_the_variable_comes_first_the_choice_next_and_downloads_last(data, mine, monkeypatch):
    downloaded = fill_cache(hub.home(data), needed(model_files()))
    assert weights.weights_folder(CARD, data=data) == downloaded
    folders.choose(CARD, mine, data=data)
    assert weights.weights_folder(CARD, data=data) == mine
    monkeypatch.setenv(VARIABLE, str(downloaded))
    assert weights.weights_folder(CARD, data=data) == downloaded
    with pytest.raises(ModelError, match=f"{VARIABLE} names a folder for 'tiny-video', which"):
        folders.choose(CARD, mine, data=data)
    monkeypatch.setenv(VARIABLE, "/nowhere")
    assert weights.trouble(CARD, data=data).startswith(f"{VARIABLE} names '/nowhere', where")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("model_index.json", None, "(model_index.json is missing); put it there, or"),
        (LARGE[1], None, f"({LARGE[1]} is missing)"),
        (LARGE[1], b"\x80\x04pickled", f"({LARGE[1]} is no safetensors file)"),
    ],
)
def test_what_has_not_all_is_not_chosen(data, mine, name, content, said):
    (mine / name).unlink()
    if content is not None:
        (mine / name).write_bytes(content)
    with pytest.raises(ModelError) as refused:
        folders.choose(CARD, mine, data=data)
    begin = f"The weights of 'tiny-video' cannot come from '{mine}', which does not have all"
    assert str(refused.value).startswith(begin) and said in str(refused.value)
    assert not data.exists()


SMALL, LARGE_ONE, TWO = "wan-vace-1.3b", "wan-vace-14b", "wan2.2-vace-fun-a14b"
# As the repositories have them: heads of 128 channels, and layers with hints.
CONFIGS = {
    SMALL: {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30, "vace_layers": [0] * 15},
    LARGE_ONE: {
        "num_attention_heads": 40, "ffn_dim": 13824, "num_layers": 40, "vace_layers": [0] * 8
    },
}  # fmt: skip
CONFIGS[TWO] = CONFIGS[LARGE_ONE]


def pipeline(folder: Path, model: str, **other: int) -> Path:
    """A folder with the index and the configurations of a Wan VACE, and hardly any weights."""
    card = find_card(model)
    index: dict[str, object] = {part.name: ["diffusers", "Some"] for part in card.parts}
    for part in card.parts:
        (folder / part.name).mkdir(parents=True)
        values = CONFIGS[model] | {"attention_head_dim": 128} | other
        config = values if part.name.startswith("transformer") else {}
        (folder / part.name / "config.json").write_text(json.dumps(config))
        (folder / part.name / "model.safetensors").write_bytes(safetensors(b"x"))
    (folder / "model_index.json").write_text(json.dumps(index | {"_class_name": card.hub.pipeline}))
    return folder


@pytest.mark.parametrize(
    ("wanted", "model"), [(LARGE_ONE, SMALL), (SMALL, LARGE_ONE), (LARGE_ONE, TWO), (SMALL, TWO)]
)
def test_the_folder_of_another_model_of_the_family_is_refused(
    data, tmp_path, monkeypatch, wanted, model
):
    folder, card = pipeline(tmp_path / "weights", model), find_card(wanted)
    said = f"'{folder}', which has the networks of '{model}' and not those of '{wanted}'; "
    with pytest.raises(ModelError) as refused:
        folders.choose(card, folder, data=data)
    assert str(refused.value) == (
        f"The weights of '{wanted}' cannot come from {said}choose another folder, or another model."
    )
    assert folders.choose(find_card(model), folder, data=data) == folder
    monkeypatch.setenv(weights.variable(wanted), str(folder))
    assert f"{weights.variable(wanted)} names {said}name another folder" in weights.trouble(
        card, data=data
    )
    monkeypatch.delenv(weights.variable(wanted))
    listed(data).write_text(json.dumps({wanted: str(folder)}))
    assert f"come from {said}choose another one" in weights.trouble(card, data=data)


def test_a_folder_of_shapes_that_no_card_has_is_left_to_whoever_loads_it(data, tmp_path):
    card = find_card(LARGE_ONE)
    folder = pipeline(tmp_path / "tiny", SMALL, num_layers=2)
    assert folders.choose(card, folder, data=data) == folder
    for content in ("{}", '{"num_layers": "2"}'):
        (folder / "transformer/config.json").write_text(content)
        assert folders.choose(card, folder, data=data) == folder


def test_a_file_or_nothing_is_no_folder(data, mine):
    for name, what in (("model_index.json", "which is a file"), ("nowhere", "where no folder is")):
        with pytest.raises(ModelError, match=f"{name}', {what}; choose a folder that is there"):
            folders.choose(CARD, mine / name, data=data)


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such rights")
def test_a_folder_that_must_not_be_read_is_refused(data, mine, monkeypatch):
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_dir", refuse)  # root may read everything
    with pytest.raises(ModelError, match=r"\(it cannot be read: Permission denied\); put it"):
        folders.choose(CARD, mine, data=data)


def test_a_model_that_ships_has_nothing_to_choose(data, mine):
    for model in ("draft", "projection"):
        with pytest.raises(ModelError, match="there is no folder to choose"):
            folders.choose(find_card(model), mine, data=data)
        assert not weights.is_own(find_card(model), data=data)


def test_a_folder_that_has_gone_is_told_with_every_way_out(data, mine):
    folders.choose(CARD, mine, data=data)
    mine.rename(mine.with_name("away"))
    said = weights.trouble(CARD, data=data)
    assert said == (
        f"The weights of 'tiny-video' come from '{mine}', where no folder is; bring it back, choose"
        " another one with Use a Folder in Depthshot's panel or with `models use tiny-video FOLDER`"
        f" (on a server also in {VARIABLE}), or let go of it with Let Go of the Folder or with"
        " `models use tiny-video --forget`, to download them."
    )
    with pytest.raises(ModelError) as refused:
        weights.as_installed(CARD, data=data)
    assert str(refused.value) == said
    assert weights.installed(CARD, data=data) is None and weights.is_own(CARD, data=data)
    mine.with_name("away").rename(mine)
    (mine / "vae/config.json").unlink()
    assert "(vae is missing or has no configuration); put it" in weights.trouble(CARD, data=data)
    assert folders.forget(CARD, data=data) == mine


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", "is damaged; remove it, and choose the folders of weights again"),
        ("{", "is damaged; remove it, and choose the folders of weights again"),
        ("", "is damaged; remove it"),
        ('{"tiny-video": "/a", "tiny-video": "/b"}', "is damaged; remove it"),
        ("[" * 100_000, "is damaged; remove it"),
    ],
)
def test_a_damaged_list_is_one_sentence_until_it_is_set_aside(data, mine, content, said):
    listed(data).parent.mkdir(parents=True)
    listed(data).write_text(content)
    downloaded = fill_cache(hub.home(data), needed(model_files()))
    assert weights.trouble(CARD, data=data).startswith(f"'{listed(data)}' {said}")
    assert weights.installed(CARD, data=data) is None, "nobody knows which weights are meant"
    with pytest.raises(ModelError, match=said):
        weights.as_installed(CARD, data=data)
    with pytest.raises(ModelError, match="where no folder is"):
        folders.choose(CARD, mine / "nowhere", data=data)
    assert listed(data).read_text() == content, "what is not said is not done"

    aside = listed(data).with_name("folders.json.damaged")
    aside.write_text("an older one")
    told: list[str] = []
    assert folders.forget(CARD, data=data, say=told.append) is None
    assert aside.read_text() == content and not listed(data).exists()
    assert weights.weights_folder(CARD, data=data) == downloaded
    listed(data).write_text(content)
    assert folders.choose(CARD, mine, data=data, say=told.append) == mine
    assert folders.chosen(data=data) == {CARD.id: mine} and aside.read_text() == content
    assert told == 2 * [
        f"The list of the folders of weights that you chose was damaged, and is now '{aside}';"
        " choose those of other models again."
    ]


@pytest.mark.parametrize("content", ["1", "null", '"relative/path"', '"C:weights"', '["/a"]'])
def test_an_entry_that_is_no_path_here_is_the_trouble_of_its_card_alone(data, mine, content):
    fast = find_card("wan-vace-1.3b").fast_card
    listed(data).parent.mkdir(parents=True)
    listed(data).write_text(f'{{"{fast.id}": {content}}}')
    assert folders.choose(CARD, mine, data=data, say=pytest.fail) == mine
    assert weights.weights_folder(CARD, data=data) == mine
    told = weights.trouble(fast, data=data)
    assert told.startswith(f"The weights of '{fast.id}' come from '")
    assert "', which is no folder of this computer; choose another one with Use a Fold" in told
    assert weights.is_own(fast, data=data), "nothing is downloaded in its place"
    assert folders.forget(fast, data=data, say=pytest.fail) is not None
    assert folders.chosen(data=data) == {CARD.id: mine}


@pytest.mark.parametrize("letter", ["\\u0000", "\\ud800"])
def test_a_path_that_no_disk_can_have_is_told_and_let_go_of(data, letter):
    listed(data).parent.mkdir(parents=True)
    listed(data).write_text(f'{{"{CARD.id}": "/a{letter}b"}}')
    told = weights.trouble(CARD, data=data)
    assert told.startswith(f"The weights of '{CARD.id}' come from '/a\\") and told.isprintable()
    assert "where no folder is; bring it back" in told
    assert str(folders.forget(CARD, data=data)).isprintable() and not listed(data).exists()


@pytest.mark.skipif(sys.platform == "win32", reason="it is a path there")
def test_a_path_of_another_system_is_told_as_it_stands(data):
    listed(data).parent.mkdir(parents=True)
    listed(data).write_text(json.dumps({CARD.id: "C:\\weights\\x"}))
    assert "come from 'C:\\weights\\x', which is no" in weights.trouble(CARD, data=data)


def test_a_list_that_cannot_be_read_is_told_and_not_set_aside(data, mine, monkeypatch):
    folders.choose(CARD, mine, data=data)
    opened = Path.open

    def refuse(path: Path, *how: str, **more: str) -> object:
        if path == listed(data):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *how, **more)

    monkeypatch.setattr(Path, "open", refuse)  # root may read everything
    said = f"'{listed(data)}' cannot be read (Permission denied); make it readable."
    assert weights.trouble(CARD, data=data) == said
    with pytest.raises(ModelError) as refused:
        folders.forget(CARD, data=data, say=pytest.fail)
    assert str(refused.value) == said
    monkeypatch.undo()
    assert list(json.loads(listed(data).read_text("utf-8"))) == [CARD.id]


def test_a_damaged_list_stays_where_no_new_one_can_be_written(data, mine, monkeypatch):
    listed(data).parent.mkdir(parents=True)
    listed(data).write_text("{")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        folders.choose(CARD, mine, data=data, say=pytest.fail)
    assert listed(data).read_text() == "{"
    assert not listed(data).with_name("folders.json.damaged").exists()


def test_a_list_that_is_set_aside_is_never_silent(data, mine, caplog):
    listed(data).parent.mkdir(parents=True)
    listed(data).write_text("{")
    folders.choose(CARD, mine, data=data)
    assert "folders.json.damaged'; choose those of other models again." in caplog.text


def test_a_list_that_cannot_be_written_is_told(data, mine):
    data.mkdir()
    (data / "weights").write_text("a file is in the way")
    with pytest.raises(StorageError, match=r"cannot be written .*; make room or choose another"):
        folders.choose(CARD, mine, data=data)


def test_the_card_of_a_take_names_the_weights_it_is_made_with(data, mine, tmp_path):
    """Also where another folder is chosen while they are loaded."""
    downloaded = fill_cache(hub.home(data), needed(model_files()))
    card = weights.as_installed(CARD, data=data)
    assert (card.revision, card.folder) == (CARD.revision, downloaded)
    folders.choose(CARD, mine, data=data)
    assert weights.weights_folder(card, data=data) == downloaded

    own = weights.as_installed(CARD, data=data)
    assert (own.revision, own.folder) == (weights.fingerprint(mine), mine)
    other = tmp_path / "other"
    files = needed(model_files()) | {"vae/model.safetensors": safetensors(b"others")}
    fill_cache(tmp_path / "copy 2", files).rename(other)
    folders.choose(CARD, other, data=data)
    assert weights.weights_folder(own, data=data) == mine
    assert weights.as_installed(CARD, data=data).revision not in (own.revision, CARD.revision)
    folders.forget(CARD, data=data)
    assert weights.as_installed(CARD, data=data).revision == CARD.revision
