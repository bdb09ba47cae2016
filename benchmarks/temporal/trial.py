"""The networks that are compared, and every way to use them on the held-out clips."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from backend.models.draft.network import DraftNetwork

from .clips import FRAMES, Clip
from .network import gflop_a_pixel, temporal_network
from .scoring import Judge, Score
from .settings import CLIPS, CLIPS_WORLD, FIRST_STAGE, SINGLE, Settings
from .training import Recipe, train
from .ways import OWN, SAME, WORLD, Meter, draw_frames, lock_again, lock_frames, project_frames

log = logging.getLogger(__name__)

Draw = Callable[[Clip, int], np.ndarray]


@dataclass(frozen=True, slots=True)
class Trained:
    """A network after its training.

    Attributes:
        network: The moving average of its weights.
        steps: How many it did in its last stage.
        minutes: Of CPU time, in its last stage.
    """

    network: DraftNetwork
    steps: int
    minutes: float


@dataclass(frozen=True, slots=True)
class Way:
    """A way to make a clip.

    Attributes:
        name: In words.
        uses: Which network, None for none.
        draw: Makes the frames of a clip for a seed.
        random: Whether seeds differ.
        ships: Whether takes are made in this way.
    """

    name: str
    uses: str | None
    draw: Draw
    random: bool = True
    ships: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """What a way gave.

    Attributes:
        way: Which.
        scores: Of each clip, of each seed.
        truths: What the truth of each clip gets.
        seconds: Of CPU time a clip.
        gflop: A frame.
    """

    way: Way
    scores: tuple[tuple[Score, ...], ...]
    truths: tuple[Score, ...]
    seconds: float
    gflop: float


def train_all(folder: Path, clips: Sequence[Clip], settings: Settings) -> dict[str, Trained]:
    """Return the trained networks by name; those in the folder are not trained again.

    All begin with the same first stage, single frames without temporal layers, as is usual. Then
    one goes on in the same way, the others with temporal layers and whole clips, for equally long.

    Args:
        folder: Claimed for the settings.
        clips: To train on, as many and as large as the settings say.
        settings: How to train.
    """
    config = {"channels": settings.widths, "blocks": (1,) * len(settings.widths)}

    def trained(name: str, recipe: Recipe, start: Trained | None) -> Trained:
        weights, record = folder / f"{name}.safetensors", folder / f"{name}.json"
        torch.manual_seed(0)
        layers = recipe.frames > 1
        network = temporal_network(FRAMES, **config) if layers else DraftNetwork(**config)
        if start is not None:
            network.load_state_dict(start.network.state_dict(), strict=not layers)
        if record.exists():
            network.load_state_dict(load_file(weights))
            steps = json.loads(record.read_text(encoding="utf-8"))["steps"]
        else:
            log.info("training: %s, %.1f minutes", name, recipe.minutes)
            network, steps = train(network, clips, recipe)
            state = network.state_dict()
            save_file({key: value.contiguous() for key, value in state.items()}, weights)
            record.write_text(json.dumps({"steps": steps}), encoding="utf-8")
        network.to(memory_format=torch.channels_last).eval().requires_grad_(False)
        return Trained(network, steps, recipe.minutes)

    recipes = settings.recipes()
    first = trained(FIRST_STAGE, recipes.pop(FIRST_STAGE), None)
    return {name: trained(name, recipe, first) for name, recipe in recipes.items()}


def ways_of(trained: dict[str, Trained]) -> list[Way]:
    """Return every way."""
    single, clips, world = (trained[name].network for name in (SINGLE, CLIPS, CLIPS_WORLD))

    def frames(network: DraftNetwork, **how: object) -> Draw:
        return lambda clip, seed: draw_frames(network, clip, seed, **how)

    def locked(draw: Draw) -> Draw:
        return lambda clip, seed: lock_again(draw(clip, seed), clip)

    return [
        Way("projection's fill", None, lambda clip, _: project_frames(clip), False),
        Way("A0: each frame, its own noise", SINGLE, frames(single, noise=OWN)),
        Way("A0: each frame, the same noise", SINGLE, frames(single, noise=SAME)),
        Way("A0: each frame, noise on the world", SINGLE, frames(single, noise=WORLD)),
        Way("A0: each frame, expectation", SINGLE, frames(single, mean=True), False),
        Way("A0, then locked to the world", SINGLE, locked(frames(single))),
        Way(
            "**A: keyframes locked to the world**",
            SINGLE,
            lambda clip, seed: lock_frames(single, clip, seed),
            ships=True,
        ),
        Way(
            "A: keyframes locked, expectation",
            SINGLE,
            lambda clip, seed: lock_frames(single, clip, seed, mean=True),
            False,
        ),
        Way("B: temporal layers", CLIPS, frames(clips, noise=OWN)),
        Way("B: temporal layers, noise on the world", CLIPS_WORLD, frames(world, noise=WORLD)),
        Way("B: temporal layers, expectation", CLIPS, frames(clips, mean=True), False),
        Way("B, then locked to the world", CLIPS, locked(frames(clips))),
    ]


def measure(trained: dict[str, Trained], clips: Sequence[Clip], *, seeds: range) -> list[Measured]:
    """Make and score every clip in every way."""
    judges = [Judge(clip) for clip in clips]
    truths = tuple(judge.truth for judge in judges)
    meters = {name: Meter(each.network) for name, each in trained.items()}
    costs = {name: gflop_a_pixel(each.network, FRAMES) for name, each in trained.items()}
    results = []
    for way in ways_of(trained):
        meter = meters[way.uses] if way.uses else None
        before = meter.pixels if meter else 0
        scores, seconds, runs = [], 0.0, 0
        for clip, judge in zip(clips, judges, strict=True):
            begun = time.process_time()
            takes = [way.draw(clip, seed) for seed in (seeds if way.random else seeds[:1])]
            seconds += time.process_time() - begun
            runs += len(takes)
            scores.append(tuple(judge.score(takes)))
        pixels = meter.pixels - before if meter else 0
        gflop = pixels * costs[way.uses] / (runs * FRAMES) if way.uses else 0.0
        results.append(Measured(way, tuple(scores), truths, seconds / runs, gflop))
        log.info("measured: %s, %.2f s a clip", way.name, seconds / runs)
    return results
