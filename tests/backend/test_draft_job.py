"""Draft as a job like any other: its phases, a cancel in each, going on, its weights in the record.

With random weights, small ones: what is tested is the way, not the picture.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import PIL.Image
import pytest

from backend.errors import Cancelled, ModelError
from backend.events import Event
from backend.generate import LOADING, generate
from backend.models import find_card, load_model
from backend.models.draft.load import save_pipeline
from backend.models.weights import as_installed, fingerprint, variable, weights_folder
from backend.server.process import WorkerProcess
from backend.take import Take, read_take, verify_take
from tests.backends import frame_files
from tests.drafts import small_pipeline

FRAMES = 8
CARD = find_card("draft")
PHASES = [name for name, _ in CARD.phases]


@pytest.fixture
def weights(tmp_path, monkeypatch) -> Path:
    """Small random weights, used in place of those that ship."""
    folder = tmp_path / "weights"
    save_pipeline(small_pipeline().network, folder)
    monkeypatch.setenv(variable("draft"), str(folder))
    return folder


@pytest.fixture
def shot(make_shot: Callable[..., Path], weights: Path) -> Path:
    return make_shot(frames=FRAMES)


def run(shot: Path, out: Path, **options) -> Take:
    arguments = {
        "model": "draft",
        "settings": {"steps": 2},
        "on_event": lambda event: None,
        "should_stop": lambda: False,
    }
    return generate(shot, out=out, **(arguments | options))


def test_its_phases_come_in_order_and_the_bar_never_falls(shot, tmp_path):
    events: list[Event] = []
    run(shot, tmp_path / "take", on_event=events.append)
    said = [event for event in events if event.kind == "progress"]
    assert list(dict.fromkeys(event.phase for event in said)) == [LOADING, *PHASES]
    shares = [event.share for event in said]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, pytest.approx(1))
    assert len(set(shares)) > len(PHASES)


def test_the_record_and_the_frames_name_model_weights_and_kind(shot, weights, tmp_path):
    run(shot, tmp_path / "take", seed=9)
    take = verify_take(tmp_path / "take")
    assert (take.model, take.seed, take.revision) == ("draft", 9, fingerprint(weights))
    assert take.digital_source_type == "compositeWithTrainedAlgorithmicMedia"
    assert take.details["versions"]["diffusers"] == version("diffusers")
    with PIL.Image.open(tmp_path / "take/frames/0003.png") as frame:
        text = frame.text
    assert text["Model"] == f"draft {fingerprint(weights)}"
    assert "/digitalsourcetype/compositeWithTrainedAlgorithmicMedia" in text["XML:com.adobe.xmp"]


@pytest.mark.parametrize("phase", PHASES)
def test_cancelled_in_any_phase_it_goes_on_to_the_same_bytes(shot, tmp_path, phase):
    seen: list[Event] = []

    def enough() -> bool:
        if phase != PHASES[-1]:
            return any(event.phase == phase for event in seen)
        # Comes in time: a frame waits where more than four are on their way to the disk.
        return any(event.kind == "frame" for event in seen)

    with pytest.raises(Cancelled, match="are kept" if phase == PHASES[-1] else "no frame was"):
        run(shot, tmp_path / "take", on_event=seen.append, should_stop=enough)
    assert [event.phase for event in seen if event.kind == "progress"][-1] == phase
    assert not (tmp_path / "take/take.json").exists()
    kept = frame_files(tmp_path / "take")
    assert (len(kept) > 0) == (phase == PHASES[-1])
    run(shot, tmp_path / "take")
    run(shot, tmp_path / "whole")
    assert frame_files(tmp_path / "take") == frame_files(tmp_path / "whole")
    assert kept.items() <= frame_files(tmp_path / "take").items()


def test_other_weights_do_not_go_on_with_a_take(shot, weights, tmp_path):
    first = run(shot, tmp_path / "take")
    save_pipeline(small_pipeline(1).network, weights)
    second = run(shot, tmp_path / "take")
    assert first.revision != second.revision
    assert first.files.keys() == second.files.keys()
    assert first.files != second.files
    assert read_take(tmp_path / "take/earlier-1").files == first.files


@pytest.fixture
def worker(weights):
    inbox: queue.Queue[dict] = queue.Queue()
    process = WorkerProcess("cpu", lambda _, message: inbox.put(message))

    def work(shot: Path, take: Path, **changes: object) -> dict:
        values = {"model": "draft", "settings": {"steps": 1}, "seed": 1, "format": "png8"}
        place = {"job": "a", "shot": str(shot), "take": str(take)}
        process.order("generate", **place, **(values | changes))
        while (message := inbox.get(timeout=90))["say"] not in ("end", "exit", "broken"):
            pass
        assert message["say"] == "end", process.last_words()
        return message["event"]

    yield work
    process.kill()


def test_a_warm_worker_notices_other_and_broken_weights(worker, shot, weights, tmp_path):
    for name in ("one", "two", "three", "four"):
        (tmp_path / name).mkdir()
    assert worker(shot, tmp_path / "one/take")["kind"] == "done"
    save_pipeline(small_pipeline(1).network, weights)
    assert worker(shot, tmp_path / "two/take")["kind"] == "done"
    takes = [read_take(tmp_path / name / "take") for name in ("one", "two")]
    assert takes[1].revision == fingerprint(weights) != takes[0].revision
    assert takes[0].files != takes[1].files

    model = weights / "network/diffusion_pytorch_model.safetensors"
    model.write_bytes(model.read_bytes()[:1000])
    failed = worker(shot, tmp_path / "three/take")
    assert failed["kind"] == "failed"
    assert f"'{model}' cannot be loaded; " in failed["message"]
    assert worker(shot, tmp_path / "four/take", model="projection", settings={})["kind"] == "done"


def test_one_changed_bit_of_the_weights_that_ship_is_not_loaded(monkeypatch, tmp_path):
    save_pipeline(small_pipeline().network, tmp_path / "weights")
    monkeypatch.setenv(variable("draft"), str(tmp_path / "weights"))
    card = as_installed(CARD)
    assert weights_folder(card) == tmp_path / "weights"
    file = tmp_path / "weights/network/diffusion_pytorch_model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1  # the file's header is whole, and so is its length
    file.write_bytes(content)
    with pytest.raises(ModelError, match="damaged or were exchanged"):
        load_model(card, device="cpu")
