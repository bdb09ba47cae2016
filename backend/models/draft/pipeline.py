"""Draft as a diffusers pipeline: one frame's projection in, the frame with its holes generated out.

Residual flow matching: x_t = (1 - t) x0 + t noise, from t = 1 (noise) to 0. The network says what
x0 is, the scheduler takes an Euler step along (x_t - x0) / t, and the last step lands on x0.
Pixels that may not be changed have the residual 0 all along.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteScheduler,
)
from diffusers.utils import BaseOutput
from torch.nn import functional

from .condition import apply_residual, encode
from .grain import match_grain
from .network import COLOURS, DraftNetwork
from .tiles import MOST_PIXELS, Tile, batch, cover

_MOST_PIXELS_CUDA = 16 * MOST_PIXELS  # looked at at once

OnStep = Callable[[int, int], None]


@dataclass
class DraftOutput(BaseOutput):
    """What a `DraftPipeline` returns.

    Attributes:
        colour: (3, H, W) float32 display values 0 to 1, those of `filled` outside `editable`.
    """

    colour: torch.Tensor


def flow_times(steps: int) -> list[float]:
    """Return the flow times at which the network is asked, from 1 down, before the shift.

    Evenly spaced. The scheduler bends them by its own setting `shift` s, which is saved with the
    weights: t becomes s t / (1 + (s - 1) t) (Esser et al. 2024, 5.3.2), so that above 1 more of
    the steps are spent where there is much noise.
    """
    return [1.0 - step / steps for step in range(steps)]


class DraftPipeline(DiffusionPipeline):
    """Generates what a projected frame does not show, at any size.

    Args:
        network: Estimates the clean residual.
        scheduler: Takes the steps; its `shift` bends their times.
    """

    def __init__(self, network: DraftNetwork, scheduler: FlowMatchEulerDiscreteScheduler) -> None:
        super().__init__()
        self.register_modules(network=network, scheduler=scheduler)

    @torch.inference_mode()
    def __call__(
        self,
        filled: torch.Tensor,
        generated: torch.Tensor,
        inverse: torch.Tensor,
        *,
        planes: torch.Tensor | None = None,
        editable: torch.Tensor | None = None,
        sure: torch.Tensor | None = None,
        generator: torch.Generator | None = None,
        steps: int = 4,
        mean: bool = False,
        detail: float = 1.0,
        on_step: OnStep | None = None,
    ) -> DraftOutput:
        """Return the frame with its editable pixels generated.

        The same generator state gives the same bytes on the same device.

        Args:
            filled: (3, H, W) display values 0 to 1, holes filled by the projection.
            generated: (H, W) share of colour that no still shows, 0 to 1.
            inverse: (H, W) inverse depth divided by the shot's largest `nearest_inverse`, 0 for the
                sky.
            planes: (H, W) as `inverse`, what tells in holes too which surface a pixel lies on; None
                for `inverse`. The network itself has learnt from holes whose unknown depth is
                filled smoothly.
            editable: (H, W) bool, the pixels that may be changed; None for `generated > 0`.
            sure: (H, W) how certain, 0 to 1, the structure of `filled` is in holes: so much less of
                a sample's own is added. None for 0.
            generator: On the CPU, source of the noise of the whole frame; None for torch's own.
            steps: Evaluations of the network that lead from noise to a sample. The first one is
                the expectation, so 1 is no more than that.
            mean: Return the expectation, one evaluation; it does not depend on the generator.
            detail: 0 is the expectation, 1 a sample; between, the two mixed.
            on_step: Called with the numbers of evaluations done and to do, before each; what it
                raises ends the work.

        Raises:
            ValueError: shapes differ, a value is not finite, or a setting is out of its range.
        """
        if editable is None:
            editable = generated > 0
        planes = inverse if planes is None else planes
        sure = torch.zeros_like(generated) if sure is None else sure
        maps = {"generated": generated, "inverse": inverse, "planes": planes, "sure": sure}
        _check(filled, maps, editable, steps=steps, detail=detail)
        device = self.network.device
        filled, generated, inverse = (each.to(device) for each in (filled, generated, inverse))
        planes, editable, sure = (each.to(device) for each in (planes, editable, sure))
        if not editable.any():
            return DraftOutput(colour=filled.clone())
        canvas = _Canvas(self.network, filled, generated, editable, inverse)
        evaluations = 1 if mean or detail == 0 else steps
        progress = _Progress(on_step, canvas.evaluations * evaluations)
        height, width = editable.shape
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
            first = canvas.estimate(canvas.nothing(), 1.0, progress)
            residual = expected = first[:, :height, :width]
            if evaluations > 1:
                sample = self._sample(canvas, first, steps, generator, progress)
                # Of weak grain TF32 would leave its own rounding.
                with torch.backends.cudnn.flags(deterministic=True, allow_tf32=False):
                    sample = match_grain(
                        sample[:, :height, :width],
                        expected,
                        filled=filled,
                        generated=generated,
                        inverse=planes,
                        editable=editable,
                    )
                # Independent structures add up in the square.
                residual = torch.lerp(expected, sample, detail * (1 - sure.square()).sqrt())
        return DraftOutput(colour=apply_residual(residual, filled, editable))

    def _sample(
        self,
        canvas: _Canvas,
        expected: torch.Tensor,
        steps: int,
        generator: torch.Generator | None,
        progress: _Progress,
    ) -> torch.Tensor:
        """Return a residual that the noise of `generator` leads to.

        The first step needs no evaluation: at t = 1 the estimate is the expectation.
        """
        noisy, clean = canvas.noise(generator), expected
        self.scheduler.set_timesteps(sigmas=flow_times(steps))
        for index, timestep in enumerate(self.scheduler.timesteps):
            time = float(self.scheduler.sigmas[index])
            if index > 0:
                clean = canvas.estimate(noisy, time, progress)
            noisy = self.scheduler.step((noisy - clean) / time, timestep, noisy).prev_sample
        return noisy


class _Progress:
    """Counts evaluations and tells of each before it begins."""

    def __init__(self, on_step: OnStep | None, total: int) -> None:
        self.on_step, self.total, self.done = on_step, total, 0

    def step(self) -> None:
        if self.on_step is not None:
            self.on_step(self.done, self.total)
        self.done += 1


class _Canvas:
    """A frame made ready for the network: its sides multiples, its condition, its tiles.

    It is continued to the right and below by its edge pixels, what may be changed among them.
    """

    def __init__(
        self,
        network: DraftNetwork,
        filled: torch.Tensor,
        generated: torch.Tensor,
        editable: torch.Tensor,
        inverse: torch.Tensor,
    ) -> None:
        self.network = network
        planes = torch.cat([filled, torch.stack([generated, inverse, editable.to(filled.dtype)])])
        height, width = editable.shape
        below, right = (-length % network.multiple for length in (height, width))
        planes = functional.pad(planes, (0, right, 0, below), mode="replicate")
        self.editable = planes[-1] > 0
        self.condition = encode(planes[:3], planes[3], self.editable, planes[4])
        tiles = cover(self.editable.cpu().numpy(), multiple=network.multiple)
        most = MOST_PIXELS if filled.device.type == "cpu" else _MOST_PIXELS_CUDA
        self.batches = list(batch(tiles, most=most))

    @property
    def evaluations(self) -> int:
        """How often the network is asked for one estimate of the frame."""
        return len(self.batches)

    def nothing(self) -> torch.Tensor:
        """Return (3, H, W) zeros: at t = 1 the network is shown no noise."""
        return torch.zeros((COLOURS, *self.editable.shape), device=self.editable.device)

    def noise(self, generator: torch.Generator | None) -> torch.Tensor:
        """Return (3, H, W) noise of the whole canvas, 0 where nothing may be changed.

        It is drawn on the CPU and for all pixels, so that it depends on neither device nor tiles.
        """
        noise = torch.randn((COLOURS, *self.editable.shape), generator=generator)
        return noise.to(self.editable.device) * self.editable

    def estimate(self, noisy: torch.Tensor, time: float, progress: _Progress) -> torch.Tensor:
        """Return the residual (3, H, W) that the network sees in a noisy one, tile by tile."""
        clean = torch.zeros_like(noisy)
        for tiles in self.batches:
            progress.step()
            times = torch.full((len(tiles),), time, device=noisy.device)
            results = self.network(_crops(noisy, tiles), _crops(self.condition, tiles), times)
            for tile, result in zip(tiles, results, strict=True):
                top, bottom, left, right = tile.inner
                y, x = tile.outer[0], tile.outer[2]
                clean[:, top:bottom, left:right] = result[
                    :, top - y : bottom - y, left - x : right - x
                ]
        return clean * self.editable


def _crops(planes: torch.Tensor, tiles: list[Tile]) -> torch.Tensor:
    boxes = (tile.outer for tile in tiles)
    return torch.stack([planes[:, top:bottom, left:right] for top, bottom, left, right in boxes])


def _check(
    filled: torch.Tensor,
    maps: dict[str, torch.Tensor],
    editable: torch.Tensor,
    *,
    steps: int,
    detail: float,
) -> None:
    """Raise ValueError for what a caller must not pass."""
    if filled.dim() != 3 or filled.shape[0] != COLOURS or filled.numel() == 0:
        raise ValueError(f"filled is (3, H, W) with H and W from 1, not {tuple(filled.shape)}.")
    for name, plane in {**maps, "editable": editable}.items():
        if plane.shape != filled.shape[1:]:
            raise ValueError(
                f"{name} is {tuple(plane.shape)} and filled {tuple(filled.shape)};"
                " both need the same height and width."
            )
    for name, plane in {"filled": filled, **maps}.items():
        if plane.dtype != torch.float32:
            raise ValueError(f"{name} is {plane.dtype}; it has to be torch.float32.")
        if not plane.isfinite().all():
            raise ValueError(f"{name} has values that are not finite.")
    if bool(((maps["sure"] < 0) | (maps["sure"] > 1)).any()):
        raise ValueError("sure has values outside of 0 to 1.")
    if editable.dtype != torch.bool:
        raise ValueError(f"editable is {editable.dtype}; it has to be torch.bool.")
    if steps < 1:
        raise ValueError(f"steps is {steps}; it has to be 1 or more.")
    if not 0 <= detail <= 1:
        raise ValueError(f"detail is {detail}; it has to be from 0 to 1.")
