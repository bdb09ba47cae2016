"""Parts of a pipeline on disk that are not whole: libraries make up what is missing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import UMT5EncoderModel

from backend.errors import ModelError
from backend.models import find_card
from backend.models.sana_wm import generator as sana_wm
from backend.models.sana_wm.load import load_pipeline as load_sana_wm
from backend.models.snapshot import what_is_missing
from backend.models.svd.load import load_pipeline as load_svd
from backend.models.video.words import load_text_parts, read_words
from backend.models.wan_vace import generator as wan_vace
from backend.models.wan_vace.load import load_pipeline as load_wan_vace
from backend.paths import OVERRIDE
from tests.videos import tiny_sana_wm, tiny_svd, tiny_wan_vace

FAMILIES = {
    "wan-vace-1.3b": (tiny_wan_vace, load_wan_vace, wan_vace.READER),
    "sana-wm": (tiny_sana_wm, load_sana_wm, sana_wm.READER),
    "svd": (tiny_svd, load_svd, None),
}
FLOAT = torch.float32


@pytest.fixture(params=FAMILIES)
def model(request) -> str:
    return request.param


@pytest.fixture
def folder(model, tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv(OVERRIDE, str(tmp_path / "data"))
    return FAMILIES[model][0](tmp_path / "weights")


def load(model: str, folder: Path) -> None:
    _, load_pipeline, reader = FAMILIES[model]
    load_pipeline(find_card(model), folder, dtype=FLOAT)
    if reader is not None:
        load_text_parts(find_card(model), folder, reader.encoder, dtype=FLOAT)


def rewrite(file: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file, metadata={"format": "pt"})


def test_a_tensor_that_is_missing_is_named_and_not_made_up(model, folder):
    load(model, folder)
    files = sorted(folder.glob("*/*.safetensors"))
    assert len(files) == 3, "three networks each"
    for file in files:
        whole = file.read_bytes()
        # Tables of words are one tensor under several names.
        names = sorted(name for name in load_file(file) if "embed_tokens" not in name)
        rewrite(file, lambda tensors, name=names[0]: tensors.pop(name))
        with pytest.raises(ModelError, match=f"'{model}'.*'{file.parent}' lacks '{names[0]}';"):
            load(model, folder)
        rewrite(file, lambda tensors, name=names[1]: tensors.pop(name))
        with pytest.raises(ModelError, match=f"lacks '{names[0]}' and 1 more;"):
            load(model, folder)
        file.write_bytes(whole)
    load(model, folder)


def test_what_a_network_does_not_use_may_be_missing(tmp_path):
    folder = tiny_sana_wm(tmp_path / "weights")
    (file,) = (folder / "transformer").glob("*.safetensors")
    unused = [name for name in load_file(file) if name.endswith(".recall_gate")]
    assert unused
    rewrite(file, lambda tensors: [tensors.pop(name) for name in unused])
    load_sana_wm(find_card("sana-wm"), folder, dtype=FLOAT)


def test_words_are_read_where_the_config_says_that_they_are_not_shared(tmp_path):
    """As Wan's do, whose text encoder has its table of words under one of two names.

    A transformers 5 left the other one empty: huggingface/transformers#43992.
    """
    folder = tiny_wan_vace(tmp_path / "weights")
    card = find_card("wan-vace-1.3b")
    config = folder / "text_encoder/config.json"
    values = json.loads(config.read_text()) | {"tie_word_embeddings": False}
    config.write_text(json.dumps(values))
    table = load_file(folder / "text_encoder/model.safetensors")["shared.weight"]
    for name in ("shared.weight", "encoder.embed_tokens.weight"):
        rewrite(
            folder / "text_encoder/model.safetensors",
            lambda tensors, name=name: (
                tensors.pop("shared.weight", None), tensors.update({name: table.clone()})
            ),
        )  # fmt: skip
        text = load_text_parts(card, folder, UMT5EncoderModel, dtype=FLOAT)
        assert torch.equal(text.encoder.encoder.embed_tokens.weight, table)


def test_another_familys_folder_is_refused_when_it_is_looked_at(model, folder):
    names = tuple(part.name for part in find_card(model).parts)
    assert what_is_missing(folder, find_card(model).hub, parts=names) is None
    for other in FAMILIES.keys() - {model}:
        hub = find_card(other).hub
        said = what_is_missing(folder, hub, parts=())
        assert re.fullmatch(
            r"model_index\.json belongs to \w+Pipeline, not to " + hub.pipeline, said
        )


@pytest.mark.parametrize("model", ["sana-wm", "wan-vace-1.3b"], indirect=True)
def test_another_familys_text_encoder_is_not_begun_with(model, folder, monkeypatch):
    """A large one was made of random numbers for minutes before its pipeline was looked at."""
    other = next(each for each in ("sana-wm", "wan-vace-1.3b") if each != model)
    reader = FAMILIES[other][2]
    begun = []
    monkeypatch.setattr(reader.encoder, "from_pretrained", lambda *_, **__: begun.append(1))
    with pytest.raises(ModelError, match=r"model_index\.json' belongs to"):
        read_words(
            find_card(other), folder, reader, ("a street", ""),
            device=torch.device("cpu"), dtype=FLOAT, make_room=lambda: None, report=None,
        )  # fmt: skip
    assert not begun
