"""Wan VACE with random weights, built where it works: the published sizes, and smaller ones.

Nothing is read and nothing is downloaded. Numbers say nothing about quality; shapes, and with them
time and memory, are those of the published configurations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from diffusers import (
    AutoencoderKLWan,
    UniPCMultistepScheduler,
    WanVACEPipeline,
    WanVACETransformer3DModel,
)
from transformers import UMT5Config, UMT5EncoderModel

from backend.models import find_card
from backend.models.card import Autoencoder, Blocks, Card, Part
from backend.models.video.words import embedded
from backend.models.wan_vace.generator import LONGEST_PROMPT, WanVaceGenerator

# What the configurations of both published sizes have in common is what the class takes by default.
_SMALL_VAE = {
    "z_dim": 16,
    "dim_mult": [1, 1, 1, 1],
    "num_res_blocks": 1,
    "temperal_downsample": [False, True, True],
}


@dataclass(frozen=True, slots=True)
class Shape:
    """One size of Wan VACE.

    Attributes:
        card: Id of the card whose family and settings it takes.
        transformer: What its class is made with.
        vae: The same for the VAE; empty for the published one.
        words: Numbers of tokens and of channels that the transformer is given as words.
        published: Whether the card describes this very size.
    """

    card: str
    transformer: Mapping[str, object]
    vae: Mapping[str, object] = field(default_factory=dict)
    words: tuple[int, int] = (LONGEST_PROMPT, 4096)
    published: bool = True


PUBLISHED = {
    "1.3b": Shape(
        "wan-vace-1.3b",
        {
            "num_attention_heads": 12,
            "ffn_dim": 8960,
            "num_layers": 30,
            "vace_layers": list(range(0, 30, 2)),
        },
    ),
    "14b": Shape(
        "wan-vace-14b",
        {
            "num_attention_heads": 40,
            "ffn_dim": 13824,
            "num_layers": 40,
            "vace_layers": list(range(0, 40, 5)),
        },
    ),
}
TINY = Shape(
    "wan-vace-1.3b",
    {
        "num_attention_heads": 2,
        "attention_head_dim": 12,
        "text_dim": 32,
        "ffn_dim": 32,
        "num_layers": 2,
        "vace_layers": [0],
        "rope_max_seq_len": 64,
    },
    vae={"base_dim": 3, **_SMALL_VAE},
    words=(16, 32),
    published=False,
)
_UMT5_XXL = {
    "vocab_size": 256384,
    "d_model": 4096,
    "d_kv": 64,
    "d_ff": 10240,
    "num_layers": 24,
    "num_heads": 64,
    "feed_forward_proj": "gated-gelu",
}
_TINY_UMT5 = {
    "vocab_size": 256,
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 37,
    "num_layers": 2,
    "num_heads": 4,
}


class Weights:
    """Builds one pipeline after another for a generator, and shows the one that it holds."""

    def __init__(self, shape: Shape, *, device: torch.device) -> None:
        """Build nothing yet."""
        self.shape, self._device = shape, device
        self.pipeline: WanVACEPipeline | None = None

    def load(self) -> WanVACEPipeline:
        """Return a new pipeline; the one before is let go of first."""
        self.pipeline = None
        self.pipeline = random_pipeline(self.shape, device=self._device)
        return self.pipeline

    def generator(self) -> WanVaceGenerator:
        """Return what makes windows with these weights; words are made up, see `keep_words`."""
        keep_words(self.shape, device=self._device)
        card = card_of(self.shape)
        return WanVaceGenerator(card, None, device=self._device, load=self.load)


def random_pipeline(shape: Shape, *, device: torch.device, seed: int = 0) -> WanVACEPipeline:
    """Return a pipeline without what reads words, on the device, its numbers random.

    The transformer is in bfloat16 (float32 on a CPU), but for what its class keeps in float32; the
    VAE is in float32.
    """
    torch.manual_seed(seed)
    with _built_on(device, work_type(device)):
        transformer = WanVACETransformer3DModel(**shape.transformer).eval()
    exact = set(transformer._keep_in_fp32_modules)
    for name, values in transformer.named_parameters():
        if exact.intersection(name.split(".")):
            values.data = values.data.float()
    pipeline = WanVACEPipeline(
        tokenizer=None,
        text_encoder=None,
        vae=random_vae(shape, device=device),
        scheduler=UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
        transformer=transformer,
        transformer_2=None,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def random_vae(shape: Shape, *, device: torch.device) -> AutoencoderKLWan:
    """Return the VAE alone, in float32."""
    with _built_on(device, torch.float32):
        return AutoencoderKLWan(**shape.vae).eval()


def random_text_encoder(*, tiny: bool, device: torch.device) -> UMT5EncoderModel:
    """Return UMT5-xxl's encoder, which all sizes of Wan have, or a tiny one."""
    torch.manual_seed(0)
    with _built_on(device, work_type(device)):
        return UMT5EncoderModel(UMT5Config(**(_TINY_UMT5 if tiny else _UMT5_XXL))).eval()


def work_type(device: torch.device) -> torch.dtype:
    """Return what numbers the large networks have on a device, as the families choose it."""
    return torch.float32 if device.type == "cpu" else torch.bfloat16


def card_of(shape: Shape) -> Card:
    """Return the card of a size: the published one, or one that tells the shape of a smaller."""
    card = find_card(shape.card)
    if shape.published:
        return card
    with torch.device("meta"):
        transformer = WanVACETransformer3DModel(**shape.transformer)
        vae = AutoencoderKLWan(**shape.vae)
    made = transformer.config
    hints = len(made.vace_layers)
    blocks = Blocks(
        width=made.num_attention_heads * made.attention_head_dim,
        inner=made.ffn_dim,
        blocks=made.num_layers + hints,
        hints=hints,
    )
    known = next(part.shape for part in card.parts if isinstance(part.shape, Autoencoder))
    pictures = replace(known, width=vae.config.base_dim)
    return replace(
        card,
        parts=(
            Part("transformer", _count(transformer), blocks),
            Part("vae", _count(vae), pictures),
        ),
    )


class _Silent:
    """Takes what is said, of words that nobody wrote."""

    def warn(self, message: str) -> None:
        """See `video.window.Report`."""


def keep_words(shape: Shape, *, device: torch.device) -> dict[str, torch.Tensor]:
    """Keep made-up embeddings of no words where the family looks for them, and return them."""
    tokens, width = shape.words
    generator = torch.Generator().manual_seed(1)

    def made_up(say: Callable[[str], None]) -> dict[str, torch.Tensor]:
        return {
            name: torch.randn(1, tokens, width, generator=generator) * 0.1
            for name in ("prompt", "negative")
        }

    card, dtype = find_card(shape.card), work_type(device)
    words = ("", card.negative_prompt)
    return embedded(card, words, made_up, dtype=dtype, report=_Silent())


def _count(network: torch.nn.Module) -> int:
    return sum(values.numel() for values in network.parameters())


@contextmanager
def _built_on(device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            yield
    finally:
        torch.set_default_dtype(before)
