"""Flow matching on single frames or whole clips: the draft's own loss, schedule and average."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from backend.models.draft.condition import encode, residual_of
from backend.models.draft.network import DraftNetwork
from backend.training.batches import Batch, draw_gains
from backend.training.loss import draw_times, flow_loss, mix_noise
from backend.training.train import (
    GRADIENT_NORM,
    decay_at,
    half_precision,
    make_optimizer,
    move_average,
    schedule,
)

from .clips import Clip

log = logging.getLogger(__name__)

RATE = 8e-4
CROP = 64
FRAMES_A_STEP = 32
LOG_STEPS = 50
_TRIES = 4  # places of which the crop with most to generate is taken


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one network is trained.

    Attributes:
        minutes: Of this process's CPU time, on one thread.
        frames: Successive ones that a batch holds of each clip it draws; 1 for single frames.
        locked: Whether a clip's noise is locked to the world.
        seed: Of batches and noise.
    """

    minutes: float
    frames: int = 1
    locked: bool = False
    seed: int = 0


def train(network: DraftNetwork, clips: Sequence[Clip], recipe: Recipe) -> tuple[DraftNetwork, int]:
    """Train a network in place; return the moving average of its weights and the steps done.

    Minutes are of CPU time, so that what else the machine does is no advantage to anyone.
    """
    network.to(memory_format=torch.channels_last).train()
    average = copy.deepcopy(network).eval().requires_grad_(False)
    optimizer = make_optimizer(network, rate=RATE)
    begun, step, share = time.process_time(), 0, 0.0
    losses: list[float] = []
    while share < 1:
        random = np.random.default_rng([recipe.seed, step])
        generator = torch.Generator().manual_seed((recipe.seed << 40) + step)
        batch, noise = draw_batch(clips, recipe, random, generator)
        times = draw_times(FRAMES_A_STEP // recipe.frames, generator=generator)
        times = times.repeat_interleave(recipe.frames)
        noisy = mix_noise(batch.residual, noise, batch.editable, times)
        with half_precision(noisy.device):
            estimate = network(noisy, batch.condition, times)
        loss, _ = flow_loss(estimate, batch.residual, batch.editable, times)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_NORM)
        for group in optimizer.param_groups:
            group["lr"] = schedule(step, share, highest=RATE)
        optimizer.step()
        move_average(average.parameters(), network.parameters(), decay=decay_at(step))
        losses.append(loss.item())
        step += 1
        share = (time.process_time() - begun) / (60 * recipe.minutes)
        if step % LOG_STEPS == 0:
            log.info("step %d, %.0f%%: loss %.3f", step, 100 * share, np.mean(losses[-LOG_STEPS:]))
    return average, step


def draw_batch(
    clips: Sequence[Clip], recipe: Recipe, random: np.random.Generator, generator: torch.Generator
) -> tuple[Batch, torch.Tensor]:
    """Return crops of successive frames, those of a clip one after another, and their noise."""
    drawn = []
    for _ in range(FRAMES_A_STEP // recipe.frames):
        clip = clips[random.integers(len(clips))]
        start = random.integers(len(clip.filled) - recipe.frames + 1)
        frames = slice(start, start + recipe.frames)
        window = _window(clip.generated[frames], random)
        flip = -1 if random.random() < 0.5 else 1
        gains = draw_gains(random)
        parts = frames_of(clip, (frames, *window), flip=flip, gains=gains)
        noise = torch.randn(parts[1].shape, generator=generator)
        if recipe.locked:
            noise = noise_at(clip.places, generator)[frames, :, *window]
            noise = noise.flip(-1) if flip < 0 else noise
        drawn.append((*parts, noise))
    *batch, noise = (torch.cat(parts) for parts in zip(*drawn, strict=True))
    return Batch(*batch), noise


def frames_of(
    clip: Clip,
    where: tuple[slice, slice, slice],
    *,
    flip: int = 1,
    gains: torch.Tensor | float = 1.0,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return condition (N, CHANNELS, h, w), residual (N, 3, h, w) and editable (N, h, w).

    Args:
        clip: The clip.
        where: Frames, rows and columns.
        flip: -1 to turn pictures round, left for right.
        gains: Factors (3, 1, 1) of the colours.
    """
    frames, rows, columns = where

    def cut(planes: np.ndarray) -> torch.Tensor:
        part = planes[frames, ..., rows, columns][..., ::flip]
        return torch.from_numpy(np.ascontiguousarray(part, dtype=np.float32))

    filled, truth = ((cut(each) / 255 * gains).clamp(0, 1) for each in (clip.filled, clip.truth))
    generated, inverse = cut(clip.generated) / 255, cut(clip.inverse)
    editable = generated > 0
    planes = zip(filled, generated, editable, inverse, strict=True)
    condition = torch.stack([encode(*frame) for frame in planes])
    return condition, residual_of(truth, filled) * editable[:, None], editable


def noise_at(places: np.ndarray, generator: torch.Generator) -> torch.Tensor:
    """Return noise (N, 3, H, W) that is the same wherever the places (N, H, W) are.

    Each value is drawn at one pixel, nothing is mixed: it stays normal, and white but where one
    pixel becomes several.
    """
    noise = torch.randn(3, places.size, generator=generator)
    return noise[:, torch.from_numpy(places.astype(np.int64))].transpose(0, 1)


def _window(generated: np.ndarray, random: np.random.Generator) -> tuple[slice, slice]:
    """Return rows and columns of the place, of a few, with most to generate in all frames."""
    height, width = generated.shape[1:]
    windows = []
    for _ in range(_TRIES):
        y, x = random.integers(height - CROP + 1), random.integers(width - CROP + 1)
        windows.append((slice(y, y + CROP), slice(x, x + CROP)))
    return max(windows, key=lambda window: np.count_nonzero(generated[:, *window]))
