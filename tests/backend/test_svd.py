"""Stable Video Diffusion as a job, with tiny random weights of the real classes.

What every family does is in test_families.py.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableVideoDiffusionPipeline

from backend import media
from backend.errors import ModelError, SettingError
from backend.events import Event
from backend.models import find_card, load_model
from backend.models.memory import (
    GROUP_OFFLOAD,
    MODEL_OFFLOAD,
    RESIDENT,
)
from backend.models.video.place import place, release
from backend.models.weights import fingerprint, variable
from backend.paths import OVERRIDE
from backend.take import verify_take
from tests.backends import frame_files
from tests.videos import change, picture, take_maker, tiny_svd

CARD = find_card("svd")
FRAMES = 9
SMALL = {"steps": 2, "size": "shot", "window": 5}
run = take_maker(CARD.id, SMALL)
DEVICE = torch.device("cpu")
UNUSED = [
    "The guide 'depth' is not used: the model takes no guides.",
    "The camera's path is not used: the model moves the view as it likes.",
]

# diffusers' Euler scheduler makes an array of a tensor by numpy's older way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return tiny_svd(tmp_path_factory.mktemp("tiny") / "weights")


@pytest.fixture(autouse=True)
def place_weights(tmp_path, tiny, monkeypatch) -> None:
    """Tiny weights, and a data folder of the test's own."""
    monkeypatch.setenv(variable(CARD.id), str(tiny))
    monkeypatch.setenv(OVERRIDE, str(tmp_path / "data"))


@pytest.fixture
def shot(make_shot: Callable[..., Path]) -> Path:
    return make_shot(frames=FRAMES)


@pytest.fixture
def calls(monkeypatch) -> list[dict[str, object]]:
    """What the stock pipeline is called with."""
    asked, works = [], StableVideoDiffusionPipeline.__call__

    def listen(self, image, **options):
        asked.append({"image": image, **options})
        return works(self, image, **options)

    monkeypatch.setattr(StableVideoDiffusionPipeline, "__call__", listen)
    return asked


def test_a_shot_becomes_a_take_of_the_shots_own_size_and_length(shot, tmp_path, tiny):
    take = run(shot, tmp_path / "take", seed=3)
    assert verify_take(tmp_path / "take") == take
    assert (take.frames, take.size) == (FRAMES, (64, 40))
    assert (take.model, take.revision, take.seed) == (CARD.id, fingerprint(tiny), 3)
    assert take.digital_source_type == "compositeWithTrainedAlgorithmicMedia"
    assert take.details["windows"] == [0, 5]
    assert take.details["working_size"] == [64, 64]
    assert take.details["rate_told"] == 24
    assert (picture(tmp_path / "take/mask/0001.png") == 255).all(), "nothing is locked"


def test_what_is_not_used_is_said_once(shot, tmp_path):
    events: list[Event] = []
    take = run(change(shot, prompt="rain"), tmp_path / "take", on_event=events.append)
    said = [event.message for event in events if event.kind == "warning"]
    assert said == [*UNUSED, "The prompt is not used: the model takes no words."]
    assert list(take.warnings) == said
    assert run(change(shot, prompt="snow"), tmp_path / "snow").files == take.files


def test_a_window_begins_with_the_still_and_the_next_with_the_last_frame(shot, tmp_path, calls):
    run(shot, tmp_path / "take")
    still = media.to_8bit(media.read_still(shot / "still.png").pixels)
    last = picture(tmp_path / "take/frames/0005.png")
    for known, asked in zip((still, last), calls, strict=True):
        shown = np.asarray(asked["image"])
        assert shown.shape == (64, 64, 3)
        assert np.array_equal(shown[12:52], known), "the border is repeated outside"
        assert asked["num_frames"] == 5
    assert len({int(asked["generator"].initial_seed()) for asked in calls}) == 2


def test_settings_reach_the_pipeline(shot, tmp_path, calls):
    settings = {"motion": 200, "noise": 0.1, "guidance_min": 1.5, "guidance_max": 2.5}
    run(change(shot, fps=60), tmp_path / "take", settings={**SMALL, **settings, "window": 25})
    (asked,) = calls
    assert (asked["motion_bucket_id"], asked["noise_aug_strength"], asked["fps"]) == (200, 0.1, 30)
    assert (asked["min_guidance_scale"], asked["max_guidance_scale"]) == (1.5, 2.5)
    assert asked["decode_chunk_size"] == 5, "nine frames in two parts as equal as can be"
    falling = {**SMALL, "guidance_min": 4.0}
    with pytest.raises(SettingError, match=r"'guidance_min' \(4\) must not be above .* \(3\);"):
        run(shot, tmp_path / "falling", settings=falling)
    run(shot, tmp_path / "without", settings={**SMALL, "guidance_max": 1.0})


def test_one_frame_is_made_as_two(make_shot, tmp_path, calls):
    take = run(make_shot(frames=1), tmp_path / "take")
    assert (take.frames, calls[0]["num_frames"]) == (1, 2)


def test_a_still_elsewhere_is_said(make_shot, tmp_path, calls):
    shot = make_shot(frames=FRAMES)
    (still,) = json.loads((shot / "shot.json").read_text())["stills"]
    take = run(change(shot, stills=[{**still, "index": 6}]), tmp_path / "take")
    assert take.warnings[-1] == (
        "The first frame has no still, so the model begins with what the stills show of it, holes"
        " filled from beside them."
    )
    assert np.asarray(calls[0]["image"]).std() > 1, "and that is no empty picture"
    both = run(change(shot, stills=[still, {**still, "index": 6}]), tmp_path / "both")
    assert "Of 2 stills 1 is used: the model takes no more." in both.warnings


def test_what_is_locked_is_the_projections(shot, tmp_path):
    settings = {**SMALL, "lock": 1.0, "feather": 0}
    run(shot, tmp_path / "take", settings=settings)
    run(shot, tmp_path / "projection", model="projection", settings={})
    mask = picture(tmp_path / "take/mask/0004.png")
    made, known = (picture(tmp_path / n / "frames/0004.png") for n in ("take", "projection"))
    assert np.array_equal(made[mask == 0], known[mask == 0])


def test_colours_are_matched_by_the_picture_that_a_window_begins_with(shot, tmp_path, monkeypatch):
    from backend.models.video import job

    known = []

    def listen(made, colours, where):
        known.append(where.flatten(1).any(1).tolist())
        return made

    monkeypatch.setattr(job, "match_colours", listen)
    run(shot, tmp_path / "take")
    assert known == [[True] + [False] * 4] * 2


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("model_index.json", None, "is missing"),
        ("model_index.json", b'{"_class_name": "WanVACEPipeline"}', "belongs to WanVACEPipeline"),
        ("unet/diffusion_pytorch_model.safetensors", b"\x80\x04\x95.", "is no safetensors file"),
        ("unet/diffusion_pytorch_model.safetensors", None, "unet has no weights in safetensors"),
        ("vae/config.json", b"{", "vae/config.json is no JSON"),
        ("image_encoder/config.json", None, "image_encoder is missing or has no config"),
        ("feature_extractor/preprocessor_config.json", None, "feature_extractor is missing or has"),
    ],
)
def test_weights_that_are_none_are_said(
    shot, tmp_path, tiny, monkeypatch, file: str, content: bytes | None, said: str
):
    folder = tmp_path / "broken"
    shutil.copytree(tiny, folder)
    monkeypatch.setenv(variable(CARD.id), str(folder))
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    with pytest.raises(ModelError, match=f"'svd'.*{said}.*name another folder") as refused:
        run(shot, tmp_path / "take")
    assert variable(CARD.id) in str(refused.value) and not (tmp_path / "take/take.json").exists()


def test_the_half_precision_files_of_the_hub_are_read(shot, tmp_path, monkeypatch):
    folder = tiny_svd(tmp_path / "half", variant="fp16")
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*.safetensors")}
    assert names == {
        "image_encoder/model.fp16.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "vae/diffusion_pytorch_model.fp16.safetensors",
    }
    monkeypatch.setenv(variable(CARD.id), str(folder))
    assert run(shot, tmp_path / "take").revision == fingerprint(folder)


def test_a_plan_leaves_no_hook_behind(tiny):
    pipeline = StableVideoDiffusionPipeline.from_pretrained(tiny, local_files_only=True)
    for plan in (GROUP_OFFLOAD, MODEL_OFFLOAD, RESIDENT):
        place(pipeline, plan, DEVICE)
        release(pipeline, DEVICE)
        for network in (pipeline.unet, pipeline.image_encoder, pipeline.vae):
            for module in network.modules():
                assert "_hf_hook" not in vars(module)
                registry = vars(module).get("_diffusers_hook")
                assert registry is None or not registry.hooks


def test_memory_that_runs_out_between_two_precisions_spoils_nothing(shot, tmp_path):
    """In half precision the pipeline takes the VAE to another and back: it may stay there."""
    model = load_model(CARD, device="cpu")
    run(shot, tmp_path / "whole", load=lambda card, *, device: model)
    model.generator._held._pipeline.vae.to(dtype=torch.float64)
    run(shot, tmp_path / "take", load=lambda card, *, device: model)
    assert frame_files(tmp_path / "take") == frame_files(tmp_path / "whole")
