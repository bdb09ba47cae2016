"""Measures every way to fill in every scene."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from backend.models.interface import Model

from .bars import MEAN, RANDOM, SAMPLE, Numbers, verdicts
from .classical import CLASSICAL, classical_score, score_take
from .drafts import draft_models, draft_take, seed_difference, unlocked_pixels
from .scenes import EvalScene
from .tables import Measured

log = logging.getLogger(__name__)


def measure_classical(scenes: Sequence[EvalScene]) -> list[Measured]:
    """Measure what needs no learning; kept between runs."""
    return [
        Measured(scene.name, scene.share, len(scene.indices), _classical(scene)) for scene in scenes
    ]


def measure_drafts(
    scenes: Sequence[EvalScene], weights: Path | None, *, quick: bool = False
) -> list[Measured]:
    """Measure everything.

    Args:
        scenes: Where.
        weights: Folder of the draft's weights, None for those in use.
        quick: Leave out random weights and the second seed.
    """
    model, untrained = draft_models(weights)
    return [_measure(scene, model, None if quick else untrained) for scene in scenes]


def _measure(scene: EvalScene, model: Model, untrained: Model | None) -> Measured:
    rows = _classical(scene)
    mean = draft_take(model, scene, "mean", settings={"mean": True})
    sample = draft_take(model, scene, "seed-0", seed=0)
    seeds = None
    if untrained is not None:
        second = draft_take(model, scene, "seed-1", seed=1)
        seeds = seed_difference(scene, sample, second)
        rows[RANDOM] = _score(scene, draft_take(untrained, scene, "random"), RANDOM)
    rows[MEAN] = _score(scene, mean, MEAN)
    rows[SAMPLE] = _score(scene, sample, SAMPLE)
    unlocked = unlocked_pixels(scene, sample)
    found = verdicts(rows, imported=scene.imported, unlocked=unlocked)
    return Measured(scene.name, scene.share, len(scene.indices), rows, found, seeds)


def _classical(scene: EvalScene) -> dict[str, Numbers]:
    rows = {}
    for way in CLASSICAL:
        rows[way] = Numbers.of(classical_score(scene, way))
        log.info("%s: %s: %s", scene.name, way, rows[way])
    return rows


def _score(scene: EvalScene, take: Path, way: str) -> Numbers:
    numbers = Numbers.of(score_take(scene, take))
    log.info("%s: %s: %s", scene.name, way, numbers)
    return numbers
