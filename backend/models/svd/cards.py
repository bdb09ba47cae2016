"""The card of Stable Video Diffusion. Its size, revision and licence were read on the hub."""

from __future__ import annotations

from dataclasses import replace

from ..card import Autoencoder, Card, FrameRule, Hub, Layers, Part, Setting
from ..setting import Ordered
from ..video.options import FEATHER, LOCK, MATCH, MEMORY
from .latents import COLOURS

_REPOSITORY = "stabilityai/stable-video-diffusion-img2vid-xt"

# What lives at its peak was counted on the meta device, at several sizes: of the UNet that works
# with and without the still at once, of the VAE for one picture, and for eight decoded at once.
# There its FLOP were counted too (torch.utils.flop_counter), for one video, at two sizes; frames
# look at each other so little that it is left out.
_UNET = Layers(
    held=72_300,
    block=489_498_886,
    outside=190_281_927,
    layer=29_491_200,
    token=1.119e9,
    pair=116_700.0,
)
_VAE = Autoencoder(width=128, encode=5.03, decode=32.0, time=1, tile=None)

CARDS = (
    Card(
        id="svd",
        label="Stable Video Diffusion",
        family="svd",
        summary="Sets the first still in motion for about a second; neither depth nor the camera's"
        " path nor words are used.",
        licence="stable-video-diffusion-community",
        revision="9e43909513c6714f1bc78bcb44d96e733cd242aa",
        guides=(),
        settings=(
            Setting(
                name="steps",
                label="Steps",
                default=25,
                help="Denoising steps; fewer are faster and coarser.",
                least=1,
                most=200,
            ),
            Setting(
                name="motion",
                label="Motion",
                default=127,
                help="How much moves, the view itself among it; the model's own motion bucket.",
                least=1,
                most=255,
            ),
            Setting(
                name="guidance_min",
                label="Guidance, first",
                default=1.0,
                help="How closely the first frame follows the still; it rises evenly up to the"
                " last frame's.",
                least=1.0,
                most=10.0,
                advanced=True,
            ),
            Setting(
                name="guidance_max",
                label="Guidance, last",
                default=3.0,
                help="How closely the last frame follows the still; 1 takes half the time.",
                least=1.0,
                most=10.0,
                advanced=True,
            ),
            Setting(
                name="noise",
                label="Noise on the still",
                default=0.02,
                help="How much noise the still is given before the model sees it: more frees the"
                " model from it, and lets more move.",
                least=0.0,
                most=1.0,
                advanced=True,
            ),
            replace(
                LOCK,
                default=0.0,
                help="How much of what the still shows is laid over the frames. This model does not"
                " follow the camera, so what is projected does not fit what it makes: 0 leaves all"
                " of the frame to the model.",
            ),
            FEATHER,
            MATCH,
            Setting(
                name="size",
                label="Working size",
                default="native",
                help="How large the model works: 'native' is about the size that it was made for,"
                " 1024 x 576; 'shot' takes the shot's own.",
                choices=("native", "shot"),
            ),
            Setting(
                name="window",
                label="Window",
                default=25,
                help="The most frames that are made at once; longer shots are made in several"
                " windows, each of which begins with the last frame of the one before.",
                least=2,
                most=25,
                advanced=True,
            ),
            MEMORY,
        ),
        # The pipeline looks at the last alone, and then multiplies by all.
        rules=(Ordered("guidance_min", "guidance_max", "lower the first, or raise the last"),),
        learned=True,
        takes_seed=True,
        follows_camera=False,
        phases=(
            ("projecting", 0.05),
            ("encoding", 0.03),
            ("denoising", 0.75),
            ("decoding", 0.15),
            ("compositing", 0.02),
        ),
        size_multiple=64,
        frame_rule=FrameRule(offset=1, most=25),
        overlap=1,
        native_size=(1024, 576),  # and any rate: it is told the shot's
        stills=1,
        looks=COLOURS,
        hub=Hub(
            repository=_REPOSITORY,
            pipeline="StableVideoDiffusionPipeline",
            files=(
                "model_index.json",
                "feature_extractor/*.json",
                "image_encoder/*.json",
                "image_encoder/*.fp16.safetensors",
                "scheduler/*.json",
                "unet/*.json",
                "unet/*.fp16.safetensors",
                "vae/*.json",
                "vae/*.fp16.safetensors",
            ),
            bytes=4_509_188_841,
            licence_url=f"https://huggingface.co/{_REPOSITORY}/blob/main/LICENSE.md",
        ),
        parts=(
            Part("image_encoder", 632_076_800),
            Part("unet", 1_524_623_082, _UNET),
            Part("vae", 97_742_847, _VAE),
        ),
    ),
)
