"""Weights of 4 bits: made once, kept, loaded as they are, and never taken for others."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from diffusers import (
    AutoencoderKLWan,
    WanVACEPipeline,
    WanVACETransformer3DModel,
)
from diffusers.quantizers.gguf.utils import dequantize_gguf_tensor

from backend.errors import Cancelled, ModelError, StorageError
from backend.events import Event
from backend.generate import generate
from backend.models import find_card, load_model, memory, removal, rounded
from backend.models.hub import home
from backend.models.memory import CPU, FP8, GROUP_OFFLOAD, Q4, RESIDENT
from backend.models.video import quantised
from backend.models.video.place import place, release
from backend.models.video.quantised import load_four_bits
from backend.models.video.quick import Quick
from backend.models.video.window import ROUNDING
from backend.models.wan_vace.load import add_lora
from backend.models.weights import variable
from backend.paths import OVERRIDE
from backend.setup.ours import ours
from backend.take import Take
from tests.backends import frame_files
from tests.videos import tiny_lora, tiny_wan_vace

CARD = find_card("wan-vace-1.3b")
SMALL = {"steps": 2, "size": "shot", "window": 9, "overlap": "5"}
EXACT_PARTS = ("norm", "scale_shift_table", "condition_embedder", "patch_embedding", "bias")


class Sink:
    """Takes what is told; stops after so many."""

    def __init__(self, *, stop_after: int = 10**6):
        self.told: list[tuple[str, int, int]] = []
        self.stop_after = stop_after

    def progress(self, phase: str, done: int, total: int) -> None:
        self.told.append((phase, done, total))
        if len(self.told) > self.stop_after:
            raise Cancelled("enough")


@pytest.fixture
def weights(tmp_path, monkeypatch) -> Path:
    """Tiny weights, plans on the CPU as there are on a GPU, and a data folder."""
    folder = tiny_wan_vace(tmp_path / "weights", second=True, head=16)
    monkeypatch.setenv(variable(CARD.id), str(folder))
    monkeypatch.setenv(OVERRIDE, str(tmp_path / "data"))
    monkeypatch.setitem(memory._PLANS, CPU, (RESIDENT, GROUP_OFFLOAD, FP8, Q4))
    return folder


@pytest.fixture
def shot(make_shot: Callable[..., Path]) -> Path:
    return make_shot(frames=9)


def kept(tmp_path: Path) -> list[Path]:
    return rounded.files(tmp_path / "data", CARD)


def load(weights: Path, sink: Sink | None = None, dtype: torch.dtype = torch.float32):
    return load_four_bits(
        CARD,
        weights / "transformer",
        WanVACETransformer3DModel,
        dtype=dtype,
        report=sink or Sink(),
    )


def exact(weights: Path, dtype: torch.dtype = torch.float32) -> WanVACETransformer3DModel:
    return WanVACETransformer3DModel.from_pretrained(weights / "transformer", dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_matrices_are_in_4_bits_and_the_rest_is_as_it_was(weights, dtype):
    network, published = load(weights, dtype=dtype), exact(weights, dtype)
    wanted = dict(published.named_parameters())
    assert network.dtype == dtype
    assert not network.training
    for name, values in network.named_parameters():
        if any(part in name for part in EXACT_PARTS):
            assert values.dtype == wanted[name].dtype
            assert torch.equal(values, wanted[name]), name
            continue
        assert values.nbytes == wanted[name].numel() * memory.QUARTER, name
        was = exact(weights).get_parameter(name)
        off = dequantize_gguf_tensor(values).float() - was
        assert 0.02 < off.norm() / was.norm() < 0.12, name
    buffers = dict(published.named_buffers())
    assert all(torch.equal(values, buffers[name]) for name, values in network.named_buffers())


def test_they_are_made_once_and_found_again(weights, tmp_path, monkeypatch):
    first, again = Sink(), Sink()
    network = load(weights, first)
    assert {phase for phase, _, _ in first.told} == {ROUNDING}
    parts = [done / total for _, done, total in first.told]
    assert parts[-1] == 0.0, "what was written is read again"
    assert parts[:-1] == sorted(parts)[1:]
    assert (parts[0], parts[-2]) == (0.0, 1.0)
    (file,) = kept(tmp_path)
    content = file.read_bytes()
    with monkeypatch.context() as found:
        found.setattr(quantised, "_make", None)
        other = load(weights, again)
    assert again.told == [(ROUNDING, 0, len(content))]
    assert all(
        torch.equal(values, other.get_parameter(name))
        for name, values in network.state_dict().items()
    )
    file.unlink()
    load(weights)
    assert kept(tmp_path) == [file]
    assert file.read_bytes() == content


def test_seeing_that_they_are_whole_is_told_and_can_be_stopped(weights, tmp_path, monkeypatch):
    load(weights)
    (file,) = kept(tmp_path)
    size, part = file.stat().st_size, 10_000
    monkeypatch.setattr(quantised, "_HASHED_AT_ONCE", part)
    sink = Sink()
    load(weights, sink)
    assert sink.told == [(ROUNDING, done, size) for done in range(0, size, part)]
    with pytest.raises(Cancelled):
        load(weights, Sink(stop_after=1))
    assert kept(tmp_path) == [file]


@pytest.mark.parametrize("harm", ["cut", "changed", "empty"])
def test_what_was_damaged_is_made_anew(weights, tmp_path, harm):
    wanted = load(weights).state_dict()
    (file,) = kept(tmp_path)
    whole = file.read_bytes()
    content = bytearray(whole)
    if harm == "changed":
        content[-20] ^= 1
    file.write_bytes({"cut": content[:-100], "changed": content, "empty": b""}[harm])
    found = load(weights).state_dict()
    assert all(torch.equal(values, found[name]) for name, values in wanted.items())
    assert kept(tmp_path) == [file]
    assert file.read_bytes() == whole


def test_a_stop_leaves_nothing_and_so_does_what_a_kill_left(weights, tmp_path, monkeypatch):
    with pytest.raises(Cancelled):
        load(weights, Sink(stop_after=40))
    assert kept(tmp_path) == []
    with monkeypatch.context() as killed:  # nothing after it runs
        killed.setattr(Path, "unlink", lambda self, missing_ok=False: None)
        with pytest.raises(Cancelled):
            load(weights, Sink(stop_after=40))
    assert [path.suffix for path in kept(tmp_path)] == [".part"]
    load(weights)
    assert [path.suffix for path in kept(tmp_path)] == [".gguf"]


def test_those_of_another_revision_or_recipe_are_not_taken(weights, tmp_path, monkeypatch):
    load(weights)
    (first,) = kept(tmp_path)
    monkeypatch.setattr(quantised, "_RECIPE", 2)
    load(weights)
    (second,) = kept(tmp_path)
    assert first.name != second.name


def test_those_of_another_folder_are_not_taken(weights, tmp_path):
    """An artist names one folder, and later another one for the same model."""
    load(weights)
    other = tiny_wan_vace(tmp_path / "other", seed=1, second=True, head=16)
    bias = load(other).get_parameter("proj_out.bias")
    assert torch.equal(bias, exact(other).get_parameter("proj_out.bias"))
    assert not torch.equal(bias, exact(weights).get_parameter("proj_out.bias"))


def test_a_disk_without_room_is_told_before(weights, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 5 * 10**8})
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(StorageError, match=r"need 0\.0 GB in .* and 0\.5 GB are free; make room"):
        load(weights)
    assert kept(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_told(weights, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / rounded.FOLDER).write_text("a file")
    with pytest.raises(StorageError, match="cannot be kept in"):
        load(weights)


@pytest.mark.parametrize("harm", ["no safetensors", "lacking", "missing"])
def test_published_weights_that_are_damaged_are_told(weights, tmp_path, harm):
    from safetensors.torch import load_file, save_file

    (file,) = (weights / "transformer").glob("*.safetensors")
    if harm == "lacking":
        tensors = load_file(file)
        del tensors["proj_out.weight"]
        save_file(tensors, file)
    elif harm == "missing":
        file.unlink()
    else:
        file.write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(ModelError, match="cannot be used"):
        load(weights)
    assert kept(tmp_path) == []


def test_they_go_with_the_weights_they_were_made_of(weights, tmp_path):
    load(weights)
    bytes_kept = rounded.size(tmp_path / "data", CARD)
    assert bytes_kept > 10_000
    weights_home = home(tmp_path / "data")
    assert removal.is_kept(weights_home, CARD)
    assert set(kept(tmp_path)) < set(ours(tmp_path / "data"))
    assert not removal.is_kept(weights_home, find_card("wan-vace-14b"))
    assert removal.remove(weights_home, CARD) == bytes_kept
    assert not removal.is_kept(weights_home, CARD)


def pipeline_of(transformer, weights: Path) -> WanVACEPipeline:
    loaded = WanVACEPipeline.from_pretrained(
        weights, transformer=transformer, transformer_2=None, text_encoder=None, tokenizer=None
    )
    loaded.set_progress_bar_config(disable=True)
    return loaded


@pytest.mark.parametrize("plan", [RESIDENT, GROUP_OFFLOAD, FP8], ids=lambda plan: plan.id)
def test_they_are_placed_by_their_own_plan_alone(weights, plan):
    pipeline = pipeline_of(load(weights), weights)
    with pytest.raises(ValueError, match="4 bits"):
        place(pipeline, plan, torch.device(CPU))
    with pytest.raises(ValueError, match="16 bits"):
        place(pipeline_of(exact(weights), weights), Q4, torch.device(CPU))
    place(pipeline, Q4, torch.device(CPU))
    assert pipeline.vae.use_tiling
    release(pipeline, torch.device(CPU))


def run(
    shot: Path,
    out: Path,
    *,
    load: Callable[..., object] = load_model,
    on_event: Callable[[Event], None] = lambda event: None,
    **settings: object,
) -> Take:
    return generate(
        shot,
        model=CARD.id,
        settings={**SMALL, **settings},
        out=out,
        device=CPU,
        on_event=on_event,
        should_stop=lambda: False,
        load=load,
    )


def warm() -> Callable[..., object]:
    """Return what `generate` loads with: one model, as a worker keeps it."""
    models = {}

    def load(card, *, device):
        if not models:
            models[card.id] = load_model(card, device=device)
        return models[card.id]

    return load


def test_a_take_says_so_and_is_the_same_each_time(shot, weights, tmp_path, monkeypatch):
    loads = []
    from_pretrained = WanVACETransformer3DModel.from_pretrained
    monkeypatch.setattr(
        WanVACETransformer3DModel,
        "from_pretrained",
        lambda *given, **options: loads.append(given) or from_pretrained(*given, **options),
    )
    events: list[Event] = []
    take = run(shot, tmp_path / "one", memory="q4", on_event=events.append)
    assert take.details["memory_plans"] == ["q4"]
    used = take.details["versions"]
    assert {name: used.get(name) for name in ("transformers", "gguf", "peft")} == {
        "transformers": version("transformers"), "gguf": version("gguf"), "peft": None
    }  # fmt: skip
    assert take.warnings == ()
    assert ROUNDING in [event.phase for event in events if event.kind == "progress"]
    shares = [event.share for event in events if event.kind == "progress"]
    assert shares == sorted(shares)
    assert loads == [], "the published weights are never all in memory"
    assert len(kept(tmp_path)) == 2, "of both transformers"
    run(shot, tmp_path / "two", memory="q4")
    assert frame_files(tmp_path / "two") == frame_files(tmp_path / "one")
    run(shot, tmp_path / "exact", memory="resident")
    assert frame_files(tmp_path / "exact") != frame_files(tmp_path / "one")


def test_a_job_finds_its_own_weights_whatever_the_one_before_had(shot, weights, tmp_path):
    fresh = {}
    for plan in ("resident", "fp8", "q4"):
        run(shot, tmp_path / plan, memory=plan)
        fresh[plan] = frame_files(tmp_path / plan)
    load = warm()
    for number, plan in enumerate(("resident", "q4", "resident", "fp8", "q4", "fp8", "resident")):
        run(shot, tmp_path / f"{number}", memory=plan, load=load)
        assert frame_files(tmp_path / f"{number}") == fresh[plan], (number, plan)


def test_memory_that_runs_out_goes_on_with_4_bits(shot, weights, tmp_path, monkeypatch):
    monkeypatch.setitem(memory._PLANS, CPU, (RESIDENT, Q4))
    run(shot, tmp_path / "rounded", memory="q4")
    decode, calls = AutoencoderKLWan.decode, []

    def scarce(self, *given, **options):
        calls.append(given)
        if len(calls) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return decode(self, *given, **options)

    monkeypatch.setattr(AutoencoderKLWan, "decode", scarce)
    take = run(shot, tmp_path / "take")
    assert take.details["memory_plans"] == ["q4"]
    assert "“4-bit weights”" in take.warnings[0]
    assert frame_files(tmp_path / "take") == frame_files(tmp_path / "rounded")


@pytest.fixture
def fast(weights, tmp_path, monkeypatch) -> None:
    card = CARD.fast_card
    tiny_lora(weights, tmp_path / "lora" / card.hub.files[0])
    monkeypatch.setenv(variable(card.id), str(tmp_path / "lora"))


def test_what_makes_few_steps_is_gone_in_the_next_job(shot, weights, fast, tmp_path):
    frames = {}
    for plan in ("resident", "q4"):
        load = warm()
        for quick in (False, True, False):
            name = f"{plan} {quick} {len(frames)}"
            take = run(shot, tmp_path / name, memory=plan, fast=quick, load=load)
            assert take.details["memory_plans"] == [plan]
            frames.setdefault((plan, quick), []).append(frame_files(tmp_path / name))
    for plan in ("resident", "q4"):
        before, after = frames[plan, False]
        assert before == after
        assert frames[plan, True][0] != before


@pytest.mark.parametrize("layer", ["blocks.0.attn1.to_q", "vace_blocks.0.attn2.to_v"])
def test_what_makes_few_steps_adds_the_same_to_4_bits(weights, fast, tmp_path, layer):
    """It stays beside rounded weights and goes into exact ones; what it adds is the same."""
    inputs = torch.randn(3, 32, generator=torch.Generator().manual_seed(0))
    added = {}
    for bits, network in ((16, exact(weights)), (4, load(weights))):
        with torch.inference_mode():
            before = network.get_submodule(layer)(inputs)
            add_lora(
                CARD.fast_card, tmp_path / "lora", pipeline_of(network, weights), fuse=bits > 4
            )
            added[bits] = network.get_submodule(layer)(inputs) - before
    assert added[16].abs().mean() > 0.01
    torch.testing.assert_close(added[4], added[16], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("plan", [FP8, Q4], ids=lambda plan: plan.id)
def test_compiling_is_not_for_rounded_weights(weights, plan):
    said: list[str] = []
    pipeline = pipeline_of(exact(weights), weights)
    Quick(torch.device("cuda")).prepare(
        pipeline,
        plan,
        SimpleNamespace(settings={"compile": True}),
        SimpleNamespace(warn=said.append),
    )
    assert said == [
        "Compiling is for a model that stays on a GPU as it is, so this take is made without."
    ]
