"""Wan VACE makes one window: words, conditions, the stock pipeline, frames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import UniPCMultistepScheduler, WanVACEPipeline
from transformers import UMT5EncoderModel

from ..card import Card
from ..memory import FOUR
from ..video.held import Change, Held
from ..video.steps import steps_told
from ..video.window import DECODING, ENCODING, Report, WindowTask
from ..video.words import Reader, TextParts, read_words
from ..weights import weights_folder
from .cards import LONGEST_PROMPT
from .conditions import show
from .load import add_lora, load_pipeline

# From this area on, noise has to be shifted further (Wan 2.1's own settings for 480p and 720p).
_LARGE_AREA = 600_000
_SHIFT, _LARGE_SHIFT = 3.0, 5.0


class WanVaceGenerator:
    """The stock pipeline, kept warm; see `video.window.Generator`."""

    def __init__(
        self,
        card: Card,
        folder: Path,
        *,
        device: torch.device,
        load: Callable[[], WanVACEPipeline] | None = None,
    ) -> None:
        """Load nothing yet, see `Held`.

        Args:
            card: The model.
            folder: Its weights.
            device: Where it works.
            load: Returns the pipeline, without what reads words; None reads it from the folder.
        """
        self._card, self._folder, self._device = card, folder, device
        self._dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
        self._held = Held(
            card, load or self._load, device=device, load_four_bits=self._load_pipeline
        )
        self._words: dict[str, torch.Tensor] = {}

    def read_words(self, prompt: str, negative: str, report: Report) -> None:
        """See `video.window.Generator`."""
        self._words = read_words(
            self._card,
            self._folder,
            READER,
            (prompt, negative),
            device=self._device,
            dtype=self._dtype,
            make_room=self._held.put_away,
            report=report,
        )

    def make(self, task: WindowTask, report: Report) -> torch.Tensor:
        """See `video.window.Generator`."""
        video, mask = show(task, self._card.control)
        for frame, picture, wanted in zip(task.frames, video, mask, strict=True):
            if not frame.kept:
                report.shown(frame.index, picture, wanted)
        return self._held.run(
            task,
            report,
            lambda pipeline: self._make(pipeline, task, report, video, mask),
            change=self._few_steps(task),
        )

    def rest(self) -> None:
        """See `video.window.Generator`."""
        self._held.rest()

    def _few_steps(self, task: WindowTask) -> Change | None:
        """Return how the weights come to need few steps; None where that is not asked for.

        Raises:
            ModelError: what it takes is not on this computer, or is damaged.
        """
        if not task.settings.get("fast"):
            return None
        card = self._card.fast_card
        folder = weights_folder(card)
        return Change(
            f"fast, from {folder}",
            lambda pipeline, bits: add_lora(card, folder, pipeline, fuse=bits > FOUR),
        )

    def _load(self) -> WanVACEPipeline:
        return self._load_pipeline()

    def _load_pipeline(self, four_bits: Report | None = None) -> WanVACEPipeline:
        pipeline = load_pipeline(self._card, self._folder, dtype=self._dtype, four_bits=four_bits)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def _make(
        self,
        pipeline: WanVACEPipeline,
        task: WindowTask,
        report: Report,
        video: torch.Tensor,
        mask: torch.Tensor,
    ) -> torch.Tensor:
        settings = task.settings
        width, height = task.size
        steps, guidance = int(settings["steps"]), float(settings["guidance"])
        shift = _LARGE_SHIFT if width * height > _LARGE_AREA else _SHIFT
        if settings.get("fast"):
            steps, guidance, shift = self._card.fast.steps, 1.0, self._card.fast.shift
        pipeline.scheduler = UniPCMultistepScheduler.from_config(
            pipeline.scheduler.config, flow_shift=shift
        )

        report.progress(ENCODING, 0, 1)
        with steps_told(pipeline, report, steps, looks=self._card.looks) as told:
            made = pipeline(
                prompt_embeds=self._words["prompt"].to(self._device),
                negative_prompt_embeds=self._words["negative"].to(self._device),
                video=video[None],
                mask=mask[None],
                conditioning_scale=float(settings["guidance_strength"]),
                height=height,
                width=width,
                num_frames=len(task.frames),
                num_inference_steps=steps,
                guidance_scale=guidance,
                generator=torch.Generator("cpu").manual_seed(task.seed),
                output_type="pt",
                **told,
            ).frames[0]
        report.progress(DECODING, 1, 1)
        return made.float().cpu()


def _embed(
    text: TextParts, prompt: str, negative: str, device: torch.device
) -> dict[str, torch.Tensor]:
    reader = WanVACEPipeline(
        tokenizer=text.tokenizer,
        text_encoder=text.encoder,
        vae=None,
        scheduler=None,
        transformer=None,
        transformer_2=None,
    )
    wanted, unwanted = reader.encode_prompt(
        prompt, negative, max_sequence_length=LONGEST_PROMPT, device=device
    )
    return {"prompt": wanted, "negative": unwanted}


READER = Reader(WanVACEPipeline.__name__, UMT5EncoderModel, LONGEST_PROMPT, _embed)
