"""What a stock pipeline calls after each denoising step: progress, cancel, and a look."""

from __future__ import annotations

from collections.abc import Callable

import torch
from diffusers import DiffusionPipeline

from .preview import LatentColours, is_due
from .window import DECODING, DENOISING, Report

OnStep = Callable[[DiffusionPipeline, int, torch.Tensor, dict], dict]


def tell_steps(report: Report, steps: int, *, colours: LatentColours | None = None) -> OnStep:
    """Return a `callback_on_step_end`; what the report raises ends the pipeline.

    Args:
        report: Told of each step, and that decoding begins after the last.
        steps: How many there are.
        colours: What the latents look like, for a picture every few steps; the callback then has to
            be given "latents". None for no pictures.
    """

    def on_step(_: DiffusionPipeline, step: int, __: torch.Tensor, values: dict) -> dict:
        report.progress(DENOISING, step + 1, steps)
        if colours is not None and is_due(step + 1, steps):
            report.preview(colours.picture(values["latents"]))
        if step + 1 == steps:
            report.progress(DECODING, 0, 1)
        return values

    return on_step
