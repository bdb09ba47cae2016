"""Checkpoints: whole or refused, and weights from wherever they lie."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from backend.errors import DepthshotError, ModelError
from backend.models.draft.load import load_pipeline, save_pipeline
from backend.models.draft.network import DraftNetwork
from backend.training import export as exporting
from backend.training.checkpoint import (
    LATEST,
    Checkpoint,
    CheckpointError,
    Progress,
    arguments_of,
    load,
    load_network,
    save,
)
from backend.training.export import export

TINY = {"channels": (8, 16), "blocks": (1, 1)}


@pytest.fixture
def network() -> DraftNetwork:
    torch.manual_seed(0)
    return DraftNetwork(**TINY)


@pytest.fixture
def checkpoint(network) -> Checkpoint:
    return Checkpoint(
        config=arguments_of(network),
        settings={"batch": 16, "rate": 8e-4},
        weights={name: value + 1 for name, value in network.state_dict().items()},
        average=network.state_dict(),
        optimizer={"0/step": torch.tensor(7.0), "0/exp_avg": torch.randn(3, 2)},
        progress=Progress(step=7, samples=112, elapsed=12.5, best=0.25, evaluated=10.0),
    )


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return set(one) == set(other) and all(torch.equal(one[name], other[name]) for name in one)


def test_a_checkpoint_comes_back_as_it_was(tmp_path, checkpoint):
    save(checkpoint, tmp_path / "run" / LATEST)
    loaded = load(tmp_path / "run" / LATEST)
    assert loaded.progress == checkpoint.progress
    assert loaded.settings == checkpoint.settings
    assert same(loaded.weights, checkpoint.weights)
    assert same(loaded.average, checkpoint.average)
    assert same(loaded.optimizer, checkpoint.optimizer)
    DraftNetwork(**loaded.config).load_state_dict(loaded.weights)
    assert [file.name for file in (tmp_path / "run").iterdir()] == [LATEST]


def test_a_torn_write_leaves_the_former_checkpoint(tmp_path, checkpoint):
    path = tmp_path / LATEST
    save(checkpoint, path)
    path.with_name(LATEST + ".part").write_bytes(path.read_bytes()[:1000])
    assert load(path).progress.step == 7
    save(replace(checkpoint, progress=Progress(step=8)), path)
    assert load(path).progress.step == 8


@pytest.mark.parametrize("kept", [0, 4, 1000, -1])
def test_a_torn_checkpoint_is_not_read(tmp_path, checkpoint, kept):
    path = tmp_path / LATEST
    save(checkpoint, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=r"is damaged .* start the training again"):
        load(path)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        (None, "it has no 'numbers'"),
        ({"progress": {}}, "it has no 'config'"),
        ({"config": {}, "progress": {"steps": 4}}, ".*'steps'"),
        ("no JSON", "Expecting value.*"),
    ],
)
def test_a_checkpoint_whose_header_is_another_s_is_damaged(tmp_path, numbers, said):
    header = {"format": "depthshot-draft-training-1"}
    if numbers is not None:
        header["numbers"] = numbers if isinstance(numbers, str) else json.dumps(numbers)
    save_file({"weights/a": torch.zeros(1)}, tmp_path / LATEST, metadata=header)
    with pytest.raises(CheckpointError, match=rf"is damaged \({said}\); delete it and start the"):
        load(tmp_path / LATEST)


def test_a_checkpoint_with_other_tensors_is_damaged(tmp_path, checkpoint):
    header = {"format": "depthshot-draft-training-1", "numbers": "{}"}
    save_file({"others/a": torch.zeros(1)}, tmp_path / LATEST, metadata=header)
    with pytest.raises(CheckpointError, match=r"is damaged \(it has no 'others/'\); delete it"):
        load(tmp_path / LATEST)


def test_what_the_system_does_not_read_is_not_called_damaged(tmp_path):
    (tmp_path / LATEST).mkdir()
    with pytest.raises(CheckpointError, match=r"cannot be read: [^;]+; mend that, or name another"):
        load(tmp_path / LATEST)


def test_other_files_and_none_are_no_checkpoints(tmp_path):
    save_file({"weights/a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="is no checkpoint of a training"):
        load(tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="There is no checkpoint"):
        load_network(tmp_path)


def test_weights_for_use_are_the_average_of_a_run_or_what_was_exported(tmp_path, checkpoint):
    save(checkpoint, tmp_path / "run" / LATEST)
    for place in (tmp_path / "run", tmp_path / "run" / LATEST):
        network = load_network(place)
        assert same(network.state_dict(), checkpoint.average)
        assert not network.training
    export(tmp_path / "run", tmp_path / "weights")
    loaded = load_network(tmp_path / "weights").state_dict()
    assert same(loaded, {name: value.half().float() for name, value in checkpoint.average.items()})


def test_exported_weights_are_what_the_product_loads(tmp_path, checkpoint):
    save(checkpoint, tmp_path / "run" / LATEST)
    size = export(tmp_path / "run", tmp_path / "weights", shift=2.0)
    files = [file for file in (tmp_path / "weights").rglob("*") if file.is_file()]
    assert size == sum(file.stat().st_size for file in files)
    assert not [file.name for file in files if file.suffix not in {".json", ".safetensors"}]
    assert load_pipeline(tmp_path / "weights", device="cpu").scheduler.config.shift == 2.0


def test_weights_too_large_to_ship_are_not_written(tmp_path, checkpoint, monkeypatch):
    save(checkpoint, tmp_path / LATEST)
    monkeypatch.setattr(exporting, "MAX_BYTES", 1000)
    with pytest.raises(DepthshotError, match="MB and 0 are allowed; train a narrower network"):
        export(tmp_path, tmp_path / "weights")
    assert not (tmp_path / "weights").exists()


def test_damaged_weights_are_refused(tmp_path: Path, network):
    save_pipeline(network, tmp_path)
    file = tmp_path / "network" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(ModelError):
        load_network(tmp_path)
