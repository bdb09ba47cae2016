"""The published configurations, built on the meta device, have what the cards say they have."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

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
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    Gemma2Config,
    Gemma2ForCausalLM,
    UMT5Config,
    UMT5EncoderModel,
)

from backend.models import find_card, memory
from backend.models.speeds import forward_work
from backend.models.svd.generator import DECODED
from tests.live_tensors import FusedAttention, LiveTensors


def umt5_xxl() -> torch.nn.Module:
    return UMT5EncoderModel(
        UMT5Config(
            vocab_size=256384,
            d_model=4096,
            d_kv=64,
            d_ff=10240,
            num_layers=24,
            num_heads=64,
            feed_forward_proj="gated-gelu",
        )
    )


def wan_vace(*, heads: int, inner: int, layers: int, step: int) -> torch.nn.Module:
    return WanVACETransformer3DModel(
        num_attention_heads=heads,
        ffn_dim=inner,
        num_layers=layers,
        vace_layers=list(range(0, layers, step)),
    )


def wan_vace_14b() -> torch.nn.Module:
    return wan_vace(heads=40, inner=13824, layers=40, step=5)


def svd_image_encoder() -> torch.nn.Module:
    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=1280,
            intermediate_size=5120,
            num_hidden_layers=32,
            num_attention_heads=16,
            patch_size=14,
            projection_dim=1024,
        )
    )


def svd_unet() -> torch.nn.Module:
    return UNetSpatioTemporalConditionModel(
        num_attention_heads=(5, 10, 20, 20), num_frames=25, sample_size=96
    )


def svd_vae() -> torch.nn.Module:
    return AutoencoderKLTemporalDecoder(
        down_block_types=("DownEncoderBlock2D",) * 4,
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        sample_size=768,
    )


PUBLISHED: dict[str, dict[str, Callable[[], torch.nn.Module]]] = {
    "wan-vace-1.3b": {
        "text_encoder": umt5_xxl,
        "transformer": lambda: wan_vace(heads=12, inner=8960, layers=30, step=2),
        "vae": AutoencoderKLWan,
    },
    "wan-vace-14b": {
        "text_encoder": umt5_xxl,
        "transformer": wan_vace_14b,
        "vae": AutoencoderKLWan,
    },
    "wan2.2-vace-fun-a14b": {
        "text_encoder": umt5_xxl,
        "transformer": wan_vace_14b,
        "transformer_2": wan_vace_14b,
        "vae": AutoencoderKLWan,
    },
    "sana-wm": {  # the defaults of the classes are what was published
        "text_encoder": lambda: Gemma2ForCausalLM(Gemma2Config()),
        "transformer": SanaWMTransformer3DModel,
        "vae": AutoencoderKLLTX2Video,
    },
    "svd": {"image_encoder": svd_image_encoder, "unet": svd_unet, "vae": svd_vae},
}
HALF = {"device": "meta", "dtype": torch.float16}


def build(make: Callable[[], torch.nn.Module]) -> torch.nn.Module:
    with torch.device("meta"):
        # Not all of a UNet's parameters are made where torch is told to.
        return make().to("meta")


def count(network: torch.nn.Module) -> int:
    return sum(values.numel() for values in network.parameters())


@pytest.mark.parametrize("card_id", PUBLISHED)
def test_parameter_counts_match_the_cards(card_id):
    card = find_card(card_id)
    built = {name: count(build(make)) for name, make in PUBLISHED[card_id].items()}
    assert {part.name: part.parameters for part in card.parts} == built
    assert card.parameters == sum(built.values())


def test_the_files_of_svd_are_its_parameters_in_half_precision():
    card = find_card("svd")
    assert card.download_bytes == pytest.approx(2 * card.parameters, rel=1e-3)


def test_the_parts_of_svds_unet_that_wait():
    network, shape = build(svd_unet), find_card("svd").parts[1].shape
    blocks = [count(block) for block in (*network.down_blocks, *network.up_blocks)]
    assert shape.block == max(blocks)
    assert shape.outside == count(network) - sum(blocks)
    assert shape.layer == max(values.numel() for values in network.parameters())


@pytest.mark.parametrize(("width", "height", "frames"), [(1024, 576, 25), (512, 320, 14)])
def test_svds_working_memory_is_what_its_tensors_take(width, height, frames):
    network = build(svd_unet).half()
    latents = height // 8, width // 8
    with torch.inference_mode(), FusedAttention(), LiveTensors() as live:
        network(
            torch.empty(2, frames, 8, *latents, **HALF),
            torch.empty((), device="meta"),
            encoder_hidden_states=torch.empty(2, 1, 1024, **HALF),
            added_time_ids=torch.empty(2, 3, **HALF),
        )
    _, unet, vae = find_card("svd").parts
    tokens = memory.count_tokens(vae.shape, (width, height), frames)
    assert memory._activations(unet.shape, tokens, memory.HALF) == pytest.approx(
        live.peak, rel=0.02
    )


@pytest.mark.parametrize(("width", "height", "frames"), [(1024, 576, 25), (512, 320, 14)])
def test_svds_work_is_what_its_unet_multiplies(width, height, frames):
    network = build(svd_unet).half()
    latents = height // 8, width // 8
    with torch.inference_mode(), FlopCounterMode(display=False) as counted:
        network(
            torch.empty(1, frames, 8, *latents, **HALF),
            torch.empty((), device="meta"),
            encoder_hidden_states=torch.empty(1, 1, 1024, **HALF),
            added_time_ids=torch.empty(1, 3, **HALF),
        )
    work = forward_work(find_card("svd"), size=(width, height), frames=frames)
    assert work == pytest.approx(counted.get_total_flops(), rel=0.01)


def test_svds_vae_takes_what_its_tensors_take():
    width, height = 1024, 576
    network, shape = build(svd_vae), find_card("svd").parts[2].shape
    picture = memory.FULL * width * height * shape.width
    with torch.inference_mode(), FusedAttention():
        with LiveTensors() as live:
            network.encode(torch.empty(1, 3, height, width, device="meta"))
        assert shape.encode * picture == pytest.approx(live.peak, rel=0.01)
        network.half()
        with LiveTensors() as live:
            latents = torch.empty(DECODED, 4, height // 8, width // 8, **HALF)
            network.decode(latents, num_frames=DECODED)
        assert shape.decode * picture == pytest.approx(live.peak, rel=0.01)


SANA = find_card("sana-wm")


def sana_wm_forward(
    network: torch.nn.Module, *, videos: int, width: int, height: int, frames: int
) -> None:
    """Let SANA-WM's transformer go through videos once, in 32 bits, as its pipeline calls it."""
    latents = (frames - 1) // 8 + 1, height // 32, width // 32
    network(
        torch.empty(videos, 128, *latents, device="meta"),
        torch.empty(videos, 1, latents[0], device="meta"),
        torch.empty(videos, 1, 300, 2304, device="meta"),
        mask=torch.empty(videos, 300, dtype=torch.int64, device="meta"),
        data_info={"img_hw": torch.empty(1, 2, device="meta")},
        camera_conditions=torch.empty(videos, latents[0], 20, device="meta"),
        chunk_plucker=torch.empty(videos, 48, *latents, device="meta"),
    )


@pytest.fixture
def no_autocast(monkeypatch) -> None:
    """The network asks for none, on a device that torch knows no types for."""
    monkeypatch.setattr(torch, "autocast", lambda *a, **options: contextlib.nullcontext())


def test_the_parts_of_sana_wms_transformer_that_wait():
    network, shape = build(SanaWMTransformer3DModel), SANA.parts[1].shape
    blocks = [count(block) for block in network.blocks]
    assert shape.block == max(blocks)
    assert shape.outside == count(network) - sum(blocks)
    assert shape.layer == max(values.numel() for values in network.parameters())


@pytest.mark.parametrize(("width", "height", "frames"), [(1280, 704, 161), (640, 384, 81)])
def test_sana_wms_working_memory_is_what_its_tensors_take(width, height, frames, no_autocast):
    """With guidance, both halves at once; half as much again for weights of 16 bits."""
    network = build(SanaWMTransformer3DModel)
    with torch.inference_mode(), FusedAttention(), LiveTensors() as live:
        sana_wm_forward(network, videos=2, width=width, height=height, frames=frames)
    _, transformer, vae = SANA.parts
    tokens = memory.count_tokens(vae.shape, (width, height), frames)
    assert tokens * transformer.shape.held / 1.5 * memory.FULL == pytest.approx(live.peak, rel=0.05)


@pytest.mark.parametrize(
    ("width", "height", "frames"), [(1280, 704, 161), (1280, 704, 81), (640, 384, 161)]
)
def test_sana_wms_work_is_what_its_transformer_multiplies(width, height, frames, no_autocast):
    network = build(SanaWMTransformer3DModel)
    with torch.inference_mode(), FlopCounterMode(display=False) as counted:
        sana_wm_forward(network, videos=1, width=width, height=height, frames=frames)
    work = forward_work(SANA, size=(width, height), frames=frames)
    assert work == pytest.approx(counted.get_total_flops(), rel=0.01)


def test_sana_wms_vae_takes_what_its_tensors_take():
    """Of a video as long as it was made for; the card has too much for a shorter one."""
    network, shape = build(AutoencoderKLLTX2Video), SANA.parts[2].shape
    (width, height), frames = SANA.native_size, SANA.frame_rule.most
    _, decoding, _ = memory._picture_bytes(shape, (width, height), frames, tiling=False)
    with torch.inference_mode(), FusedAttention(), LiveTensors() as live:
        latents = (frames - 1) // 8 + 1, height // 32, width // 32
        network.decode(torch.empty(1, 128, *latents, device="meta"))
    assert live.peak < decoding < 1.2 * live.peak
    with torch.inference_mode(), FusedAttention(), LiveTensors() as live:
        network.encode(torch.empty(1, 3, 1, height, width, device="meta"))
    assert live.peak < shape.encode * memory.FULL * width * height * shape.width < 1.2 * live.peak
