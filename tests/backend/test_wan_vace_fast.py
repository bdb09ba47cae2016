"""The 4-step preset: a LoRA that becomes a part of the weights, and what is said without it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from diffusers import WanVACEPipeline, WanVACETransformer3DModel

from backend.errors import ModelError
from backend.generate import generate
from backend.models import cards, find_card, load_model
from backend.models.weights import variable
from backend.paths import OVERRIDE
from tests.backends import frame_files
from tests.videos import tiny_lora, tiny_wan_vace

CARD = find_card("wan-vace-14b")
FAST = CARD.fast_card
SMALL = {"steps": 2, "size": "shot", "window": 9, "overlap": "5"}


@pytest.fixture(autouse=True)
def weights(tmp_path, monkeypatch) -> Path:
    folder = tiny_wan_vace(tmp_path / "weights")
    monkeypatch.setenv(variable(CARD.id), str(folder))
    monkeypatch.setenv(variable(FAST.id), str(tmp_path / "lora"))
    monkeypatch.setenv(OVERRIDE, str(tmp_path / "data"))
    tiny_lora(folder, tmp_path / "lora" / CARD.fast.file)
    return folder


@pytest.fixture
def make(tmp_path, make_shot: Callable[..., Path]) -> Callable[..., dict[str, bytes]]:
    """Return a function that makes a take with one warm model, and returns its frames."""
    models, shot = {}, make_shot(frames=5)

    def load(card, *, device):
        if not models:
            models[card.id] = load_model(card, device=device)
        return models[card.id]

    def made(name: str, **settings: object) -> dict[str, bytes]:
        generate(
            shot, model=CARD.id, settings={**SMALL, **settings}, out=tmp_path / name,
            device="cpu", on_event=lambda event: None, should_stop=lambda: False, load=load,
        )  # fmt: skip
        return frame_files(tmp_path / name)

    return made


def test_few_steps_without_guidance_and_with_the_lora(make, monkeypatch):
    calls, forwards = [], []
    works, forward = WanVACEPipeline.__call__, WanVACETransformer3DModel.forward

    def listen(self, **options):
        calls.append((options["num_inference_steps"], options["guidance_scale"]))
        return works(self, **options)

    def count(self, **options):
        forwards.append(options["timestep"])
        return forward(self, **options)

    monkeypatch.setattr(WanVACEPipeline, "__call__", listen)
    monkeypatch.setattr(WanVACETransformer3DModel, "forward", count)
    make("fast", fast=True, steps=50, guidance=5.0)
    assert calls == [(4, 1.0)]
    assert len(forwards) == 4, "no second forward for guidance"


def test_the_lora_is_taken_off_again(make):
    plain = make("plain", steps=4, guidance=1.0)
    fast = make("fast", fast=True)
    assert make("again", steps=4, guidance=1.0) == plain
    assert fast != plain
    assert make("fast again", fast=True) == fast


def test_the_lora_itself_changes_what_is_made(make, tmp_path, weights):
    fast = make("fast", fast=True)
    make("plain")  # lets go of it
    tiny_lora(weights, tmp_path / "lora" / CARD.fast.file, seed=1)
    assert make("other", fast=True) != fast


@pytest.mark.parametrize("content", [b"\x80\x04\x95 a pickle", b"", b"\x08\0\0\0\0\0\0\0{broken}"])
def test_a_damaged_one_is_said(make, tmp_path, content):
    (tmp_path / "lora" / CARD.fast.file).write_bytes(content)
    with pytest.raises(ModelError, match=r"wan-vace-14b-fast.*name another folder"):
        make("take", fast=True)
    make("take")


def test_a_damaged_one_is_said_as_often_as_it_is_asked_for(make, tmp_path, weights):
    file = tmp_path / "lora" / CARD.fast.file
    whole = file.read_bytes()
    expected = make("expected", fast=True)
    make("plain")
    file.write_bytes(b"\x80\x04\x95 a pickle")
    for name in ("one", "two"):
        with pytest.raises(ModelError, match="is no safetensors file"):
            make(name, fast=True)
    file.write_bytes(whole)
    assert make("mended", fast=True) == expected


def test_one_of_another_model_is_said(make, tmp_path):
    from safetensors.torch import load_file, save_file

    file = tmp_path / "lora" / CARD.fast.file
    wrong = {name: value[:, :-1].contiguous() for name, value in load_file(file).items()}
    save_file(wrong, file)
    with pytest.raises(ModelError, match="does not fit this model"):
        make("take", fast=True)


@pytest.mark.parametrize("half", ["lora_A", "lora_B", "lora_down", "lora_up"])
def test_one_that_lacks_half_of_a_pair_is_said(make, tmp_path, half):
    from safetensors.torch import load_file, save_file

    file = tmp_path / "lora" / CARD.fast.file
    tensors = load_file(file)
    if half in ("lora_down", "lora_up"):  # other programs' names for the same
        tensors = {
            name.replace("lora_A", "lora_down").replace("lora_B", "lora_up"): value
            for name, value in tensors.items()
        }
    name = next(name for name in tensors if half in name)
    del tensors[name]
    save_file(tensors, file)
    with pytest.raises(ModelError, match=f"lacks '{name}'"):
        make("take", fast=True)


def test_one_that_is_not_here_is_said_with_the_way_to_get_it(make, monkeypatch):
    monkeypatch.delenv(variable(FAST.id))
    with pytest.raises(ModelError, match=r"get them with .*`models pull wan-vace-14b-fast`"):
        make("take", fast=True)


def test_cards_without_one_have_no_such_setting():
    for card in cards():
        names = {setting.name for setting in card.settings}
        assert ("fast" in names) == (card.fast is not None)
        assert all(setting.unless in {"", *names} for setting in card.settings)
