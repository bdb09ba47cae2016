"""The card of SANA-WM.

No revision of its repository was checked against this version, so it is not downloaded by
Depthshot: an empty revision says so.
"""

from __future__ import annotations

from ..card import Autoencoder, Card, FrameRule, Hub, Layers, Part, Setting
from ..video.options import EVERY, FEATHER, LOCK, MATCH, MEMORY
from .latents import COLOURS

LONGEST_PROMPT = 300  # tokens; what the model was trained with
_REPOSITORY = "Efficient-Large-Model/SANA-WM_bidirectional-diffusers"

CARDS = (
    Card(
        id="sana-wm",
        label="SANA-WM",
        family="sana_wm",
        summary="Generates from the still and the camera's path itself, in metres, and from words;"
        " depth is used for what is locked to the still alone.",
        licence="Apache-2.0, its text encoder under the Gemma Terms of Use",
        revision="",
        guides=("depth", "flow", "lock"),
        settings=(
            Setting(
                name="steps",
                label="Steps",
                default=60,
                help="Denoising steps; fewer are faster and coarser.",
                least=1,
                most=200,
            ),
            Setting(
                name="guidance",
                label="Prompt guidance",
                default=5.0,
                help="How closely the words are followed; 1 follows them least and takes half the"
                " time.",
                least=1.0,
                most=20.0,
            ),
            Setting(
                name="camera_scale",
                label="Camera scale",
                default=1.0,
                help="What the camera's way is multiplied by for the model, which learned metres:"
                " raise it if the view moves too little, lower it if it moves too far.",
                least=0.001,
                most=1000.0,
            ),
            LOCK,
            FEATHER,
            MATCH,
            Setting(
                name="size",
                label="Working size",
                default="native",
                help="How large the model works: 'native' is the size that it was made for, 1280 x"
                " 704; 'shot' takes the shot's own.",
                choices=("native", "shot"),
            ),
            EVERY,
            Setting(
                name="window",
                label="Window",
                default=161,
                help="The most frames that are made at once; longer shots are made in several"
                " windows, each of which begins with the last frame of the one before.",
                least=9,
                most=961,
                advanced=True,
            ),
            MEMORY,
        ),
        learned=True,
        takes_prompt=True,
        tokens=LONGEST_PROMPT,
        takes_seed=True,
        phases=(
            ("reading the words", 0.02),
            ("projecting", 0.05),
            ("encoding", 0.01),
            ("denoising", 0.8),
            ("decoding", 0.1),
            ("compositing", 0.02),
        ),
        size_multiple=32,
        frame_rule=FrameRule(multiple=8, offset=1, most=161),
        fps=16.0,
        native_size=(1280, 704),
        overlap=1,
        looks=COLOURS,
        hub=Hub(
            repository=_REPOSITORY,
            pipeline="SanaWMPipeline",
            files=(
                "model_index.json",
                "scheduler/*.json",
                "text_encoder/*.json",
                "text_encoder/*.safetensors",
                "tokenizer/*",
                "transformer/*.json",
                "transformer/*.safetensors",
                "vae/*.json",
                "vae/*.safetensors",
            ),
            # Reckoned from the parameters: transformer and VAE in 32 bits, text encoder in 16.
            bytes=20_770_000_000,
            licence_url=f"https://huggingface.co/{_REPOSITORY}",
            further=("https://ai.google.dev/gemma/terms",),
        ),
        # Counted on the meta device: 598 000 values of 32 bits with guidance, which makes both
        # halves at once; its attention stays in 32 bits, so half as many again for weights of 16.
        # The VAE decodes all frames at once: its figures are of 161 frames, too high for fewer.
        # Its FLOP are those of 1280x704 with 9, 81 and 161 frames and of 640x384 with 161, within
        # a percent (torch.utils.flop_counter, without guidance): every fourth block looks at all
        # frames at once, twice, the second time as the cameras see them.
        parts=(
            Part("text_encoder", 2_614_341_888),
            Part(
                "transformer",
                2_661_800_448,
                Layers(
                    held=900_000,
                    block=130_764_560,
                    outside=46_598_848,
                    layer=30_105_600,
                    token=20.36e9,
                    across=1.4336e6,
                    in_full=True,
                ),
            ),
            Part(
                "vae",
                1_222_479_601,
                Autoencoder(width=256, encode=0.4, decode=25.0, space=32, time=8, tile=512),
            ),
        ),
    ),
)
