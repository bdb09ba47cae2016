"""Weights of 4 bits of a damaged config, and those that are being made: refused in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import WanVACETransformer3DModel, configuration_utils
from diffusers.models import modeling_utils
from diffusers.utils import hub_utils

from backend.errors import ModelError, StorageError
from backend.locks import FileLock
from backend.models import find_card, removal, rounded
from backend.models.hub import home
from backend.models.video.quantised import load_four_bits
from backend.models.wan_vace.load import load_pipeline
from backend.models.weights import variable
from backend.paths import OVERRIDE
from tests.videos import tiny_wan_vace

CARD = find_card("wan-vace-1.3b")


class Sink:
    """Takes what is told, and keeps none of it."""

    def progress(self, phase: str, done: int, total: int) -> None:
        pass


@pytest.fixture
def weights(tmp_path, monkeypatch) -> Path:
    """Tiny weights, and a data folder."""
    folder = tiny_wan_vace(tmp_path / "weights", head=16)
    monkeypatch.setenv(variable(CARD.id), str(folder))
    monkeypatch.setenv(OVERRIDE, str(tmp_path / "data"))
    return folder


def kept(tmp_path: Path) -> list[Path]:
    return rounded.files(tmp_path / "data", CARD)


def load(weights: Path) -> WanVACETransformer3DModel:
    return load_four_bits(
        CARD,
        weights / "transformer",
        WanVACETransformer3DModel,
        dtype=torch.float32,
        report=Sink(),
    )


CONFIGS = {
    "missing": None,
    "torn": '{"_class_name": "WanVACE',
    "name": '"somebody/else"',
    "odd": {"num_layers": "two"},
    "another shape": {"ffn_dim": 48},
}


@pytest.fixture
def no_hub(monkeypatch) -> None:
    def ask(*given, **options):
        raise AssertionError(f"the hub was asked for {given} {options}")

    for module in (configuration_utils, modeling_utils, hub_utils):
        for name in ("hf_hub_download", "snapshot_download", "model_info"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, ask)


def spoil(file: Path, harm: str) -> None:
    content = CONFIGS[harm]
    if content is None:
        file.unlink()
    elif isinstance(content, str):
        file.write_text(content)
    else:
        file.write_text(json.dumps(json.loads(file.read_text()) | content))


@pytest.mark.parametrize("harm", CONFIGS)
def test_a_damaged_config_is_none_of_the_disk(weights, tmp_path, no_hub, harm):
    spoil(weights / "transformer" / "config.json", harm)
    with pytest.raises(ModelError, match="cannot be used"):
        load(weights)
    assert kept(tmp_path) == []


@pytest.mark.parametrize("part", ["vae/config.json", "scheduler/scheduler_config.json"])
def test_a_config_that_is_a_name_is_looked_for_nowhere(weights, no_hub, part):
    spoil(weights / part, "name")
    with pytest.raises(ModelError, match=r"config\.json' cannot be read"):
        load_pipeline(CARD, weights, dtype=torch.float32)


def test_they_are_not_removed_while_some_are_made(weights, tmp_path):
    load(weights)
    data = tmp_path / "data"
    before = kept(tmp_path)
    lock = FileLock(rounded.folder_of(data) / rounded.LOCK)
    assert lock.take()
    with pytest.raises(StorageError, match=f"remove those of '{CARD.id}' when that has ended"):
        removal.remove(home(data), CARD)
    assert kept(tmp_path) == before
    lock.release()
    assert removal.remove(home(data), CARD) > 0
    assert lock.take(), "it was given back"
    lock.release()
