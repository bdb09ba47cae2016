"""What is told of a stock pipeline's steps: when the first begins, each that ends, and a look."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from diffusers import DiffusionPipeline

from ..looks import LatentColours
from .preview import is_due, middle_frame, picture
from .window import DECODING, DENOISING, Report

_DENOISERS = "transformer", "transformer_2", "unet"


@contextmanager
def steps_told(
    pipeline: DiffusionPipeline, report: Report, steps: int, *, looks: LatentColours | None
) -> Iterator[dict[str, object]]:
    """Tell a report of the denoising that a pipeline does inside; what it raises ends the pipeline.

    A stock pipeline calls back at a step's end alone. That the first one begins is known from the
    denoising network, which is asked for nothing before it.

    Args:
        pipeline: The pipeline.
        report: Told that denoising begins, of each step that ends, and that decoding begins.
        steps: How many there are.
        looks: What the latents look like, for a picture every few steps; None for none.

    Yields:
        Arguments for the pipeline's call.
    """
    handles = []

    def begin(*_: object) -> None:
        remove()
        report.progress(DENOISING, 0, steps)

    def remove() -> None:
        for handle in handles:
            handle.remove()

    for name in _DENOISERS:
        network = getattr(pipeline, name, None)
        if network is not None:
            handles.append(network.register_forward_pre_hook(begin))
    told = _Steps(report, steps, looks)
    try:
        yield {
            "callback_on_step_end": told,
            "callback_on_step_end_tensor_inputs": [] if looks is None else ["latents"],
        }
    finally:
        remove()


class _Steps:
    """A `callback_on_step_end`."""

    def __init__(self, report: Report, steps: int, looks: LatentColours | None) -> None:
        self._report, self._steps, self._looks = report, steps, looks
        self._before: torch.Tensor | None = None

    def __call__(
        self, pipeline: DiffusionPipeline, step: int, _: torch.Tensor, values: dict
    ) -> dict:
        """Tell of a step, counted from 0."""
        self._report.progress(DENOISING, step + 1, self._steps)
        if self._looks is not None:
            now = middle_frame(values["latents"], self._looks)
            if is_due(step + 1, self._steps):
                clean = self._clean(now, pipeline.scheduler.sigmas[step : step + 2].tolist())
                self._report.preview(picture(clean, self._looks))
            self._before = now
        if step + 1 == self._steps:
            self._report.progress(DECODING, 0, 1)
        return values

    def _clean(self, now: torch.Tensor, sigmas: list[float]) -> torch.Tensor:
        """Return where the latents would be if they went straight on until no noise is left.

        With the change over this step, from noise s to noise t, that is x + (x - before) t / (s -
        t): the network's own estimate where a step is Euler's (Karras et al. 2022, algorithm 1),
        and near it where it is not. Latents with their noise would show little else than that.
        """
        if self._before is None:
            return now
        begin, end = sigmas
        return now + (now - self._before) * (end / (begin - end))
