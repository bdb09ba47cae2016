"""Every memory plan on the CPU: the same frames, nothing left behind, one plan after another."""

import pytest
import torch
from diffusers import WanVACEPipeline
from transformers import UMT5Config, UMT5EncoderModel

from backend.models.memory import (
    FP8,
    FP8_GROUP_OFFLOAD,
    GROUP_OFFLOAD,
    MODEL_OFFLOAD,
    ON_CPU,
    RESIDENT,
    TILED,
)
from backend.models.video.place import place, place_text, release
from tests.videos import tiny_wan_vace

CPU = torch.device("cpu")
EXACT = (RESIDENT, TILED, MODEL_OFFLOAD, GROUP_OFFLOAD, ON_CPU)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_wan_vace(tmp_path_factory.mktemp("weights"), second=True)


@pytest.fixture
def pipeline(folder):
    loaded = WanVACEPipeline.from_pretrained(
        folder,
        local_files_only=True,
        text_encoder=None,
        tokenizer=None,
        boundary_ratio=0.9,  # of two steps, a transformer does one
    )
    loaded.set_progress_bar_config(disable=True)
    return loaded


def frames(pipeline, on_step=None) -> torch.Tensor:
    return pipeline(
        prompt_embeds=torch.ones(1, 16, 32),
        negative_prompt_embeds=torch.zeros(1, 16, 32),
        video=torch.linspace(0, 1, 5 * 3 * 64 * 64).reshape(1, 5, 3, 64, 64),
        mask=torch.ones(1, 5, 1, 64, 64),
        height=64,
        width=64,
        num_frames=5,
        num_inference_steps=2,
        generator=torch.Generator("cpu").manual_seed(1),
        output_type="pt",
        callback_on_step_end=on_step,
    ).frames


def hooks(pipeline) -> set[str]:
    found = set()
    for network in (pipeline.transformer, pipeline.transformer_2, pipeline.vae):
        for module in network.modules():
            found |= {"accelerate"} if "_hf_hook" in vars(module) else set()
            registry = vars(module).get("_diffusers_hook")
            found |= set() if registry is None else set(registry.hooks)
    return found


@pytest.mark.parametrize("plan", EXACT, ids=lambda plan: plan.id)
def test_an_exact_plan_makes_the_same_frames_and_leaves_nothing_behind(pipeline, plan):
    wanted = frames(pipeline)
    before = {name: values.clone() for name, values in pipeline.transformer.state_dict().items()}
    place(pipeline, plan, CPU)
    assert pipeline.vae.use_tiling is plan.tiling
    torch.testing.assert_close(frames(pipeline), wanted, atol=1e-5, rtol=0)
    assert bool(hooks(pipeline)) is bool(plan.offload)
    release(pipeline, CPU)
    assert not hooks(pipeline)
    after = pipeline.transformer.state_dict()
    assert all(torch.equal(values, after[name]) for name, values in before.items())


def test_one_pipeline_goes_through_all_plans(pipeline):
    wanted = frames(pipeline)
    for plan in (*EXACT, *EXACT):
        place(pipeline, plan, CPU)
        torch.testing.assert_close(frames(pipeline), wanted, atol=1e-5, rtol=0)


def test_weights_in_8_bits_leave_norms_and_times_as_they_are(pipeline):
    place(pipeline, FP8, CPU)
    for network in (pipeline.transformer, pipeline.transformer_2):
        kinds = {name: values.dtype for name, values in network.named_parameters()}
        assert kinds["blocks.0.ffn.net.0.proj.weight"] == torch.float8_e4m3fn
        assert kinds["vace_blocks.0.proj_out.weight"] == torch.float8_e4m3fn
        exact = ("norm", "scale_shift_table", "condition_embedder", "patch_embedding")
        assert {kind for name, kind in kinds.items() if any(part in name for part in exact)} == {
            torch.float32
        }
        assert network.dtype == torch.float32


def test_weights_in_8_bits_make_nearly_the_same_frames_wherever_they_wait(pipeline):
    wanted = frames(pipeline)
    place(pipeline, FP8, CPU)
    rounded = frames(pipeline)
    assert 0 < (rounded - wanted).abs().mean() < 0.05
    place(pipeline, FP8_GROUP_OFFLOAD, CPU)
    torch.testing.assert_close(frames(pipeline), rounded, atol=1e-5, rtol=0)
    place(pipeline, FP8, CPU)
    torch.testing.assert_close(frames(pipeline), rounded, atol=1e-5, rtol=0)


@pytest.mark.parametrize("plan", EXACT, ids=lambda plan: plan.id)
def test_rounded_weights_are_not_taken_for_exact_ones(pipeline, plan):
    place(pipeline, FP8, CPU)
    with pytest.raises(ValueError, match="8 bits"):
        place(pipeline, plan, CPU)


class OutOfMemory(RuntimeError):
    pass


def out_of_memory(*_args, **_kwargs):
    raise OutOfMemory


@pytest.mark.parametrize("plan", [RESIDENT, MODEL_OFFLOAD, GROUP_OFFLOAD], ids=lambda p: p.id)
@pytest.mark.parametrize("where", ["block", "step", "decoding"])
def test_a_job_that_ran_out_of_memory_goes_on_under_another_plan(
    pipeline, plan, where, monkeypatch
):
    wanted = frames(pipeline)
    place(pipeline, plan, CPU)
    with monkeypatch.context() as patched, pytest.raises(OutOfMemory):
        if where == "block":
            patched.setattr(pipeline.transformer_2.blocks[1].ffn, "forward", out_of_memory)
        elif where == "decoding":
            patched.setattr(pipeline.vae.decoder.conv_out, "forward", out_of_memory)
        frames(pipeline, out_of_memory if where == "step" else None)
    release(pipeline, CPU)
    assert not hooks(pipeline)
    assert all(values is None for values in pipeline.vae._feat_map)
    place(pipeline, GROUP_OFFLOAD, CPU)
    torch.testing.assert_close(frames(pipeline), wanted, atol=1e-5, rtol=0)


def tiny_encoder() -> UMT5EncoderModel:
    torch.manual_seed(0)
    return UMT5EncoderModel(
        UMT5Config(vocab_size=64, d_model=32, d_kv=8, d_ff=37, num_layers=2, num_heads=4)
    ).eval()


@pytest.mark.parametrize(("free", "whole"), [(None, True), (2 * 10**9, True), (10**6, False)])
def test_a_text_encoder_is_whole_on_the_device_only_where_it_fits(free, whole):
    encoder = tiny_encoder()
    words = torch.arange(1, 9)[None]
    with torch.inference_mode():
        wanted = encoder(words).last_hidden_state
        placed = place_text(encoder, CPU, free=free)
        found = placed(words).last_hidden_state
    torch.testing.assert_close(found, wanted)
    hooked = any("_diffusers_hook" in vars(module) for module in placed.modules())
    assert hooked is not whole
