"""Takes of the draft: with given weights, with random ones, the expectation, samples."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.models import find_card
from backend.models.card import Value
from backend.models.draft.load import load_pipeline, random_pipeline
from backend.models.draft.model import DraftModel
from backend.models.interface import Model

from .classical import PROJECTION, classical_take
from .scenes import EvalScene
from .takes import make_take, read_frame, read_mask

CARD = find_card("draft")


@dataclass(frozen=True, slots=True)
class Drafts:
    """The draft with several networks.

    Attributes:
        trained: With the weights that are measured.
        untrained: With random weights.
        start: With a network that changes nothing: what it starts from.
    """

    trained: Model
    untrained: Model
    start: Model


def load_drafts(weights: Path | None) -> Drafts:
    """Return the draft with the weights of a folder (None: those in use), and what to compare."""
    trained = load_pipeline(weights, device="cpu")
    make = {name: trained.network.config[name] for name in ("channels", "blocks", "conditions")}
    start = random_pipeline(0, **make)
    for parameter in start.network.leave.parameters():
        parameter.zero_()
    return Drafts(
        *(
            DraftModel(CARD, pipeline=pipeline, device="cpu")
            for pipeline in (trained, random_pipeline(0, **make), start)
        )
    )


def draft_take(
    model: Model,
    scene: EvalScene,
    name: str,
    *,
    settings: Mapping[str, Value] | None = None,
    seed: int = 0,
) -> Path:
    """Make a take of the measured frames of a scene anew; return its folder."""
    take = scene.cache / "drafts" / name
    shutil.rmtree(take, ignore_errors=True)
    return make_take(
        model, CARD, scene.shot, take, indices=scene.indices, settings=settings, seed=seed
    )


def seed_difference(scene: EvalScene, first: Path, second: Path) -> float:
    """Return the mean absolute difference of two takes in unseen pixels, in 8-bit levels."""
    parts = []
    for index in scene.indices:
        both = [read_frame(take, scene.frame(index)).astype(int) for take in (first, second)]
        parts.append(np.abs(both[0] - both[1])[scene.unseen[index]])
    return float(np.concatenate(parts).mean())


def unlocked_pixels(scene: EvalScene, take: Path) -> int:
    """Return how many pixels that the projection takes from the still are others in a take."""
    projected, count = classical_take(scene, PROJECTION), 0
    for index in scene.indices:
        frame = scene.frame(index)
        other = (read_frame(projected, frame) != read_frame(take, frame)).any(-1)
        count += int((other & (read_mask(projected, frame) == 0)).sum())
    return count
