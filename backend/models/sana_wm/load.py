"""SANA-WM's weights on disk: its parts, read with no network, no pickle and no code of others."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKLLTX2Video,
    FlowMatchEulerDiscreteScheduler,
    SanaWMPipeline,
    SanaWMTransformer3DModel,
)

from ..card import Card
from ..video.parts import load_part, read_index

# The transformer keeps it for older files alone, says its source in diffusers 0.42.1.
_UNUSED = (".recall_gate",)


def load_pipeline(card: Card, folder: Path, *, dtype: torch.dtype) -> SanaWMPipeline:
    """Return the pipeline without what reads words, on the CPU.

    Args:
        card: The model.
        folder: What `save_pretrained` of a `SanaWMPipeline` writes.
        dtype: Of the transformer; the VAE stays in float32, as its authors advise.

    Raises:
        ModelError: something is missing or damaged.
    """
    read_index(card, folder, SanaWMPipeline.__name__)
    return SanaWMPipeline(
        tokenizer=None,
        text_encoder=None,
        vae=load_part(
            card, folder / "vae", AutoencoderKLLTX2Video, dtype=torch.float32, use_safetensors=True
        ),
        transformer=load_part(
            card,
            folder / "transformer",
            SanaWMTransformer3DModel,
            dtype=dtype,
            use_safetensors=True,
            unused=_UNUSED,
        ),
        scheduler=load_part(card, folder / "scheduler", FlowMatchEulerDiscreteScheduler),
    )
