"""Wan VACE as a job like any other, with tiny random weights of the real classes.

What is tested is the way, not the picture: what is locked, what the model is shown, words, other
weights, wrong weights. What every family does is in test_families.py.
"""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from diffusers import AutoencoderKLWan, WanVACETransformer3DModel
from transformers import AutoTokenizer

from backend import media
from backend.errors import ModelError, SettingError
from backend.events import Event
from backend.models import find_card
from backend.models.video.words import say_if_cut
from backend.models.weights import fingerprint, variable
from backend.paths import OVERRIDE
from backend.take import verify_take
from backend.wire import PROTOCOL
from tests.backends import all_events, assert_alike, frame_files, running_backend
from tests.videos import change, picture, take_maker, tiny_wan_vace

CARD = find_card("wan-vace-1.3b")
FRAMES = 12
SMALL = {"steps": 2, "size": "shot", "window": 9, "overlap": "5", "feather": 0}
run = take_maker(CARD.id, SMALL)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return tiny_wan_vace(tmp_path_factory.mktemp("tiny") / "weights")


@pytest.fixture(autouse=True)
def place(tmp_path, tiny, monkeypatch) -> None:
    """Tiny weights, and a data folder of the test's own."""
    monkeypatch.setenv(variable(CARD.id), str(tiny))
    monkeypatch.setenv(OVERRIDE, str(tmp_path / "data"))


@pytest.fixture
def shot(make_shot: Callable[..., Path]) -> Path:
    return make_shot(frames=FRAMES)


def test_a_shot_becomes_a_take_of_the_shots_own_size_and_length(shot, tmp_path, tiny):
    take = run(shot, tmp_path / "take", seed=3)
    assert verify_take(tmp_path / "take") == take
    assert (take.frames, take.size) == (FRAMES, (64, 40))
    assert (take.model, take.revision, take.seed) == (CARD.id, fingerprint(tiny), 3)
    assert take.digital_source_type == "compositeWithTrainedAlgorithmicMedia"
    assert take.details["windows"] == [0, 9]
    assert take.details["working_size"] == [64, 48]
    shown = picture(tmp_path / "take/control/0003.png")
    assert shown.shape == (48, 64, 3)
    assert set(np.unique(picture(tmp_path / "take/control-mask/0003.png"))) == {0, 255}


def test_what_a_still_shows_is_the_projections_own_byte_for_byte(shot, tmp_path):
    run(shot, tmp_path / "take")
    run(shot, tmp_path / "projection", model="projection", settings={})
    changed = 0
    for frame in range(1, FRAMES + 1):
        name = f"{frame:04d}.png"
        made, known = (
            picture(tmp_path / each / "frames" / name) for each in ("take", "projection")
        )
        mask = picture(tmp_path / "take/mask" / name)
        assert np.array_equal(mask, picture(tmp_path / "projection/mask" / name))
        assert np.array_equal(made[mask == 0], known[mask == 0])
        changed += int((made[mask == 255] != known[mask == 255]).sum())
    assert changed > 0, "the rest is the model's"


def test_without_a_lock_all_of_a_frame_is_the_models(shot, tmp_path):
    run(shot, tmp_path / "take", settings={**SMALL, "lock": 0.0})
    assert (picture(tmp_path / "take/mask/0001.png") == 255).all()
    still = media.to_8bit(media.read_still(shot / "still.png").pixels)
    assert not np.array_equal(picture(tmp_path / "take/frames/0001.png"), still)


@pytest.mark.parametrize("mode", ["depth", "projection", "both"])
def test_every_mode_makes_its_own_frames(shot, tmp_path, mode):
    take = run(shot, tmp_path / "take", settings={**SMALL, "guidance_mode": mode})
    grey = picture(tmp_path / "take/control/0008.png")
    mask = picture(tmp_path / "take/control-mask/0008.png")
    holes = grey[mask == 255]
    assert (holes == holes[:, :1]).all(), "what is to be made is shown in grey"
    assert (mask == 255).all() == (mode == "depth")
    assert (len(np.unique(holes)) == 1) == (mode == "projection")
    assert take.frames == FRAMES


def test_depth_keeps_one_range_over_the_whole_shot(shot, tmp_path):
    run(shot, tmp_path / "own", settings={**SMALL, "guidance_mode": "depth"})
    locked = {"depth_near": 0.5, "depth_far": 100.0}
    run(shot, tmp_path / "locked", settings={**SMALL, "guidance_mode": "depth", **locked})
    own, fixed = (picture(tmp_path / n / "control/0008.png") for n in ("own", "locked"))
    depth = media.read_depth(next(iter(sorted(shot.glob("depth/*.exr")))), size=(64, 40), place="")
    assert own.max() > 250
    assert fixed.max() < 255 * 0.5 / depth.min() + 30
    with pytest.raises(SettingError, match=r"'depth_near' \(9 m\) must be less than 'depth_far'"):
        run(shot, tmp_path / "no", settings={**SMALL, "depth_near": 9.0, "depth_far": 2.0})


def test_a_picture_shows_what_is_being_made_and_goes_when_it_is(shot, tmp_path):
    seen: list[np.ndarray] = []

    def look(event: Event) -> None:
        file = tmp_path / "take/.preview.png"
        if event.phase.startswith("decoding") and file.is_file():
            seen.append(picture(file))

    run(shot, tmp_path / "take", on_event=look)
    assert [each.shape for each in seen] == [(6, 8, 3)] * len(seen)
    assert seen[0].std() > 0
    assert not np.array_equal(seen[0], seen[-1]), "another one in the second window"
    assert not (tmp_path / "take/.preview.png").exists()


def test_lost_frames_of_a_window_are_made_again_to_the_same_bytes(shot, tmp_path):
    run(shot, tmp_path / "take")
    shutil.copytree(tmp_path / "take", tmp_path / "lost")
    for frame in (2, 7, 11):
        (tmp_path / f"lost/frames/{frame:04d}.png").unlink()
    run(shot, tmp_path / "lost")
    assert frame_files(tmp_path / "lost") == frame_files(tmp_path / "take")


def test_words_are_encoded_once_and_change_what_is_made(shot, tmp_path, tiny, monkeypatch):
    change(shot, prompt="a quiet street")
    first = run(shot, tmp_path / "one")
    without = tmp_path / "without encoder"
    shutil.copytree(tiny, without)
    shutil.rmtree(without / "text_encoder")
    kept = list((tmp_path / "data/prompts").iterdir())
    assert len(kept) == 1
    monkeypatch.setenv(variable(CARD.id), str(without))
    # Other weights are another revision, whose words were never encoded.
    with pytest.raises(ModelError, match=r"text_encoder is missing or has no configuration\)"):
        run(shot, tmp_path / "two")
    monkeypatch.setenv(variable(CARD.id), str(tiny))
    again = run(shot, tmp_path / "again")
    other = run(change(shot, prompt="warm light", negative_prompt="haze"), tmp_path / "other")
    said = [(take.details["prompt"], take.details["negative_prompt"]) for take in (first, other)]
    assert said == [("a quiet street", CARD.negative_prompt), ("warm light", "haze")]
    unguided = run(shot, tmp_path / "unguided", settings={**SMALL, "guidance": 1.0})
    assert unguided.details["negative_prompt"] == "", "without guidance it changes nothing"
    assert first.files.keys() == other.files.keys()
    assert first.files == again.files != other.files


@pytest.mark.parametrize("longest", [9, 20, 33, 50])
def test_what_is_left_out_of_a_prompt_is_told_in_its_own_words(tiny, longest):
    """The tokenizer's pieces are none that an artist has written."""
    tokenizer = AutoTokenizer.from_pretrained(tiny / "tokenizer")
    words = ("quiet street, slow camera; wetly lit stones (dusk) " * 4).split()
    said: list[str] = []
    say_if_cut(tokenizer, " ".join(words), longest=longest, say=said.append)
    (sentence,) = said
    told = re.search("left out were: “(.*?)(?: …” and ([0-9]+) more|”)[.]", sentence)
    named, more = told.groups()
    left = len(named.split()) + int(more or 0)
    assert named.split() == words[len(words) - left :][:12]
    assert (more is None) == (left <= 12)
    assert len(tokenizer(" ".join(words[:-left])).input_ids) <= longest
    assert len(tokenizer(" ".join(words[: len(words) - left + 1])).input_ids) > longest


def test_a_prompt_that_is_too_long_is_said(shot, tmp_path):
    for name in ("take", "again, with the words known"):
        take = run(change(shot, prompt="slow camera " * 600), tmp_path / name)
        assert any("too long for this model, which reads 512" in each for each in take.warnings)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("model_index.json", None, "is missing"),
        ("model_index.json", b'{"_class_name": "FluxPipeline"}', "belongs to FluxPipeline"),
        ("model_index.json", b"nothing", "is no JSON"),
        ("transformer/diffusion_pytorch_model.safetensors", None, "transformer has no weights in"),
        ("vae/diffusion_pytorch_model.safetensors", b"PK\x03\x04 a zip", "is no safetensors file"),
        ("vae/diffusion_pytorch_model.safetensors", b"\x80\x04\x95.", "is no safetensors file"),
        ("transformer/config.json", b"{}", "cannot be loaded"),
    ],
)
def test_weights_that_are_none_are_said(
    shot, tmp_path, tiny, monkeypatch, capfd, file: str, content: bytes | None, said: str
):
    folder = tmp_path / "broken"
    shutil.copytree(tiny, folder)
    monkeypatch.setenv(variable(CARD.id), str(folder))
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    with pytest.raises(ModelError, match=f"{CARD.id}.*{said}.*name another folder") as refused:
        run(shot, tmp_path / "take")
    assert variable(CARD.id) in str(refused.value) and "remove them" not in str(refused.value)
    assert capfd.readouterr().err == "", "no library has the last word"


@pytest.mark.parametrize(
    "reason",
    [
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("unable to mmap 5000000 bytes: Cannot allocate memory (12)"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_weights_too_large_for_the_computer_are_not_called_damaged(
    shot, tmp_path, monkeypatch, reason
):
    def load(*arguments: object, **options: object) -> None:
        raise reason

    monkeypatch.setattr(AutoencoderKLWan, "from_pretrained", load)
    with pytest.raises(MemoryError):
        run(shot, tmp_path / "take")


def test_two_transformers_share_the_work(shot, tmp_path, monkeypatch):
    folder = tiny_wan_vace(tmp_path / "two", second=True)
    card = "wan2.2-vace-fun-a14b"
    monkeypatch.setenv(variable(card), str(folder))
    forward, worked = WanVACETransformer3DModel.forward, []

    def noted(self, *arguments, **options):
        worked.append(self)
        return forward(self, *arguments, **options)

    monkeypatch.setattr(WanVACETransformer3DModel, "forward", noted)
    take = run(shot, tmp_path / "take", model=card)
    assert take.revision == fingerprint(folder)
    assert len({id(transformer) for transformer in worked}) == 2


def test_through_server_and_worker_it_comes_back_with_what_the_model_was_shown(shot, tmp_path):
    from backend.bundle import pack

    pack(shot, tmp_path / "shot.zip")
    with running_backend(tmp_path / "data") as backend:
        job = backend.submit(tmp_path / "shot.zip", model=CARD.id, settings=SMALL, seed=1)
        assert all_events(backend.follow(job))[-1].kind == "done"
        assert backend.preview(job) is None
        look = tmp_path / f"data/store-{PROTOCOL}/jobs/{job}/take/.preview.png"
        look.write_bytes(b"a picture")
        assert backend.preview(job) == b"a picture"
        backend.download(job, tmp_path / "fetched")
    run(shot, tmp_path / "here", seed=1)
    assert_alike(tmp_path / "fetched", tmp_path / "here")
    assert (tmp_path / "fetched/control/0001.png").is_file()
