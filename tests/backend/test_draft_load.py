"""Draft's weights on disk: written, read without a network, and every kind of damage said."""

import gc
import hashlib
import json
import shutil
import sys
from contextlib import nullcontext

import pytest
import torch
from safetensors.torch import load_file, save_file

from backend.errors import ModelError
from backend.models import find_card, load_model
from backend.models.draft.load import load_pipeline, save_pipeline
from tests.drafts import digest_offline, make, ramp, small_pipeline

TENSORS = "network/diffusion_pytorch_model.safetensors"
NETWORK = "network/config.json"
SCHEDULER = "scheduler/scheduler_config.json"
INDEX = "model_index.json"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "weights"
    save_pipeline(small_pipeline().network, folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    """Return a copy of the weights to damage."""
    return shutil.copytree(saved, tmp_path / "weights")


def digest(picture):
    return hashlib.sha256(picture.numpy().tobytes()).hexdigest()


def test_weights_are_loaded_without_sockets_and_pickles(folder):
    made = make(load_pipeline(folder, device="cpu"), ramp(40, 56))
    assert digest_offline(folder) == digest(made)


def test_what_is_saved_is_float16_and_what_is_loaded_that_as_float32(folder):
    original = small_pipeline().network
    loaded = load_pipeline(folder, device="cpu").network
    assert {tensor.dtype for tensor in load_file(folder / TENSORS).values()} == {torch.float16}
    assert not loaded.training
    weights = loaded.state_dict()
    for name, weight in original.state_dict().items():
        assert weight.dtype == torch.float32
        assert torch.equal(weights[name], weight.half().float())
    frame = ramp(40, 56)
    off = make(small_pipeline(), frame) - make(load_pipeline(folder, device="cpu"), frame)
    assert 0 < off.abs().max() < 2 / 255


def test_the_shift_is_saved_with_the_weights(tmp_path):
    pipeline = small_pipeline()
    pipeline.scheduler.register_to_config(shift=2.5)
    save_pipeline(pipeline.network, tmp_path, scheduler=pipeline.scheduler)
    assert load_pipeline(tmp_path, device="cpu").scheduler.shift == 2.5


def test_another_folder_can_be_named_in_the_environment(folder, monkeypatch):
    monkeypatch.setenv("DEPTHSHOT_DRAFT_WEIGHTS", str(folder))
    named = load_pipeline(device="cpu").network.state_dict()
    wanted = load_pipeline(folder, device="cpu").network.state_dict()
    assert all(torch.equal(named[name], weight) for name, weight in wanted.items())
    monkeypatch.setenv("DEPTHSHOT_DRAFT_WEIGHTS", str(folder / "nowhere"))
    with pytest.raises(ModelError, match=r"nowhere.*is missing; .*clear .* DEPTHSHOT_DRAFT_WEIGHT"):
        load_pipeline(device="cpu")


def test_the_index_chooses_no_code(folder):
    edit(folder / INDEX, network=["moved.elsewhere.network", "DraftNetwork"])
    load_pipeline(folder, device="cpu")
    assert "moved" not in sys.modules


def cut(file, *, keep):
    file.write_bytes(file.read_bytes()[:keep])


def edit(file, **values):
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content | values))


def drop(file):
    tensors = load_file(file)
    tensors.pop("enter.bias")
    save_file(tensors, file, metadata={"format": "pt"})


def poison(file):
    tensors = load_file(file)
    tensors["enter.bias"][0] = torch.nan
    save_file(tensors, file, metadata={"format": "pt"})


def replace(file):
    save_file({"weight": torch.zeros(3)}, file, metadata={"format": "pt"})


DAMAGE = {
    "folder gone": (INDEX, "is missing", lambda file: shutil.rmtree(file.parent)),
    "no tensors": (TENSORS, "is missing", lambda file: file.unlink()),
    "no network's config": (NETWORK, "is missing", lambda file: file.unlink()),
    "no scheduler's config": (SCHEDULER, "is missing", lambda file: file.unlink()),
    "empty": (TENSORS, "cannot be loaded", lambda file: cut(file, keep=0)),
    "cut in the header": (TENSORS, "cannot be loaded", lambda file: cut(file, keep=40)),
    "cut at the end": (TENSORS, "cannot be loaded", lambda file: cut(file, keep=-2)),
    "a tensor missing": (TENSORS, "does not belong to the network", drop),
    "other tensors": (TENSORS, "does not belong to the network", replace),
    "not a number": (TENSORS, "has numbers that are not finite", poison),
    "config garbage": (NETWORK, "cannot be read", lambda file: file.write_bytes(b"\xff\x00{")),
    "config a list": (NETWORK, "cannot be read", lambda file: file.write_text("[]")),
    "another class": (NETWORK, "does not belong to", lambda file: edit(file, _class_name="")),
    "index of another": (INDEX, "does not belong to Draft", lambda file: edit(file, network=["a"])),
    "index without": (INDEX, "does not belong to Draft", lambda file: edit(file, scheduler=None)),
    "shift zero": (SCHEDULER, "has the shift 0", lambda file: edit(file, shift=0)),
    "shift a word": (SCHEDULER, "has the shift 'x'", lambda file: edit(file, shift="x")),
    "shift a truth": (SCHEDULER, "has the shift True", lambda file: edit(file, shift=True)),
    "shift that varies": (
        SCHEDULER, "has the setting use_dynamic_shifting = True",
        lambda file: edit(file, use_dynamic_shifting=True),
    ),
    "noise of its own": (
        SCHEDULER, "has the setting stochastic_sampling = True",
        lambda file: edit(file, stochastic_sampling=True),
    ),
    "time backwards": (
        SCHEDULER, "has the setting invert_sigmas = True",
        lambda file: edit(file, invert_sigmas=True),
    ),
    "another scheduler": (
        SCHEDULER, "does not belong to Draft", lambda file: edit(file, _class_name="DDIM"),
    ),
}  # fmt: skip
SHAPES = {
    "wider": {"channels": [16, 8, 12, 16]},
    "deeper": {"channels": [8, 8, 12, 16, 16], "blocks": [1, 1, 2, 2, 2]},
    "shallower": {"channels": [8, 8], "blocks": [1, 1]},
    "negative": {"channels": [-8, 8, 12, 16]},
    "words": {"channels": "wide"},
    "uneven": {"blocks": [1]},
}


def sentence(folder):
    with pytest.raises(ModelError) as caught:
        load_pipeline(folder, device="cpu")
    return str(caught.value)


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_said_in_a_sentence_with_file_and_way_out(folder, kind):
    name, what, damage = DAMAGE[kind]
    damage(folder / name)
    said = sentence(folder)
    assert f"'{folder / name}' {what}" in said
    assert said.endswith(".")
    assert "install Depthshot again" in said
    assert "\n" not in said


@pytest.mark.parametrize("kind", SHAPES)
def test_weights_of_another_shape_than_their_config_are_not_loaded(folder, kind):
    edit(folder / NETWORK, **SHAPES[kind])
    assert f"'{folder / TENSORS}'" in sentence(folder)


@pytest.mark.parametrize("fails", [False, True])
def test_garbage_is_collected_again_after_loading(monkeypatch, fails):
    if fails:
        monkeypatch.setitem(sys.modules, "backend.models.draft.model", None)
    card = find_card("draft")
    with pytest.raises(ModelError) if fails else nullcontext():
        load_model(card, device="cpu")
    assert gc.isenabled()
