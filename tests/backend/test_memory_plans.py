"""What memory plans need: by hand, against what lives in the published networks, and chosen."""

import dataclasses

import pytest
import torch
from diffusers import AutoencoderKLWan, WanVACETransformer3DModel
from diffusers.quantizers.gguf.utils import GGUFLinear, GGUFParameter

from backend.models import cards, find_card, memory
from backend.models.card import Blocks
from backend.models.memory import (
    CPU,
    CUDA,
    FP8,
    FP8_GROUP_OFFLOAD,
    GROUP_OFFLOAD,
    MODEL_OFFLOAD,
    MPS,
    ON_CPU,
    Q4,
    RESIDENT,
    TILED,
    as_needy,
    choose_plan,
    estimate,
    find_plan,
    nearest_plan,
    next_plan,
    plans_for,
)
from backend.models.video import quantised
from backend.models.video.parts import Tensors
from tests.live_tensors import FusedAttention, LiveTensors

GB = 10**9
LARGE = [card for card in cards() if card.hub is not None]
NATIVE = {"size": (832, 480), "frames": 81}
# The published configurations of the transformers.
PUBLISHED = {
    "wan-vace-1.3b": {
        "num_attention_heads": 12,
        "ffn_dim": 8960,
        "num_layers": 30,
        "vace_layers": list(range(0, 30, 2)),
    },
    "wan-vace-14b": {
        "num_attention_heads": 40,
        "ffn_dim": 13824,
        "num_layers": 40,
        "vace_layers": list(range(0, 40, 5)),
    },
}


def published_transformer(card_id: str) -> WanVACETransformer3DModel:
    with torch.device("meta"):
        network = WanVACETransformer3DModel(**PUBLISHED[card_id])
    full = network._keep_in_fp32_modules
    for name, values in network.named_parameters():
        if not any(kept in name for kept in full):
            values.data = values.data.to(torch.bfloat16)
    return network


def part(card_id: str, name: str):
    return next(part for part in find_card(card_id).parts if part.name == name)


@pytest.mark.parametrize("card_id", PUBLISHED)
def test_a_card_has_the_shape_of_the_published_transformer(card_id):
    network, ours = published_transformer(card_id), part(card_id, "transformer")
    assert sum(values.numel() for values in network.parameters()) == ours.parameters
    blocks = [*network.blocks, *network.vace_blocks]
    assert ours.shape == Blocks(
        width=network.proj_out.in_features,
        inner=network.config.ffn_dim,
        blocks=len(blocks),
        hints=len(network.vace_blocks),
    )
    largest = max(sum(values.numel() for values in block.parameters()) for block in blocks)
    assert memory._block_parameters(ours.shape) == pytest.approx(largest, rel=0.16)
    outside = ours.parameters - sum(
        values.numel() for block in blocks for values in block.parameters()
    )
    assert memory._outside(ours.shape) == pytest.approx(outside, rel=0.1)


@pytest.mark.parametrize("card_id", PUBLISHED)
@pytest.mark.parametrize(("width", "height", "frames"), [(832, 480, 81), (1280, 720, 41)])
def test_a_transformers_working_memory_is_what_its_tensors_take(card_id, width, height, frames):
    network = published_transformer(card_id)
    latents = (frames - 1) // 4 + 1, height // 8, width // 8
    half = {"device": "meta", "dtype": torch.bfloat16}
    with torch.inference_mode(), FusedAttention(), LiveTensors() as live:
        network(
            hidden_states=torch.empty(1, 16, *latents, **half),
            timestep=torch.empty(1, device="meta", dtype=torch.long),
            encoder_hidden_states=torch.empty(1, 512, 4096, **half),
            control_hidden_states=torch.empty(1, 96, *latents, **half),
        )
    shape, grid = part(card_id, "transformer").shape, part(card_id, "vae").shape
    tokens = memory.count_tokens(grid, (width, height), frames)
    assert tokens == latents[0] * (height // 16) * (width // 16)
    assert memory._activations(shape, tokens, memory.HALF) == pytest.approx(live.peak, rel=0.02)


@pytest.mark.parametrize("tiling", [False, True])
@pytest.mark.parametrize("frames", [9, 41])
def test_the_vaes_working_memory_is_what_its_tensors_take(tiling, frames):
    width, height = 832, 480
    with torch.device("meta"):
        vae = AutoencoderKLWan()
    if tiling:
        vae.enable_tiling()
    ours = part("wan-vace-14b", "vae")
    assert sum(values.numel() for values in vae.parameters()) == ours.parameters
    peaks = []
    with torch.inference_mode(), FusedAttention():
        with LiveTensors() as live:
            vae.encode(torch.empty(1, 3, frames, height, width, device="meta"))
        peaks.append(live.peak)
        with LiveTensors() as live:
            vae.decode(torch.empty(1, 16, (frames - 1) // 4 + 1, 60, 104, device="meta"))
        peaks.append(live.peak)
    encoding, decoding, video = memory._picture_bytes(
        ours.shape, (width, height), frames, tiling=tiling
    )
    beside = memory._VIDEOS_ENCODING * video, memory._VIDEOS_AFTER * video
    assert [encoding - beside[0], decoding - beside[1]] == pytest.approx(peaks, rel=0.06)


@pytest.mark.parametrize("card_id", PUBLISHED)
def test_weights_of_4_bits_take_what_is_counted(card_id, tmp_path):
    network = published_transformer(card_id)
    network.save_config(tmp_path)
    values = network.state_dict()
    shapes = {name: tuple(each.shape) for name, each in values.items()}
    card = find_card(card_id)
    entries = list(quantised._entries(card, tmp_path, type(network), Tensors(shapes, card, {})))
    assert [entry.name for entry in entries] == list(values)
    on_disk = sum(entry.bytes for entry in entries)
    assert memory.kept_on_disk(card, Q4) == pytest.approx(on_disk, rel=0.02)
    held = sum(entry.bytes if entry.rounded else values[entry.name].nbytes for entry in entries)
    ours = part(card_id, "transformer")
    assert memory.kept_bytes(ours, bits=4) == pytest.approx(held, rel=0.02)
    beside = 3 * GB + part(card_id, "vae").parameters * 4 + 2 * 832 * 480 * 81 * 3 * 4
    words = part(card_id, "text_encoder").parameters * 2
    lora = card.fast.hub.bytes
    weights = max(held + lora, words - part(card_id, "vae").parameters * 4)
    assert estimate(card, Q4, **NATIVE).ram == pytest.approx(beside + weights, rel=0.01)


@pytest.mark.parametrize("card_id", PUBLISHED)
def test_a_layer_of_4_bits_is_brought_back_in_what_is_counted(card_id):
    shape = part(card_id, "transformer").shape
    layer = GGUFLinear(shape.inner, shape.width, compute_dtype=torch.bfloat16, device="meta")
    blocks = torch.empty(shape.width, int(shape.inner * memory.QUARTER), dtype=torch.uint8)
    layer.weight = GGUFParameter(blocks.to("meta"), quant_type=quantised.TYPE)
    inputs = torch.empty(1, shape.inner, device="meta", dtype=torch.bfloat16)
    with torch.inference_mode(), LiveTensors() as live:
        layer(inputs)
    lifted = live.peak - blocks.nbytes  # those are counted as soon as they are looked at
    assert memory._lifted([part(card_id, "transformer")], bits=4) == pytest.approx(lifted, rel=0.02)


def test_what_everything_on_the_gpu_needs_by_hand():
    need = estimate(find_card("wan-vace-14b"), RESIDENT, **NATIVE)
    weights = 17_337_592_896 * 2 + 126_892_531 * 4
    video = 832 * 480 * 81 * 3 * 4
    decoding = 50.8 * 832 * 480 * 96 * 4 + video  # more than a forward of the transformer
    assert need.vram == pytest.approx(700_000_000 + weights + decoding + video, rel=1e-6)
    assert need.ram == pytest.approx(3 * GB + weights + 2 * video, rel=1e-6)
    assert need.disk == find_card("wan-vace-14b").download_bytes


@pytest.mark.parametrize("card", LARGE, ids=lambda card: card.id)
def test_plans_give_memory_back_in_their_order(card):
    need = {plan: estimate(card, plan, **NATIVE) for plan in plans_for(CUDA, card)}
    exact = [need[plan].vram for plan in (RESIDENT, TILED, MODEL_OFFLOAD, GROUP_OFFLOAD)]
    assert exact == sorted(exact, reverse=True)
    assert need[FP8].vram < need[TILED].vram
    assert need[FP8_GROUP_OFFLOAD].vram == min(each.vram for each in need.values())
    assert need[RESIDENT].ram <= need[GROUP_OFFLOAD].ram
    rounded, exact = need[FP8_GROUP_OFFLOAD].ram, need[GROUP_OFFLOAD].ram
    # Without words there is nothing more to hold than the exact weights while they are loaded.
    assert rounded < exact if card.takes_prompt else rounded == exact
    if card.four_bits:
        assert need[Q4].ram == min(each.ram for each in need.values())
        assert need[Q4].vram < need[FP8].vram


@pytest.mark.parametrize(
    ("card", "plan"),
    [(card, plan) for card in LARGE for plan in (*plans_for(CUDA, card), ON_CPU)],
    ids=lambda each: each.id,
)
def test_more_pixels_and_more_frames_never_need_less(card, plan):
    small = estimate(card, plan, size=(480, 272), frames=17)
    wide = estimate(card, plan, size=(1280, 720), frames=17)
    long = estimate(card, plan, size=(480, 272), frames=81)
    for each in (wide, long):
        assert each.vram >= small.vram
        assert each.ram >= small.ram
    assert (small.vram == 0) == (plan is ON_CPU)


def test_a_model_without_known_networks_needs_nothing_special():
    assert estimate(find_card("draft"), RESIDENT, **NATIVE) == memory.Need(0, 0, 0)


@pytest.mark.parametrize(
    ("card_id", "vram", "ram", "wanted"),
    [
        ("wan-vace-1.3b", 8, 32, GROUP_OFFLOAD),
        ("wan-vace-1.3b", 12, 32, TILED),
        ("wan-vace-1.3b", 24, 32, RESIDENT),
        ("wan-vace-1.3b", 3, 32, None),
        ("wan-vace-14b", 24, 64, GROUP_OFFLOAD),
        ("wan-vace-14b", 24, 48, FP8_GROUP_OFFLOAD),
        ("wan-vace-14b", 32, 48, FP8),
        ("wan-vace-14b", 24, 24, Q4),
        ("wan-vace-14b", 24, 16, None),
        ("wan-vace-14b", 16, 24, None),
        ("wan-vace-14b", 140, 128, RESIDENT),
        ("wan2.2-vace-fun-a14b", 140, 128, RESIDENT),
        ("wan2.2-vace-fun-a14b", 48, 128, MODEL_OFFLOAD),
    ],
)
def test_the_best_plan_that_fits_is_chosen(card_id, vram, ram, wanted):
    card = find_card(card_id)
    assert choose_plan(card, "cuda:0", **NATIVE, vram=vram * GB, ram=ram * GB) is wanted


@pytest.mark.parametrize(
    ("card_id", "vram", "ram", "wanted"),
    [
        ("wan-vace-1.3b", 24, 15.5, RESIDENT),  # the words decide: all but offloaded ones lack that
        ("wan-vace-1.3b", 10, 15.5, TILED),
        ("wan-vace-1.3b", 5, 18, FP8_GROUP_OFFLOAD),
        ("wan-vace-1.3b", 3, 32, FP8_GROUP_OFFLOAD),
        ("wan-vace-14b", 24, 16, Q4),
        ("wan-vace-14b", 16, 40, FP8_GROUP_OFFLOAD),
    ],
)
def test_where_none_fits_it_is_the_one_that_lacks_least(card_id, vram, ram, wanted):
    card, free = find_card(card_id), {"vram": int(vram * GB), "ram": int(ram * GB)}
    assert choose_plan(card, "cuda", **NATIVE, **free) is None
    assert nearest_plan(card, "cuda", **NATIVE, **free) is wanted


def test_plans_that_are_out_are_not_chosen():
    card, free = find_card("wan-vace-1.3b"), {"vram": 24 * GB, "ram": 32 * GB}
    assert choose_plan(card, "cuda", **NATIVE, **free, out={RESIDENT}) is TILED
    assert nearest_plan(card, "cuda", **NATIVE, **free, out={RESIDENT, FP8}) is TILED
    assert choose_plan(card, "cuda", **NATIVE, **free, out=plans_for("cuda", card)) is None


def test_memory_that_is_not_known_is_no_memory():
    """Without a GPU there is none of its memory, and no plan needs any."""
    card = find_card("wan-vace-1.3b")
    assert nearest_plan(card, "cpu", **NATIVE, vram=0, ram=GB) is ON_CPU
    assert nearest_plan(card, "cuda", **NATIVE, vram=0, ram=64 * GB) in plans_for("cuda", card)


def run_out(card_id: str, plan, *of: str) -> list:
    """Return the plans that are taken where each one runs out of the next of `of`."""
    card, taken, out = find_card(card_id), [plan], frozenset()
    for memory_of in of:
        out |= as_needy(card, plan, "cuda", **NATIVE, of=memory_of)
        plan = next_plan(card, plan, "cuda", out=out)
        if plan is None:
            break
        taken.append(plan)
    return taken


@pytest.mark.parametrize("card", [card for card in LARGE if card.parts], ids=lambda card: card.id)
def test_out_of_memory_goes_on_with_a_plan_that_needs_less(card):
    for first in plans_for("cuda", card):
        taken = run_out(card.id, first, *["vram"] * 9)
        needs = [estimate(card, plan, **NATIVE).vram for plan in taken]
        assert needs == sorted(set(needs), reverse=True)
        assert needs[-1] == estimate(card, FP8_GROUP_OFFLOAD, **NATIVE).vram, "the least"


def test_which_plan_is_next_by_hand():
    # One network at a time is left out: of this model's memory decoding in tiles takes the most.
    assert run_out("wan-vace-1.3b", RESIDENT, *["vram"] * 9) == [
        RESIDENT, TILED, GROUP_OFFLOAD, FP8_GROUP_OFFLOAD
    ]  # fmt: skip
    assert run_out("wan-vace-14b", Q4, "vram", "vram") == [Q4, FP8_GROUP_OFFLOAD]
    assert run_out("wan-vace-14b", RESIDENT, "ram", "ram") == [RESIDENT, Q4]
    # What ran out is not come back to, whichever of the memories it was.
    assert run_out("wan-vace-14b", FP8_GROUP_OFFLOAD, "ram", "vram") == [FP8_GROUP_OFFLOAD, Q4]
    assert run_out("wan-vace-14b", GROUP_OFFLOAD, "ram", "ram", "vram") == [
        GROUP_OFFLOAD, FP8, Q4
    ]  # fmt: skip


def test_what_makes_few_steps_stays_beside_4_bits():
    card = find_card("wan-vace-14b")
    parts = tuple(each for each in card.parts if each.name != memory.TEXT_ENCODER)
    card = dataclasses.replace(card, parts=parts)  # it decides what is needed of the computer's
    plain = dataclasses.replace(card, fast=None)
    fast, without = (estimate(each, Q4, **NATIVE) for each in (card, plain))
    bytes_of = card.fast.hub.bytes
    assert bytes_of > 10**8
    assert fast.vram - without.vram == pytest.approx(bytes_of, abs=2)
    assert fast.ram - without.ram == pytest.approx(bytes_of, abs=2)
    exact = [estimate(each, RESIDENT, **NATIVE).vram for each in (card, plain)]
    assert exact[0] == exact[1], "there it becomes a part of the weights"


def test_each_kind_of_device_has_its_plans():
    card, convolved = find_card("wan-vace-14b"), find_card("sana-wm")
    assert plans_for("cuda:1", card) == plans_for(CUDA, card) == memory.GPU_PLANS
    assert plans_for(MPS, card) == (RESIDENT, TILED, Q4)
    assert plans_for(MPS, convolved) == (RESIDENT, TILED)
    assert plans_for(CPU, card) == (ON_CPU,)
    assert (
        next_plan(card, ON_CPU, "cpu", out=as_needy(card, ON_CPU, "cpu", **NATIVE, of="ram"))
        is None
    )


def test_plans_are_found_by_their_names():
    plans = [*memory.GPU_PLANS, ON_CPU]
    assert [find_plan(plan.id) for plan in plans] == plans
    assert find_plan("other") is None
    for plan in plans:
        assert plan.help.endswith(".")
        assert not dataclasses.asdict(plan)["offload"] or plan.tiling
