"""What is told while a stock pipeline denoises, with tiny weights of each family's real classes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from backend.errors import Cancelled
from backend.models import find_card, load_model
from backend.models.interface import Model, Request
from backend.models.looks import LatentColours
from backend.models.video.preview import picture
from backend.models.video.steps import steps_told
from backend.models.video.window import DECODING, DENOISING, ENCODING
from backend.models.weights import variable
from backend.paths import OVERRIDE
from backend.reader import ShotReader
from benchmarks.posts import MemorySink
from tests.videos import tiny_sana_wm, tiny_svd, tiny_wan_vace

# diffusers' Euler scheduler makes an array of a tensor by numpy's older way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

FRAMES = 5
STEPS = 3
FAMILIES = {
    "wan-vace-1.3b": (tiny_wan_vace, "transformer", (6, 8)),
    "sana-wm": (tiny_sana_wm, "transformer", (2, 2)),
    "svd": (tiny_svd, "unet", (8, 8)),
}


@dataclass(slots=True)
class Told(MemorySink):
    """Keeps what is told; cancelled at one of its phases, before anything of it is done."""

    cancelled_at: str = ""
    said: list[tuple[str, int, int]] = field(default_factory=list)
    looks: list[np.ndarray] = field(default_factory=list)

    def progress(self, phase: str, done: int, total: int, **_: object) -> None:
        if (phase, done) == (self.cancelled_at, 0):
            raise Cancelled("stopped")
        if phase in (ENCODING, DENOISING, DECODING):
            self.said.append((phase, done, total))

    def preview(self, image: np.ndarray) -> None:
        self.looks.append(image)


@pytest.fixture(params=FAMILIES)
def model(request, tmp_path, monkeypatch) -> Model:
    make = FAMILIES[request.param][0]
    monkeypatch.setenv(OVERRIDE, str(tmp_path / "data"))
    monkeypatch.setenv(variable(request.param), str(make(tmp_path / "weights")))
    return load_model(find_card(request.param), device="cpu")


def run(model: Model, shot: Path, sink: Told) -> Told:
    settings = model.card.check_settings({"steps": STEPS, "size": "shot"})
    model.generate(Request(ShotReader(shot), settings, 0), sink)
    return sink


def test_denoising_is_told_from_where_it_begins(model, make_shot, monkeypatch):
    network = FAMILIES[model.card.id][1]
    works, asked = [], []
    held = model.generator._held
    make = model.generator._make

    def listen(pipeline, task, report, *rest):
        denoiser = getattr(pipeline, network)
        handle = denoiser.register_forward_pre_hook(lambda *_: works.append(1))
        asked.append(denoiser)
        try:
            return make(pipeline, task, report, *rest)
        finally:
            handle.remove()

    monkeypatch.setattr(model.generator, "_make", listen)
    shot = make_shot(frames=FRAMES)
    with pytest.raises(Cancelled):
        run(model, shot, Told(cancelled_at=DENOISING))
    assert len(works) == 1, "nothing but the one that asks whether it may begin"
    held.rest()
    told = run(model, shot, Told())
    assert told.said == [
        (ENCODING, 0, 1),
        *((DENOISING, done, STEPS) for done in range(STEPS + 1)),
        (DECODING, 0, 1),
        (DECODING, 1, 1),
    ]
    assert not any(denoiser._forward_pre_hooks for denoiser in asked)
    (look,) = told.looks
    assert look.shape == (*FAMILIES[model.card.id][2], 3)
    assert look.std() > 0


@pytest.mark.parametrize("axis", [1, 2])
def test_a_look_is_at_what_would_be_left_without_the_noise(axis):
    looks = LatentColours(
        factors=((0.3, 0.1, 0.0), (0.0, 0.2, -0.2), (0.1, 0.0, 0.4)),
        offset=(0.1, 0.0, -0.1),
        frames_axis=axis,
    )
    generator = torch.Generator().manual_seed(0)
    frames = torch.rand(5, 3, 4, 6, generator=generator)  # one after another, each of 3 channels
    clean = frames[None] if axis == 1 else frames.transpose(0, 1)[None]
    noise = torch.randn(clean.shape, generator=generator)
    sigmas = torch.tensor([700.0, 300.0, 90.0, 8.0, 0.5, 0.0])
    shown = []
    report = SimpleNamespace(progress=lambda *_: None, preview=shown.append)
    pipeline = SimpleNamespace(scheduler=SimpleNamespace(sigmas=sigmas), unet=None)
    with steps_told(pipeline, report, 5, looks=looks) as told:
        assert told["callback_on_step_end_tensor_inputs"] == ["latents"]
        for step, sigma in enumerate(sigmas[1:]):
            values = {"latents": clean + sigma * noise}
            assert told["callback_on_step_end"](pipeline, step, None, values) is values
    expected = picture(frames[2], looks)
    assert len(shown) == 2
    for look in shown:
        torch.testing.assert_close(look, expected, atol=1e-3, rtol=0)


def test_a_model_without_colours_gives_no_latents_and_no_look():
    shown = []
    report = SimpleNamespace(progress=lambda *_: None, preview=shown.append)
    pipeline = SimpleNamespace(unet=None)
    with steps_told(pipeline, report, 1, looks=None) as told:
        assert told["callback_on_step_end_tensor_inputs"] == []
        told["callback_on_step_end"](pipeline, 0, None, {})
    assert shown == []
