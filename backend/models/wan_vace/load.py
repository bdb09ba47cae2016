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
from ..video.window import Report

# Of what a LoRA adds to a matrix, in the names of its tensors: both ways of naming them.
_HALVES = ("lora_A", "lora_B"), ("lora_down", "lora_up")


def load_pipeline(
    card: Card, folder: Path, *, dtype: torch.dtype, four_bits: Report | None = None
) -> WanVACEPipeline:
    """Return the pipeline without what reads words, on the CPU.

    Args:
        card: The model.
        folder: What `save_pretrained` of a `WanVACEPipeline` writes.
        dtype: Of the transformers; the VAE stays in float32, as it was published.
        four_bits: Told how far weights of 4 bits are made, for transformers that have these; None
            for those that were published.

    Raises:
        ModelError: something is missing or damaged.
        StorageError: there is no room on the disk for weights of 4 bits.
    """
    index = read_index(card, folder, WanVACEPipeline.__name__)
    second = index.get("transformer_2") not in (None, [None, None])
    names = ["transformer", "transformer_2"] if second else ["transformer"]
    if four_bits is None:
        transformers = {
            name: load_part(
                card, folder / name, WanVACETransformer3DModel, dtype=dtype, use_safetensors=True
            )
            for name in names
        }
    else:
        from ..video.quantised import load_four_bits  # gguf is where weights are, and not elsewhere

        transformers = {
            name: load_four_bits(
                card, folder / name, WanVACETransformer3DModel, dtype=dtype, report=four_bits
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


def add_lora(card: Card, folder: Path, pipeline: WanVACEPipeline, *, fuse: bool) -> None:
    """Add the one file of a card, a LoRA, to a pipeline's transformer.

    Fused, nothing of it stays beside the weights: a step takes as long as before. To weights of 4
    bits nothing can be added, so there it stays beside them, exact, and costs its own size.

    Args:
        card: What was downloaded, as a card of its own.
        folder: Where it is.
        pipeline: On the CPU.
        fuse: Whether it is added to the weights themselves, for good.

    Raises:
        ModelError: it is missing, damaged, or another model's.
    """
    name = card.hub.files[0]
    tensors = load_tensors(card, folder / name)
    _check_pairs(card, folder / name, set(tensors))
    try:
        pipeline.load_lora_weights(tensors, adapter_name="fast")
        if fuse:
            pipeline.fuse_lora(adapter_names=["fast"], components=["transformer"])
    except (ValueError, KeyError, RuntimeError) as reason:
        if is_out_of_memory(reason):
            raise
        raise unusable(card, folder / name, f"does not fit this model ({reason})") from reason
    if fuse:
        pipeline.unload_lora_weights()


def _check_pairs(card: Card, file: Path, names: set[str]) -> None:
    """See that no matrix lacks its other half: what is left of such a pair would add nothing."""
    for one, other in (*_HALVES, *(pair[::-1] for pair in _HALVES)):
        for name in sorted(names):
            wanted = name.replace(f".{one}.", f".{other}.")
            if wanted not in names:
                raise unusable(card, file, f"lacks '{wanted}'")
