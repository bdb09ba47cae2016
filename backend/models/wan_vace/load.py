"""Wan VACE's weights on disk: its parts, read with no network, no pickle and no code of others."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKLWan,
    UniPCMultistepScheduler,
    WanVACEPipeline,
    WanVACETransformer3DModel,
)

from ..card import Card
from ..device_errors import is_out_of_memory
from ..video.parts import load_part, load_tensors, read_index, unusable


def load_pipeline(card: Card, folder: Path, *, dtype: torch.dtype) -> WanVACEPipeline:
    """Return the pipeline without what reads words, on the CPU.

    Args:
        card: The model.
        folder: What `save_pretrained` of a `WanVACEPipeline` writes.
        dtype: Of the transformers; the VAE stays in float32, as it was published.

    Raises:
        ModelError: something is missing or damaged.
    """
    index = read_index(card, folder, WanVACEPipeline.__name__)
    second = index.get("transformer_2") not in (None, [None, None])
    names = ["transformer", "transformer_2"] if second else ["transformer"]
    transformers = {
        name: load_part(
            card, folder / name, WanVACETransformer3DModel, dtype=dtype, use_safetensors=True
        )
        for name in names
    }
    return WanVACEPipeline(
        tokenizer=None,
        text_encoder=None,
        vae=load_part(
            card, folder / "vae", AutoencoderKLWan, dtype=torch.float32, use_safetensors=True
        ),
        scheduler=load_part(card, folder / "scheduler", UniPCMultistepScheduler),
        transformer=transformers["transformer"],
        transformer_2=transformers.get("transformer_2"),
        boundary_ratio=index.get("boundary_ratio"),
    )


def fuse_lora(card: Card, folder: Path, pipeline: WanVACEPipeline) -> None:
    """Add the one file of a card, a LoRA, to a pipeline's transformer for good.

    Nothing of it stays beside the weights: a step takes as long as before, under every memory plan.

    Args:
        card: What was downloaded, as a card of its own.
        folder: Where it is.
        pipeline: On the CPU.

    Raises:
        ModelError: it is missing, damaged, or another model's.
    """
    name = card.hub.files[0]
    tensors = load_tensors(card, folder / name)
    try:
        pipeline.load_lora_weights(tensors, adapter_name="fast")
        pipeline.fuse_lora(adapter_names=["fast"], components=["transformer"])
    except (ValueError, KeyError, RuntimeError) as reason:
        if is_out_of_memory(reason):
            raise
        raise unusable(card, folder / name, f"does not fit this model ({reason})") from reason
    pipeline.unload_lora_weights()
