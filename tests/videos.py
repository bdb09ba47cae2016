"""Tiny pipelines of the real classes with random weights, as folders that the families load.

And what the tests of each family do with them: jobs with small settings, shots changed, pictures
read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import PIL.Image
import torch
from diffusers import (
    AutoencoderKLLTX2Video,
    AutoencoderKLTemporalDecoder,
    AutoencoderKLWan,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    SanaWMPipeline,
    SanaWMTransformer3DModel,
    StableVideoDiffusionPipeline,
    UNetSpatioTemporalConditionModel,
    UniPCMultistepScheduler,
    WanVACEPipeline,
    WanVACETransformer3DModel,
)
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    Gemma2Config,
    Gemma2ForCausalLM,
    PreTrainedTokenizerFast,
    UMT5Config,
    UMT5EncoderModel,
)

from backend.generate import generate
from backend.take import Take

WORDS = "a quiet street at dusk, warm light in the windows, wet stones, slow camera"


def tiny_wan_vace(folder: Path, *, seed: int = 0, second: bool = False, head: int = 12) -> Path:
    """Write a `WanVACEPipeline` of about a megabyte and return its folder.

    A `second` transformer makes the steps below the boundary, the last of two as of fifty.
    A `head` of 16 makes it 32 wide, the least that can be rounded to 4 bits.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pipeline = WanVACEPipeline(
            tokenizer=_tokenizer(),
            text_encoder=UMT5EncoderModel(
                UMT5Config(vocab_size=256, d_model=32, d_kv=8, d_ff=37, num_layers=2, num_heads=4)
            ).eval(),
            vae=AutoencoderKLWan(
                base_dim=3,
                z_dim=16,
                dim_mult=[1, 1, 1, 1],
                num_res_blocks=1,
                temperal_downsample=[False, True, True],
            ),
            scheduler=UniPCMultistepScheduler(
                prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
            ),
            transformer=_transformer(head),
            transformer_2=_transformer(head) if second else None,
            boundary_ratio=0.875 if second else None,
        )
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def _transformer(head: int) -> WanVACETransformer3DModel:
    return WanVACETransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=2,
        attention_head_dim=head,
        in_channels=16,
        out_channels=16,
        text_dim=32,
        freq_dim=256,
        ffn_dim=32,
        num_layers=2,
        cross_attn_norm=True,
        qk_norm="rms_norm_across_heads",
        rope_max_seq_len=1024,
        vace_layers=[0],
        vace_in_channels=96,
    )


def _tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=100, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>"
    )
    tokenizer.train_from_iterator([WORDS], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


def tiny_sana_wm(folder: Path, *, seed: int = 0) -> Path:
    """Write a `SanaWMPipeline` of about a megabyte and return its folder."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pipeline = SanaWMPipeline(
            tokenizer=_tokenizer(),
            text_encoder=Gemma2ForCausalLM(
                Gemma2Config(
                    vocab_size=256,
                    hidden_size=16,
                    intermediate_size=16,
                    num_hidden_layers=1,
                    num_attention_heads=2,
                    num_key_value_heads=1,
                    head_dim=8,
                    max_position_embeddings=1024,
                )
            ).eval(),
            vae=AutoencoderKLLTX2Video(
                latent_channels=128,  # as many as the card knows the colours of
                block_out_channels=(4, 8, 16, 32),
                decoder_block_out_channels=(8, 16, 32),
                layers_per_block=(1, 1, 1, 1, 1),
                decoder_layers_per_block=(1, 1, 1, 1),
                spatial_compression_ratio=32,
                temporal_compression_ratio=8,
            ),
            transformer=SanaWMTransformer3DModel(
                in_channels=128,
                num_layers=2,
                hidden_size=32,
                num_attention_heads=2,
                softmax_every_n=2,
                linear_head_dim=16,
                caption_channels=16,
            ),
            scheduler=FlowMatchEulerDiscreteScheduler(shift=9.8),
        )
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def tiny_svd(folder: Path, *, seed: int = 0, variant: str | None = None) -> Path:
    """Write a `StableVideoDiffusionPipeline` of about a megabyte and return its folder."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pipeline = StableVideoDiffusionPipeline(
            vae=AutoencoderKLTemporalDecoder(
                down_block_types=("DownEncoderBlock2D",) * 4,
                block_out_channels=(32, 32, 32, 32),
                layers_per_block=1,
                latent_channels=4,
            ),
            image_encoder=CLIPVisionModelWithProjection(
                CLIPVisionConfig(
                    hidden_size=16,
                    intermediate_size=16,
                    num_hidden_layers=2,
                    num_attention_heads=2,
                    image_size=224,
                    patch_size=56,
                    projection_dim=16,
                )
            ).eval(),
            unet=UNetSpatioTemporalConditionModel(
                down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
                up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
                block_out_channels=(32, 32),
                layers_per_block=1,
                cross_attention_dim=16,
                num_attention_heads=2,
                addition_time_embed_dim=16,
                projection_class_embeddings_input_dim=48,
            ),
            scheduler=EulerDiscreteScheduler(
                beta_start=0.00085,
                beta_end=0.012,
                beta_schedule="scaled_linear",
                prediction_type="v_prediction",
                timestep_type="continuous",
                timestep_spacing="leading",
                sigma_min=0.002,
                sigma_max=700.0,
                steps_offset=1,
                use_karras_sigmas=True,
            ),
            feature_extractor=CLIPImageProcessorPil(),
        )
    if variant is not None:
        pipeline.to(dtype=torch.float16)
    pipeline.save_pretrained(folder, safe_serialization=True, variant=variant)
    return folder


def tiny_lora(weights: Path, file: Path, *, seed: int = 0) -> Path:
    """Write a LoRA for the transformer of `tiny_wan_vace`'s folder and return the file."""
    transformer = WanVACETransformer3DModel.from_pretrained(weights / "transformer")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = LoraConfig(
            r=2, lora_alpha=2, target_modules=["to_q", "to_v"], init_lora_weights=False
        )
        transformer.add_adapter(config)
    file.parent.mkdir(parents=True, exist_ok=True)
    WanVACEPipeline.save_lora_weights(
        file.parent,
        transformer_lora_layers=get_peft_model_state_dict(transformer),
        weight_name=file.name,
    )
    return file


def take_maker(model: str, settings: Mapping[str, object]) -> Callable[..., Take]:
    """Return a function that makes a take of a shot in a folder; options are `generate`'s."""

    def run(shot: Path, out: Path, **options: object) -> Take:
        arguments = {
            "model": model,
            "settings": settings,
            "on_event": lambda event: None,
            "should_stop": lambda: False,
            "device": "cpu",
        }
        return generate(shot, out=out, **(arguments | options))

    return run


def change(shot: Path, **values: object) -> Path:
    """Change what a shot says, and return its folder."""
    content = json.loads((shot / "shot.json").read_text())
    (shot / "shot.json").write_text(json.dumps({**content, **values}))
    return shot


def picture(file: Path) -> np.ndarray:
    """Return the pixels of a picture on disk."""
    with PIL.Image.open(file) as image:
        return np.asarray(image).copy()
