"""Attention and compiling: what is not there or does not work is told and left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import WanVACETransformer3DModel

from backend.generate import generate
from backend.models import find_card, load_model
from backend.models.video import quick
from backend.models.weights import variable
from backend.paths import OVERRIDE
from backend.take import Take
from tests.backends import frame_files
from tests.videos import tiny_wan_vace

CARD = find_card("wan-vace-1.3b")
SMALL = {"steps": 2, "size": "shot"}


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(variable(CARD.id), str(tiny_wan_vace(tmp_path / "weights")))
    monkeypatch.setenv(OVERRIDE, str(tmp_path / "data"))


@pytest.fixture
def make(tmp_path, make_shot: Callable[..., Path]) -> Callable[..., Take]:
    shot, models = make_shot(frames=5), {}

    def load(card, *, device):
        if not models:
            models[card.id] = load_model(card, device=device)
        return models[card.id]

    def made(name: str, **settings: object) -> Take:
        return generate(
            shot, model=CARD.id, settings={**SMALL, **settings}, out=tmp_path / name,
            device="cpu", on_event=lambda event: None, should_stop=lambda: False, load=load,
        )  # fmt: skip

    return made


@pytest.mark.parametrize("attention", ["flash", "sage"])
@pytest.mark.parametrize("gpu", [True, False])
def test_an_attention_that_is_not_there_is_told_and_left_out(
    make, tmp_path, monkeypatch, attention, gpu
):
    if gpu:
        monkeypatch.setattr(quick, "CUDA", "cpu")
    make("plain", attention="native")
    take = make("take", attention=attention)
    why = "is not installed in the backend's environment" if gpu else "needs a GPU"
    said = f"The attention '{attention}' {why}, so torch's own is used."
    assert take.warnings == (said,)
    assert make("again", attention=attention).warnings == (said,)
    assert frame_files(tmp_path / "take") == frame_files(tmp_path / "plain")


def test_by_itself_nothing_is_said_of_what_is_not_installed(make):
    assert make("take", attention="auto").warnings == make("native", attention="native").warnings
    assert make("again").warnings == ()


def test_no_attention_is_chosen_that_fetches_code_from_the_hub():
    assert not any(name.endswith("_hub") for names in quick.ATTENTION.values() for name in names)
    assert all(names[-1] == "native" for names in quick.ATTENTION.values())


def test_compiling_without_a_gpu_is_told_and_left_out(make):
    (said,) = make("take", compile=True).warnings
    assert said.startswith("Compiling is for a model that stays on a GPU")


def test_what_cannot_be_compiled_goes_on_without(make, tmp_path, monkeypatch):
    """A real failure of torch's compiler, in the first block of the first step."""
    monkeypatch.setattr(quick, "CUDA", "cpu")

    def broken(module, inputs):
        raise ValueError("no compiler is installed")

    works = WanVACETransformer3DModel.compile_repeated_blocks
    monkeypatch.setattr(
        WanVACETransformer3DModel,
        "compile_repeated_blocks",
        lambda self, **options: works(self, backend=broken, **options),
    )
    make("plain")
    take = make("take", compile=True)
    (said,) = take.warnings
    assert make("again", compile=True).warnings == take.warnings
    assert said.startswith("The model could not be compiled (")
    assert said.endswith("), so it goes on without.")
    assert frame_files(tmp_path / "take") == frame_files(tmp_path / "plain")
    torch._dynamo.reset()


def test_compiled_blocks_are_used(make, tmp_path, monkeypatch):
    monkeypatch.setattr(quick, "CUDA", "cpu")
    compiled = []

    def look(module, inputs):
        compiled.append(module)
        return module.forward

    works = WanVACETransformer3DModel.compile_repeated_blocks
    monkeypatch.setattr(
        WanVACETransformer3DModel,
        "compile_repeated_blocks",
        lambda self, **options: works(self, backend=look, **options),
    )
    make("plain")
    assert make("take", compile=True).warnings == ()
    assert compiled
    assert frame_files(tmp_path / "take").keys() == frame_files(tmp_path / "plain").keys()
    torch._dynamo.reset()


CACHES_THAT_ARE_WRONG = ("FirstBlockCacheConfig", "MagCacheConfig")


@pytest.mark.parametrize("name", CACHES_THAT_ARE_WRONG)
def test_caches_that_skip_blocks_are_wrong_on_vace(tmp_path, name):
    """Why no setting offers them: hints are added again to what a skipped step has kept.

    Should this fail one day, diffusers has mended it, and such a cache can be offered.
    """
    import diffusers

    torch.manual_seed(0)
    folder = tmp_path / "weights"
    model = WanVACETransformer3DModel.from_pretrained(folder / "transformer").eval()
    inputs = {
        "hidden_states": torch.randn(1, 16, 2, 8, 8),
        "timestep": torch.tensor([500]),
        "encoder_hidden_states": torch.randn(1, 7, 32),
        "control_hidden_states": torch.randn(1, 96, 2, 8, 8),
        "return_dict": False,
    }
    options = {"FirstBlockCacheConfig": {"threshold": 1e9}, "MagCacheConfig": {
        "num_inference_steps": 4, "threshold": 1e9, "max_skip_steps": 4, "retention_ratio": 0.25,
        "mag_ratios": torch.ones(4)}}[name]  # fmt: skip
    with torch.no_grad():
        exact = model(**inputs)[0]
        model.enable_cache(getattr(diffusers, name)(**options))
        cached = []
        for _ in range(3):
            with model.cache_context("cond"):
                cached.append(model(**inputs)[0])
    # The same input every time: a right cache would give the same output every time.
    assert max(float((each - exact).abs().max()) for each in cached) > 1e-3
