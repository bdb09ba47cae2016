"""The cards of Wan VACE.

Revisions and licences are those of the hub's pages as they were stored in 2026; sizes are right to
about a percent. Parameters are counted (tests/backend/test_card_sizes.py).
"""

from __future__ import annotations

from dataclasses import replace

from ..card import Autoencoder, Blocks, Card, Control, Distillation, FrameRule, Hub, Part, Setting
from ..video.options import (
    ATTENTION,
    COMPILE,
    DEPTH_FAR,
    DEPTH_NEAR,
    DEPTH_RANGE,
    EVERY,
    FEATHER,
    LOCK,
    MATCH,
    MEMORY_FOUR_BITS,
)
from .latents import COLOURS

# What such models tend to where nothing is said of what is not wanted.
_NEGATIVE = (
    "static, blurred details, subtitles, watermark, worst quality, low quality, JPEG artifacts,"
    " flicker, deformed, overexposed"
)
# safetensors, JSON and the tokenizer: nothing that could hold code.
_FILES = (
    "model_index.json",
    "scheduler/*.json",
    "text_encoder/*.json",
    "text_encoder/*.safetensors",
    "tokenizer/*",
    "transformer/*.json",
    "transformer/*.safetensors",
    "transformer_2/*.json",
    "transformer_2/*.safetensors",
    "vae/*.json",
    "vae/*.safetensors",
)
LONGEST_PROMPT = 512  # tokens; what the models were trained with
_SETTINGS = (
    Setting(
        name="guidance_mode",
        label="Guide",
        default="both",
        help="What guides the model: the still first and depth after it; what the still shows,"
        " moved along the path, with holes to fill; or both, with depth in the holes.",
        choices=("both", "projection", "depth"),
    ),
    Setting(
        name="guidance_strength",
        label="Guide strength",
        default=1.0,
        help="How closely the model follows its guide; 1 is what it was trained with.",
        least=0.0,
        most=2.0,
        advanced=True,
    ),
    Setting(
        name="steps",
        label="Steps",
        default=50,
        help="Denoising steps; fewer are faster and coarser.",
        least=1,
        most=200,
        unless="fast",
    ),
    Setting(
        name="guidance",
        label="Prompt guidance",
        default=5.0,
        help="How closely the words are followed; 1 follows them least and takes half the time.",
        least=1.0,
        most=20.0,
        unless="fast",
    ),
    LOCK,
    FEATHER,
    MATCH,
    Setting(
        name="size",
        label="Working size",
        default="480p",
        help="About how many pixels the model works on, whatever the shot's size; 'shot' takes the"
        " shot's own, which may need a lot of memory.",
        choices=("480p", "720p", "shot"),
    ),
    EVERY,
    Setting(
        name="window",
        label="Window",
        default=81,
        help="The most frames that are made at once; longer shots are made in several windows.",
        least=5,
        most=241,
        advanced=True,
    ),
    Setting(
        name="overlap",
        label="Overlap",
        default="9",
        help="Frames that a window takes over from the one before, so that motion goes on.",
        choices=("5", "9", "13", "17"),
        advanced=True,
    ),
    DEPTH_NEAR,
    DEPTH_FAR,
    MEMORY_FOUR_BITS,
    ATTENTION,
    COMPILE,
)
_FAST = Setting(
    name="fast",
    label="4 steps",
    default=False,
    help="Generate in 4 steps without prompt guidance: many times faster, with less variety. It"
    " takes a small file of weights beside the model's.",
)
_PHASES = (
    ("reading the words", 0.02),
    ("projecting", 0.05),
    ("encoding", 0.05),
    ("denoising", 0.78),
    ("decoding", 0.08),
    ("compositing", 0.02),
)


_TEXT = Part("text_encoder", 5_680_910_336)
# What lives at its peak was counted on the meta device, at three sizes.
_VAE = Part("vae", 126_892_531, Autoencoder(width=96, encode=36.8, decode=50.8))
_SMALL_SHAPE = Blocks(width=1536, inner=8960, blocks=30 + 15, hints=15)
_LARGE = 17_337_592_896
_LARGE_SHAPE = Blocks(width=5120, inner=13824, blocks=40 + 8, hints=8)


def _settings(fast: Distillation | None) -> tuple[Setting, ...]:
    if fast is None:
        return tuple(replace(setting, unless="") for setting in _SETTINGS)
    return (_FAST, *_SETTINGS)


def _card(
    *,
    id: str,
    label: str,
    summary: str,
    repository: str,
    revision: str,
    bytes: int,
    transformers: tuple[Part, ...],
    fast: Distillation | None = None,
) -> Card:
    return Card(
        id=id,
        label=label,
        family="wan_vace",
        summary=summary,
        licence="Apache-2.0",
        revision=revision,
        guides=("depth", "flow", "lock"),
        settings=_settings(fast),
        rules=(DEPTH_RANGE,),
        learned=True,
        takes_prompt=True,
        negative_prompt=_NEGATIVE,
        tokens=LONGEST_PROMPT,
        takes_seed=True,
        phases=_PHASES,
        size_multiple=16,
        frame_rule=FrameRule(multiple=4, offset=1, most=81),
        fps=16.0,
        native_size=(832, 480),
        hub=Hub(
            repository=repository,
            pipeline="WanVACEPipeline",
            files=_FILES,
            bytes=bytes,
            licence_url=f"https://huggingface.co/{repository}",
        ),
        parts=(_TEXT, *transformers, _VAE),
        fast=fast,
        four_bits=True,
        control=Control(near_is_white=True),
        looks=COLOURS,
    )


CARDS = (
    _card(
        id="wan-vace-1.3b",
        label="Wan VACE 1.3B",
        summary="Generates with Wan 2.1 VACE, guided by depth, by what the still shows, and by"
        " words; the smaller one, for most graphics cards.",
        repository="Wan-AI/Wan2.1-VACE-1.3B-diffusers",
        revision="ec4d2cb062b548996b179d493fdd05340de702a1",
        bytes=19_040_000_000,
        # Its repository states no licence, so it is not downloaded: a checked revision is left out.
        fast=Distillation(
            hub=Hub(
                repository="Kijai/WanVideo_comfy",
                files=(
                    "LoRAs/Wan2_1_self_forcing_1_3B/"
                    "Wan2_1_self_forcing_dmd_1_3B_lora_rank_32_fp16.safetensors",
                ),
                bytes=91_233_416,
                licence_url="https://huggingface.co/Kijai/WanVideo_comfy",
            ),
            revision="",
            licence="no licence stated",
            steps=4,
            shift=5.0,
        ),
        transformers=(Part("transformer", 2_153_972_032, _SMALL_SHAPE),),
    ),
    _card(
        id="wan-vace-14b",
        label="Wan VACE 14B",
        summary="Generates with the large Wan 2.1 VACE, guided by depth, by what the still shows,"
        " and by words; for a large graphics card, or a lot of memory and patience.",
        repository="Wan-AI/Wan2.1-VACE-14B-diffusers",
        revision="db79b90c60bbb45ceec9e41b9d5a4df934538ac4",
        bytes=75_200_000_000,
        fast=Distillation(
            hub=Hub(
                repository="lightx2v/Wan2.1-Distill-Loras",
                files=("wan2.1_t2v_14b_lora_rank64_lightx2v_4step.safetensors",),
                bytes=631_000_000,
                licence_url="https://huggingface.co/lightx2v/Wan2.1-Distill-Loras",
            ),
            revision="27ae38da91014b947dd39cc3fa78b97cd7b386dd",
            licence="Apache-2.0",
            steps=4,
            shift=5.0,
        ),
        transformers=(Part("transformer", _LARGE, _LARGE_SHAPE),),
    ),
    _card(
        id="wan2.2-vace-fun-a14b",
        label="Wan 2.2 VACE Fun A14B",
        summary="Generates with two large networks, one for what is where and one for detail,"
        " guided by depth, by what the still shows, and by words; for a very large graphics card.",
        repository="linoyts/Wan2.2-VACE-Fun-14B-diffusers",
        revision="1abfb95801b7bd8f952083ebf80b93448ddb0ce4",
        bytes=81_240_000_000,
        transformers=(
            Part("transformer", _LARGE, _LARGE_SHAPE),
            Part("transformer_2", _LARGE, _LARGE_SHAPE),
        ),
    ),
)
