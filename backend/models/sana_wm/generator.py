"""SANA-WM makes one window: words, the camera's path, the stock pipeline, frames."""

from __future__ import annotations

from pathlib import Path

import PIL.Image
import torch
from diffusers import SanaWMPipeline
from diffusers.pipelines.sana_wm.pipeline_sana_wm import DEFAULT_CHI_PROMPT
from transformers import Gemma2ForCausalLM

from ...projection.output import to_image
from ..card import Card
from ..video.held import Held
from ..video.steps import steps_told
from ..video.window import DECODING, ENCODING, Report, WindowTask
from ..video.words import Reader, TextParts, read_words
from .cameras import camera_path
from .cards import LONGEST_PROMPT
from .load import load_pipeline


class SanaWmGenerator:
    """The stock pipeline, kept warm; see `video.window.Generator`."""

    def __init__(self, card: Card, folder: Path, *, device: torch.device) -> None:
        """Load nothing yet, see `Held`."""
        self._card, self._folder, self._device = card, folder, device
        self._dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
        self._held = Held(card, self._load, device=device)
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
        task.warn_of_start(report)
        return self._held.run(task, report, lambda pipeline: self._make(pipeline, task, report))

    def rest(self) -> None:
        """See `video.window.Generator`."""
        self._held.rest()

    def _load(self) -> SanaWMPipeline:
        pipeline = load_pipeline(self._card, self._folder, dtype=self._dtype)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def _make(self, pipeline: SanaWMPipeline, task: WindowTask, report: Report) -> torch.Tensor:
        settings = task.settings
        width, height = task.size
        steps = int(settings["steps"])
        poses, lenses = camera_path(task.frames, scale=float(settings["camera_scale"]))

        report.progress(ENCODING, 0, 1)
        with steps_told(pipeline, report, steps, looks=self._card.looks) as told:
            made = pipeline(
                # Exactly of the model's size, so that nothing is cropped and the intrinsics hold.
                PIL.Image.fromarray(to_image(task.start)),
                None,
                c2w=poses,
                intrinsics=lenses,
                height=height,
                width=width,
                num_frames=len(task.frames),
                fps=round(task.fps),
                num_inference_steps=steps,
                guidance_scale=float(settings["guidance"]),
                generator=torch.Generator("cpu").manual_seed(task.seed),
                output_type="pt",
                **told,
                **{name: value.to(self._device) for name, value in self._words.items()},
            ).frames
        report.progress(DECODING, 1, 1)
        return made.float().cpu()


def _embed(
    text: TextParts, prompt: str, negative: str, device: torch.device
) -> dict[str, torch.Tensor]:
    reader = SanaWMPipeline(
        tokenizer=text.tokenizer,
        text_encoder=text.encoder,
        vae=None,
        transformer=None,
        scheduler=None,
    )
    wanted, wanted_mask, unwanted, unwanted_mask = reader.encode_prompt(
        prompt,
        negative,
        device=device,
        max_sequence_length=LONGEST_PROMPT,
        chi_prompt=DEFAULT_CHI_PROMPT,
    )
    return {
        "prompt_embeds": wanted,
        "prompt_attention_mask": wanted_mask,
        "negative_prompt_embeds": unwanted,
        "negative_prompt_attention_mask": unwanted_mask,
    }


READER = Reader(SanaWMPipeline.__name__, Gemma2ForCausalLM, LONGEST_PROMPT, _embed)
