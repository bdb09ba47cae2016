"""Memory plans on a GPU: the same frames, and the memory back.

With random weights, so that it needs torch, diffusers and transformers alone.
"""

import gc

import pytest
import torch
from diffusers import (
    AutoencoderKLWan,
    UniPCMultistepScheduler,
    WanVACEPipeline,
    WanVACETransformer3DModel,
)
from transformers import UMT5Config, UMT5EncoderModel

from backend.models import find_card
from backend.models.memory import (
    FP8,
    FP8_GROUP_OFFLOAD,
    GROUP_OFFLOAD,
    MODEL_OFFLOAD,
    Q4,
    RESIDENT,
    TILED,
)
from backend.models.video.place import place, place_text, release
from backend.paths import OVERRIDE
from benchmarks.posts import MemorySink

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here"),
]
GPU, CPU = torch.device("cuda"), torch.device("cpu")
LEFT_BEHIND = 200_000_000


@pytest.fixture
def pipeline():
    torch.manual_seed(0)
    transformer = WanVACETransformer3DModel(
        num_attention_heads=8,
        ffn_dim=4096,
        text_dim=64,
        num_layers=12,
        vace_layers=[0, 4, 8],
        rope_max_seq_len=64,
    )
    exact = transformer._keep_in_fp32_modules
    for name, values in transformer.named_parameters():
        if not any(part in name for part in exact):
            values.data = values.data.to(torch.bfloat16)
    loaded = WanVACEPipeline(
        tokenizer=None,
        text_encoder=None,
        vae=AutoencoderKLWan(base_dim=16),
        scheduler=UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
        transformer=transformer.eval(),
        transformer_2=None,
    )
    loaded.set_progress_bar_config(disable=True)
    return loaded


def frames(pipeline) -> torch.Tensor:
    return pipeline(
        prompt_embeds=torch.ones(1, 16, 64, device=GPU),
        negative_prompt_embeds=torch.zeros(1, 16, 64, device=GPU),
        video=torch.linspace(0, 1, 9 * 3 * 128 * 128).reshape(1, 9, 3, 128, 128),
        mask=torch.ones(1, 9, 1, 128, 128),
        height=128,
        width=128,
        num_frames=9,
        num_inference_steps=3,
        generator=torch.Generator("cpu").manual_seed(1),
        output_type="pt",
    ).frames.cpu()


def held() -> int:
    gc.collect()
    torch.cuda.empty_cache()
    return torch.cuda.memory_allocated()


@pytest.mark.parametrize("plan", [TILED, MODEL_OFFLOAD, GROUP_OFFLOAD], ids=lambda plan: plan.id)
def test_an_exact_plan_makes_the_same_frames(pipeline, plan):
    place(pipeline, RESIDENT, GPU)
    wanted = frames(pipeline)
    place(pipeline, plan, GPU)
    # The first forward under streams learns the order of the blocks, the later ones use it.
    for _ in range(2):
        torch.testing.assert_close(frames(pipeline), wanted, atol=1e-3, rtol=0)


def test_all_plans_one_after_another_give_the_memory_back(pipeline):
    before = held()
    plans = (RESIDENT, TILED, MODEL_OFFLOAD, GROUP_OFFLOAD, FP8, FP8_GROUP_OFFLOAD, FP8)
    for plan in plans:
        place(pipeline, plan, GPU)
        frames(pipeline)
        release(pipeline, GPU)
        assert held() - before < LEFT_BEHIND
        devices = {values.device.type for values in pipeline.transformer.parameters()}
        assert devices == {"cpu"}


def test_each_plan_holds_less_than_the_one_before(pipeline):
    peaks = []
    for plan in (RESIDENT, GROUP_OFFLOAD, FP8_GROUP_OFFLOAD):
        place(pipeline, plan, GPU)
        frames(pipeline)
        torch.cuda.reset_peak_memory_stats()
        with torch.inference_mode():
            pipeline.transformer(
                hidden_states=torch.zeros(1, 16, 2, 16, 16, device=GPU, dtype=torch.bfloat16),
                timestep=torch.ones(1, device=GPU),
                encoder_hidden_states=torch.zeros(1, 16, 64, device=GPU, dtype=torch.bfloat16),
                control_hidden_states=torch.zeros(
                    1, 96, 2, 16, 16, device=GPU, dtype=torch.bfloat16
                ),
            )
        peaks.append(torch.cuda.max_memory_allocated())
        release(pipeline, GPU)
    assert peaks == sorted(peaks, reverse=True)


def test_weights_of_4_bits_work_on_the_gpu_and_give_its_memory_back(
    pipeline, tmp_path, monkeypatch
):
    pytest.importorskip("gguf")
    from backend.models.video.quantised import load_four_bits

    monkeypatch.setenv(OVERRIDE, str(tmp_path / "data"))
    place(pipeline, RESIDENT, GPU)
    wanted = frames(pipeline)
    release(pipeline, GPU)
    pipeline.transformer.save_pretrained(tmp_path / "transformer")
    pipeline.transformer = load_four_bits(
        find_card("wan-vace-1.3b"),
        tmp_path / "transformer",
        WanVACETransformer3DModel,
        dtype=torch.bfloat16,
        report=MemorySink(),
    )
    before = held()
    for _ in range(2):
        place(pipeline, Q4, GPU)
        kinds = {values.device.type for values in pipeline.transformer.parameters()}
        assert kinds == {"cuda"}
        assert (frames(pipeline) - wanted).abs().mean() < 0.1
        release(pipeline, GPU)
        assert held() - before < LEFT_BEHIND


def test_out_of_memory_in_a_block_frees_everything(pipeline):
    before = held()
    place(pipeline, GROUP_OFFLOAD, GPU)
    wanted = frames(pipeline)
    broken = pipeline.transformer.blocks[5].ffn
    forward = broken.forward

    def too_much(*_args, **_kwargs):
        return torch.empty(1 << 50, dtype=torch.uint8, device=GPU)

    broken.forward = too_much
    with pytest.raises(torch.OutOfMemoryError):
        frames(pipeline)
    broken.forward = forward
    release(pipeline, GPU)
    assert held() - before < LEFT_BEHIND
    place(pipeline, MODEL_OFFLOAD, GPU)
    torch.testing.assert_close(frames(pipeline), wanted, atol=1e-3, rtol=0)


def test_a_text_encoder_that_does_not_fit_goes_through_layer_by_layer():
    torch.manual_seed(0)
    encoder = UMT5EncoderModel(
        UMT5Config(vocab_size=64, d_model=32, d_kv=8, d_ff=37, num_layers=2, num_heads=4)
    ).eval()
    words = torch.arange(1, 9, device=GPU)[None]
    with torch.inference_mode():
        wanted = encoder(words.cpu()).last_hidden_state
        placed = place_text(encoder, GPU, free=0)
        for _ in range(2):  # the first forward learns the order of the layers
            found = placed(words).last_hidden_state
            torch.testing.assert_close(found.cpu(), wanted, atol=1e-3, rtol=1e-3)
