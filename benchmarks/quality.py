"""Measures every way to fill in every scene."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from .bars import MEAN, RANDOM, SAMPLE, START, Numbers, verdicts
from .classical import CLASSICAL, classical_score, score_take
from .drafts import Drafts, draft_take, load_drafts, seed_difference, unlocked_pixels
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
    drafts = load_drafts(weights)
    return [_measure(scene, drafts, quick=quick) for scene in scenes]


def _measure(scene: EvalScene, drafts: Drafts, *, quick: bool) -> Measured:
    rows, model = _classical(scene), drafts.trained
    mean = draft_take(model, scene, "mean", settings={"mean": True})
    sample = draft_take(model, scene, "seed-0", seed=0)
    seeds = None
    rows[START] = _score(
        scene, draft_take(drafts.start, scene, "start", settings={"detail": 0.0}), START
    )
    if not quick:
        second = draft_take(model, scene, "seed-1", seed=1)
        seeds = seed_difference(scene, sample, second)
        rows[RANDOM] = _score(scene, draft_take(drafts.untrained, scene, "random"), RANDOM)
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
