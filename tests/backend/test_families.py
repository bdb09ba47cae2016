"""What every family of large models does, with tiny random weights of the real classes.

A job like any other, whatever makes its frames: its phases in order, a seed's own bytes, a cancel
in any phase, memory that runs out in any phase, every memory plan, a worker that is killed. A new
family is a row of `FAMILIES`.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import torch
from diffusers import (
    AutoencoderKLLTX2Video,
    AutoencoderKLTemporalDecoder,
    AutoencoderKLWan,
    SanaWMTransformer3DModel,
    UNetSpatioTemporalConditionModel,
    WanVACETransformer3DModel,
)
from transformers import CLIPVisionModelWithProjection

from backend import models
from backend.bundle import pack
from backend.errors import Cancelled
from backend.events import Event
from backend.generate import LOADING
from backend.models import find_card, memory
from backend.models.card import Card
from backend.models.memory import (
    CPU,
    EXACT,
    FP8_GROUP_OFFLOAD,
    GROUP_OFFLOAD,
    MODEL_OFFLOAD,
    RESIDENT,
)
from backend.models.video.window import DECODING, DENOISING, ENCODING, READING
from backend.models.weights import fingerprint, variable
from backend.paths import OVERRIDE
from backend.take import Take, verify_take
from tests.backends import (
    all_events,
    assert_alike,
    events_until,
    frame_files,
    running_backend,
    worker_pid,
)
from tests.videos import take_maker, tiny_sana_wm, tiny_svd, tiny_wan_vace

FULL = "CUDA out of memory. Tried to allocate 2.00 GiB."
PLANS = (MODEL_OFFLOAD, GROUP_OFFLOAD, FP8_GROUP_OFFLOAD)

# diffusers' Euler scheduler makes an array of a tensor by numpy's older way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@dataclass(frozen=True)
class Family:
    """A family as it is tested.

    Attributes:
        model: The id of its smallest card.
        write: Writes its tiny pipeline into a folder.
        settings: So that a shot is made in two windows.
        frames: Of the shot.
        first: How many of them the first window makes.
        networks: What works in each phase, by its class and method.
    """

    model: str
    write: Callable[[Path], Path]
    settings: Mapping[str, object]
    frames: int
    first: int
    networks: Mapping[str, tuple[type, str]]

    @property
    def card(self) -> Card:
        return find_card(self.model)

    @property
    def phases(self) -> list[str]:
        return [name for name, _ in self.card.phases]

    @property
    def run(self) -> Callable[..., Take]:
        return take_maker(self.model, self.settings)


_WAN = {
    ENCODING: (AutoencoderKLWan, "encode"),
    DENOISING: (WanVACETransformer3DModel, "forward"),
    DECODING: (AutoencoderKLWan, "decode"),
}
FAMILIES = (
    Family(
        model="wan-vace-1.3b",
        write=tiny_wan_vace,
        settings={"steps": 2, "size": "shot", "window": 9, "overlap": "5", "feather": 0},
        frames=12,
        first=9,
        networks=_WAN,
    ),
    Family(
        model="wan2.2-vace-fun-a14b",  # two transformers, for the noisy steps and for the others
        write=partial(tiny_wan_vace, second=True),
        settings={"steps": 2, "size": "shot", "window": 9, "overlap": "5", "feather": 0},
        frames=12,
        first=9,
        networks=_WAN,
    ),
    Family(
        model="sana-wm",
        write=tiny_sana_wm,
        settings={"steps": 2, "size": "shot", "window": 9, "feather": 0},
        frames=12,
        first=9,
        networks={
            ENCODING: (AutoencoderKLLTX2Video, "encode"),
            DENOISING: (SanaWMTransformer3DModel, "forward"),
            DECODING: (AutoencoderKLLTX2Video, "decode"),
        },
    ),
    Family(
        model="svd",
        write=tiny_svd,
        settings={"steps": 2, "size": "shot", "window": 5},
        frames=9,
        first=5,
        networks={
            "reading the picture": (CLIPVisionModelWithProjection, "forward"),
            ENCODING: (AutoencoderKLTemporalDecoder, "encode"),
            DENOISING: (UNetSpatioTemporalConditionModel, "forward"),
            DECODING: (AutoencoderKLTemporalDecoder, "decode"),
        },
    ),
)


def each(of: Callable[[Family], object]) -> pytest.MarkDecorator:
    """Every family with each of something of its own."""
    pairs = [(family, one) for family in FAMILIES for one in of(family)]
    names = [f"{family.model}-{getattr(one, 'id', one)}" for family, one in pairs]
    return pytest.mark.parametrize(("family", "one"), pairs, ids=names)


every = pytest.mark.parametrize("family", FAMILIES, ids=[family.model for family in FAMILIES])


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The tiny weights of each family, by model."""
    folder = tmp_path_factory.mktemp("tiny")
    return {family.model: family.write(folder / family.model) for family in FAMILIES}


@pytest.fixture(autouse=True)
def place(tmp_path, written, monkeypatch) -> None:
    """Tiny weights, and a data folder of the test's own."""
    for model, folder in written.items():
        monkeypatch.setenv(variable(model), str(folder))
    monkeypatch.setenv(OVERRIDE, str(tmp_path / "data"))


@pytest.fixture(scope="module")
def wholes() -> dict[str, dict[str, bytes]]:
    """The frames of takes that nothing has disturbed, by model; see `whole`."""
    return {}


@pytest.fixture
def whole(family: Family, shot: Path, tmp_path: Path, wholes) -> dict[str, bytes]:
    """The frames of the shot's take that nothing has disturbed."""
    if family.model not in wholes:
        family.run(shot, tmp_path / "whole")
        wholes[family.model] = frame_files(tmp_path / "whole")
    return wholes[family.model]


@pytest.fixture
def shot(family: Family, make_shot: Callable[..., Path]) -> Path:
    return make_shot(frames=family.frames)


def test_every_family_is_here():
    assert {family.card.family for family in FAMILIES} == {
        card.family for card in models.cards() if card.hub is not None
    }


@every
def test_a_seed_gives_the_same_bytes_and_another_one_others(family, shot, tmp_path, written):
    take = family.run(shot, tmp_path / "one", seed=1)
    assert verify_take(tmp_path / "one") == take
    assert (take.frames, take.size, take.seed) == (family.frames, (64, 40), 1)
    assert take.revision == fingerprint(written[family.model])
    assert take.details["windows"] == [0, family.first]
    family.run(shot, tmp_path / "again", seed=1)
    family.run(shot, tmp_path / "two", seed=2)
    one, again, two = (frame_files(tmp_path / name) for name in ("one", "again", "two"))
    assert one == again
    assert one != two


@every
def test_its_phases_come_in_order_and_the_bar_never_falls(family, shot, tmp_path):
    events: list[Event] = []
    family.run(shot, tmp_path / "take", on_event=events.append)
    said = [event for event in events if event.kind == "progress"]
    once = [name for name in family.phases if name == READING]
    anew = [name for name in family.phases if name != READING]
    windows = [f"{name}, window {number} of 2" for number in (1, 2) for name in anew]
    assert list(dict.fromkeys(event.phase for event in said)) == [LOADING, *once, *windows]
    shares = [event.share for event in said]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)
    details = json.loads((tmp_path / "take/take.json").read_text())["details"]
    assert set(details["seconds"]) == {LOADING, *family.phases}


@each(lambda family: family.phases)
def test_cancelled_in_any_phase_it_goes_on_to_the_same_bytes(family, one, shot, whole, tmp_path):
    seen: list[Event] = []
    window = "" if one == READING else ", window 2 of 2"

    def enough() -> bool:
        return any(event.phase == one + window for event in seen)

    with pytest.raises(Cancelled) as stopped:
        family.run(shot, tmp_path / "take", on_event=seen.append, should_stop=enough)
    kept = frame_files(tmp_path / "take")
    assert len(kept) == (0 if one == READING else 2 * family.first)
    assert stopped.value.goes_on == bool(kept)
    assert (tmp_path / "take").exists() == bool(kept)
    said = (
        "no frame was finished yet" if one == READING else "the frames that are finished are kept"
    )
    assert str(stopped.value) == f"Stopped; {said}."
    again: list[Event] = []
    family.run(shot, tmp_path / "take", on_event=again.append)
    assert frame_files(tmp_path / "take") == whole
    assert kept.items() <= whole.items()
    if kept:
        assert not any("of 2" in event.phase for event in again), "one window was left"


def run_out(
    family: Family, phase: str, monkeypatch, *, seen: list[Event], window: int
) -> list[str]:
    """Let memory run out once in a phase of a window; returns where that is noted."""
    kind, method = family.networks[phase]
    works, calls = getattr(kind, method), []

    def scarce(self, *arguments, **options):
        if not calls and (window == 1 or any("window 2" in event.phase for event in seen)):
            calls.append(phase)
            raise torch.OutOfMemoryError(FULL)
        return works(self, *arguments, **options)

    monkeypatch.setattr(kind, method, scarce)
    return calls


@each(lambda family: [(phase, window) for phase in family.networks for window in (1, 2)])
def test_memory_that_runs_out_in_any_phase_costs_nothing(
    family, one, shot, whole, tmp_path, monkeypatch
):
    phase, window = one
    monkeypatch.setitem(memory._PLANS, CPU, (RESIDENT, GROUP_OFFLOAD))
    seen: list[Event] = []
    calls = run_out(family, phase, monkeypatch, seen=seen, window=window)
    take = family.run(shot, tmp_path / "take", on_event=seen.append)
    assert calls
    said = (
        "The memory of the GPU was full with “Everything on the GPU”, so it went on with"
        " “Block by block”."
    )
    assert said in take.warnings
    assert [event.message for event in seen].count(said) == 1
    plans = [RESIDENT.id, GROUP_OFFLOAD.id]
    assert take.details["memory_plans"] == (plans[1:] if window == 1 else plans)
    assert frame_files(tmp_path / "take") == whole


@each(lambda family: PLANS)
def test_in_the_middle_of_a_take_any_plan_can_follow(
    family, one, shot, whole, tmp_path, monkeypatch
):
    monkeypatch.setitem(memory._PLANS, CPU, (RESIDENT, one))
    seen: list[Event] = []
    run_out(family, DECODING, monkeypatch, seen=seen, window=2)
    take = family.run(shot, tmp_path / "take", on_event=seen.append)
    assert take.details["memory_plans"] == [RESIDENT.id, one.id]
    assert (frame_files(tmp_path / "take") == whole) == (one.bits == EXACT)


@each(lambda family: PLANS)
def test_a_plan_that_is_exact_makes_the_same_frames(
    family, one, shot, whole, tmp_path, monkeypatch
):
    monkeypatch.setitem(memory._PLANS, CPU, (RESIDENT, one))
    settings = {**family.settings, "memory": one.id}
    take = family.run(shot, tmp_path / "take", settings=settings)
    assert take.details["memory_plans"] == [one.id]
    same = frame_files(tmp_path / "take") == whole
    assert same == (one.bits == EXACT)


@every
def test_a_worker_that_is_killed_costs_no_finished_window(family, shot, tmp_path):
    settings = {**family.settings, "steps": 60}  # time to be killed in
    pack(shot, tmp_path / "shot.zip")
    with running_backend(tmp_path / "data") as backend:
        job = backend.submit(tmp_path / "shot.zip", model=family.model, settings=settings, seed=1)
        following = backend.follow(job)
        said = events_until(following, lambda event: f"{DENOISING}, window 2" in event.phase)
        first = worker_pid(backend)
        os.kill(first, signal.SIGKILL)
        said += all_events(following)
        assert said[-1].kind == "done", said[-1]
        assert backend.job(job)["crashes"] == 1
        assert worker_pid(backend) != first
        made = [event.index for event in said if event.kind == "frame"]
        assert sorted(made) == list(range(family.frames)), "each once"
        backend.download(job, tmp_path / "fetched")
    family.run(shot, tmp_path / "here", settings=settings, seed=1)
    assert_alike(tmp_path / "fetched", tmp_path / "here")
