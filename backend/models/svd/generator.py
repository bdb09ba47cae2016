"""Stable Video Diffusion makes one window: its first picture, the stock pipeline, frames."""

from __future__ import annotations

import math
from pathlib import Path

import PIL.Image
import torch
from diffusers import StableVideoDiffusionPipeline

from ...projection.output import to_image
from ..card import Card
from ..video.held import Held
from ..video.steps import steps_told
from ..video.window import DECODING, ENCODING, Report, WindowTask
from .load import load_pipeline

RATES = 3, 30  # frames a second that it was trained with (the model's own page)
DECODED = 8  # frames at once at most: all of them would need more than the rest of the work


class SvdGenerator:
    """The stock pipeline, kept warm; see `video.window.Generator`."""

    def __init__(self, card: Card, folder: Path, *, device: torch.device) -> None:
        """Load nothing yet, see `Held`."""
        self._card, self._folder, self._device = card, folder, device
        self._dtype = torch.float32 if device.type == "cpu" else torch.float16  # as published
        self._held = Held(card, self._load, device=device)

    def make(self, task: WindowTask, report: Report) -> torch.Tensor:
        """See `video.window.Generator`."""
        task.warn_of_start(report)
        return self._held.run(task, report, lambda pipeline: self._make(pipeline, task, report))

    def rest(self) -> None:
        """See `video.window.Generator`."""
        self._held.rest()

    def _load(self) -> StableVideoDiffusionPipeline:
        pipeline = load_pipeline(self._card, self._folder, dtype=self._dtype)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def _make(
        self, pipeline: StableVideoDiffusionPipeline, task: WindowTask, report: Report
    ) -> torch.Tensor:
        settings = task.settings
        width, height = task.size
        steps, frames = int(settings["steps"]), len(task.frames)
        least, most = float(settings["guidance_min"]), float(settings["guidance_max"])
        rate = min(max(round(task.fps), RATES[0]), RATES[1])
        report.record("rate_told", rate)
        # The pipeline encodes in float32 and goes back; memory that ran out between left it there.
        if pipeline.vae.dtype != self._dtype:
            pipeline.vae.to(dtype=self._dtype)

        report.progress(ENCODING, 0, 1)
        with steps_told(pipeline, report, steps, looks=self._card.looks) as told:
            made = pipeline(
                # 8 bits: of a tensor the pipeline would not make the small picture that CLIP wants.
                PIL.Image.fromarray(to_image(task.start)),
                height=height,
                width=width,
                num_frames=frames,
                num_inference_steps=steps,
                min_guidance_scale=least,
                max_guidance_scale=most,
                fps=rate,
                motion_bucket_id=int(settings["motion"]),
                noise_aug_strength=float(settings["noise"]),
                # Parts as equal as can be: a frame decoded alone would stand out.
                decode_chunk_size=math.ceil(frames / math.ceil(frames / DECODED)),
                generator=torch.Generator("cpu").manual_seed(task.seed),
                output_type="pt",
                **told,
            ).frames[0]
        report.progress(DECODING, 1, 1)
        return made.float().cpu()
