"""Stable Video Diffusion's weights on disk: its parts, read with no network and no pickle."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import torch
from diffusers import (
    AutoencoderKLTemporalDecoder,
    EulerDiscreteScheduler,
    StableVideoDiffusionPipeline,
    UNetSpatioTemporalConditionModel,
)
from transformers import CLIPImageProcessorPil, CLIPVisionModelWithProjection

from ..card import Card
from ..video.parts import load_part, read_index

T = TypeVar("T", bound=torch.nn.Module)

_HALF = "fp16"  # the variant that is downloaded; a folder of the user's may hold the full one


def load_pipeline(card: Card, folder: Path, *, dtype: torch.dtype) -> StableVideoDiffusionPipeline:
    """Return the pipeline on the CPU.

    Args:
        card: The model.
        folder: What `save_pretrained` of a `StableVideoDiffusionPipeline` writes.
        dtype: Of every network, the VAE too: the pipeline decodes in the dtype that it denoises in.

    Raises:
        ModelError: something is missing or damaged.
    """
    read_index(card, folder, StableVideoDiffusionPipeline.__name__)

    def network(name: str, kind: type[T]) -> T:
        part = folder / name
        variant = _HALF if any(part.glob(f"*.{_HALF}.safetensors")) else None
        return load_part(card, part, kind, dtype=dtype, variant=variant, use_safetensors=True)

    return StableVideoDiffusionPipeline(
        vae=network("vae", AutoencoderKLTemporalDecoder),
        image_encoder=network("image_encoder", CLIPVisionModelWithProjection).eval(),
        unet=network("unet", UNetSpatioTemporalConditionModel),
        scheduler=load_part(card, folder / "scheduler", EulerDiscreteScheduler),
        feature_extractor=load_part(card, folder / "feature_extractor", CLIPImageProcessorPil),
    )
