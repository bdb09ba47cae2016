"""Memory that runs out: which plan is taken next, and what it does to weights and to other jobs.

That it runs out in each phase in turn is in test_families.py.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKLWan, DiffusionPipeline, WanVACETransformer3DModel
from transformers import UMT5EncoderModel

from backend.errors import SettingError
from backend.generate import generate
from backend.models import find_card, load_model, memory
from backend.models.memory import CPU, FP8, FP8_GROUP_OFFLOAD, GROUP_OFFLOAD, ON_CPU, Q4, RESIDENT
from backend.models.video import quantised
from backend.models.wan_vace import load as loading
from backend.models.weights import variable
from backend.paths import OVERRIDE
from backend.take import Take
from tests.backends import frame_files
from tests.videos import change, tiny_wan_vace

CARD = find_card("wan-vace-1.3b")
SMALL = {"steps": 2, "size": "shot", "window": 9, "overlap": "5"}
FULL = "CUDA out of memory. Tried to allocate 2.00 GiB."


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch) -> None:
    """Tiny weights, and plans on the CPU as there are on a GPU."""
    folder = tiny_wan_vace(tmp_path / "weights")
    monkeypatch.setenv(variable(CARD.id), str(folder))
    monkeypatch.setenv(OVERRIDE, str(tmp_path / "data"))
    monkeypatch.setitem(memory._PLANS, CPU, (RESIDENT, GROUP_OFFLOAD, FP8_GROUP_OFFLOAD))


@pytest.fixture
def shot(make_shot: Callable[..., Path]) -> Path:
    return make_shot(frames=12)


def run(shot: Path, out: Path, *, on_event=lambda event: None, **settings: object) -> Take:
    return generate(
        shot,
        model=CARD.id,
        settings={**SMALL, **settings},
        out=out,
        device="cpu",
        on_event=on_event,
        should_stop=lambda: False,
    )


def run_out(monkeypatch, kind: type, method: str, *, times: int, after: int = 0) -> None:
    """Let a method of a network run out of memory so often, after it has worked so often."""
    works, calls = getattr(kind, method), []

    def scarce(self, *arguments, **options):
        calls.append(method)
        if after < len(calls) <= after + times:
            raise torch.OutOfMemoryError(FULL)
        return works(self, *arguments, **options)

    monkeypatch.setattr(kind, method, scarce)


def warm_model():
    """Return what `generate` loads with: one model, as a worker keeps it."""
    models = {}

    def load(card, *, device):
        if not models:
            models[card.id] = load_model(card, device=device)
        return models[card.id]

    return load


def test_weights_that_do_not_fit_are_placed_by_the_next_plan(shot, tmp_path, monkeypatch):
    run(shot, tmp_path / "whole")
    run_out(monkeypatch, DiffusionPipeline, "to", times=1)
    take = run(shot, tmp_path / "take")
    assert take.details["memory_plans"][-1] == "group_offload"
    assert frame_files(tmp_path / "take") == frame_files(tmp_path / "whole")


def test_weights_that_do_not_fit_while_they_are_loaded_go_on_with_less(shot, tmp_path, monkeypatch):
    monkeypatch.setitem(memory._PLANS, CPU, (RESIDENT, GROUP_OFFLOAD, Q4))
    needs = {RESIDENT: 9, GROUP_OFFLOAD: 10, Q4: 5}
    monkeypatch.setattr(
        memory, "estimate", lambda card, plan, **work: memory.Need(needs[plan], needs[plan], 0)
    )
    run(shot, tmp_path / "rounded", memory="q4")
    load_part = loading.load_part

    def scarce(card, folder, kind, **options):
        if kind is WanVACETransformer3DModel:
            raise MemoryError("not enough memory")
        return load_part(card, folder, kind, **options)

    monkeypatch.setattr(loading, "load_part", scarce)
    take = run(shot, tmp_path / "take")
    assert take.details["memory_plans"] == ["q4"]
    assert take.warnings[-1] == (
        "The computer's memory was full with “Everything on the GPU”, so it went on with"
        " “4-bit weights”."
    )
    assert frame_files(tmp_path / "take") == frame_files(tmp_path / "rounded")
    monkeypatch.setattr(quantised, "load_four_bits", lambda *given, **options: scarce(*given[:3]))
    with pytest.raises(MemoryError, match="not enough memory"):
        run(shot, tmp_path / "none")


def test_a_better_plan_follows_the_last_where_it_needs_less(shot, tmp_path, monkeypatch):
    """4 bits need more of the GPU than what goes through it block by block."""
    monkeypatch.setitem(memory._PLANS, CPU, (GROUP_OFFLOAD, Q4))
    needs = {GROUP_OFFLOAD: memory.Need(5, 9, 0), Q4: memory.Need(9, 5, 0)}
    monkeypatch.setattr(memory, "estimate", lambda card, plan, **work: needs[plan])
    run_out(monkeypatch, AutoencoderKLWan, "decode", times=1)
    take = run(shot, tmp_path / "take", memory="q4")
    assert len(take.details["windows"]) == 2
    assert take.details["memory_plans"] == ["group_offload"], "in each window"
    assert len(take.warnings) == 1


def test_no_plan_is_tried_twice_in_a_job(shot, tmp_path, monkeypatch):
    monkeypatch.setitem(memory._PLANS, CPU, (GROUP_OFFLOAD, Q4))
    needs = {GROUP_OFFLOAD: memory.Need(5, 9, 0), Q4: memory.Need(9, 5, 0)}
    monkeypatch.setattr(memory, "estimate", lambda card, plan, **work: needs[plan])
    load_part = loading.load_part

    def scarce(card, folder, kind, **options):
        if kind is WanVACETransformer3DModel:
            raise MemoryError("not enough memory")
        return load_part(card, folder, kind, **options)

    monkeypatch.setattr(loading, "load_part", scarce)
    run_out(monkeypatch, AutoencoderKLWan, "decode", times=99)
    with pytest.raises(torch.OutOfMemoryError):
        run(shot, tmp_path / "take", memory="group_offload")


def test_words_that_do_not_fit_are_read_layer_by_layer(shot, tmp_path, monkeypatch):
    run(shot, tmp_path / "whole")
    monkeypatch.setenv(OVERRIDE, str(tmp_path / "other data"))
    run_out(monkeypatch, UMT5EncoderModel, "forward", times=1)
    run(shot, tmp_path / "take")
    assert frame_files(tmp_path / "take") == frame_files(tmp_path / "whole")


def test_finished_windows_are_kept_when_even_the_last_plan_runs_out(shot, tmp_path, monkeypatch):
    with monkeypatch.context() as scarce:
        run_out(scarce, AutoencoderKLWan, "decode", times=99, after=1)
        with pytest.raises(torch.OutOfMemoryError):
            run(shot, tmp_path / "take")
    kept = frame_files(tmp_path / "take")
    assert len(kept) == 2 * 9
    run(shot, tmp_path / "take")
    assert kept.items() <= frame_files(tmp_path / "take").items()


def test_another_mistake_is_none_of_memory(shot, tmp_path, monkeypatch):
    def broken(self, *arguments, **options):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(AutoencoderKLWan, "decode", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        run(shot, tmp_path / "take")


def test_a_plan_can_be_asked_for(shot, tmp_path):
    take = run(shot, tmp_path / "take", memory="group_offload")
    assert take.details["memory_plans"][-1] == "group_offload"
    with pytest.raises(SettingError, match="'tiled' is not for the device 'cpu'; set 'mem"):
        run(shot, tmp_path / "no", memory="tiled")


def test_rounded_weights_are_loaded_again_for_a_plan_that_wants_them_exact(shot, tmp_path):
    load = warm_model()

    def make(name: str, plan: str) -> dict[str, bytes]:
        generate(
            shot, model=CARD.id, settings={**SMALL, "memory": plan}, out=tmp_path / name,
            device="cpu", on_event=lambda event: None, should_stop=lambda: False, load=load,
        )  # fmt: skip
        return frame_files(tmp_path / name)

    exact, rounded = make("exact", "resident"), make("rounded", "fp8_group_offload")
    assert exact != rounded
    assert make("again", "resident") == exact


def test_rounded_weights_are_known_to_be_also_after_other_words(shot, tmp_path):
    """Reading new words puts the model away, and what is put away is in 8 bits still."""
    load = warm_model()

    def make(name: str, plan: str, prompt: str) -> Take:
        change(shot, prompt=prompt)
        return generate(
            shot, model=CARD.id, settings={**SMALL, "memory": plan}, out=tmp_path / name,
            device="cpu", on_event=lambda event: None, should_stop=lambda: False, load=load,
        )  # fmt: skip

    make("rounded", "fp8_group_offload", "a street")
    warm = make("warm", "resident", "a wood")
    load = warm_model()
    assert make("fresh", "resident", "a wood").files == warm.files


def test_a_plan_that_is_asked_for_is_taken_also_where_it_ran_out_before(
    shot, tmp_path, monkeypatch
):
    load = warm_model()

    def make(name: str, plan: str) -> list[str]:
        return generate(
            shot, model=CARD.id, settings={**SMALL, "memory": plan}, out=tmp_path / name,
            device="cpu", on_event=lambda event: None, should_stop=lambda: False, load=load,
        ).details["memory_plans"]  # fmt: skip

    with monkeypatch.context() as scarce:
        run_out(scarce, AutoencoderKLWan, "decode", times=1)
        assert make("one", "auto") == ["group_offload"]
    assert make("two", "auto") == ["group_offload"], "it is not tried again"
    assert make("three", "resident") == ["resident"]
    with pytest.raises(SettingError):
        make("four", "tiled")


def test_within_a_job_no_better_plan_is_tried_again(shot, tmp_path, monkeypatch):
    """Windows may have two lengths; what ran out for one would for the other."""
    run_out(monkeypatch, AutoencoderKLWan, "decode", times=1)
    take = run(shot, tmp_path / "take", window=9)
    assert len(take.details["windows"]) == 2
    assert take.details["memory_plans"] == ["group_offload"]
    assert len(take.warnings) == 1


def test_the_plans_of_each_device():
    assert [plan.id for plan in memory.plans_for("cuda:1", CARD)][:2] == ["resident", "tiled"]
    assert FP8 in memory.plans_for("cuda", CARD)
    assert ON_CPU not in memory.plans_for("cuda", CARD)
