"""How deep holes are taken to be where nobody knows: those of an imported still."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from backend.models.draft.extend import extend_planes
from backend.projection.walk import Walk
from backend.reader import ShotReader

from .scenes import EvalScene

NEAR = 0.005  # relative error up to which a pixel counts as right
CPU = torch.device("cpu")


def measure_depth(scenes: Sequence[EvalScene]) -> str:
    """Return a table: a scene and way of filling a row, relative errors of inverse depth in holes.

    Args:
        scenes: Those whose depth is known for every frame are left out.

    Raises:
        ValueError: none is left.
    """
    imported = [scene for scene in scenes if scene.imported]
    if not imported:
        raise ValueError("none of these scenes is an imported still; name one with --scenes")
    lines = [
        f"| scene | depth of holes | median error | within {NEAR:.1%} |",
        "|---|---|---|---|",
    ]
    for scene in imported:
        for way, errors in zip(("a blur", "the planes go on"), _errors(scene), strict=True):
            near = (errors < NEAR).mean()
            lines.append(f"| {scene.name} | {way} | {np.median(errors):.2%} | {near:.0%} |")
    return "\n".join(lines)


def _errors(scene: EvalScene) -> tuple[np.ndarray, np.ndarray]:
    """Return the relative errors (N,) of both ways in all unseen pixels of the true frames."""
    walk = Walk(ShotReader(scene.shot), CPU, tick=lambda: None)
    blurred, extended = [], []
    with torch.inference_mode():
        for step in walk.steps(list(range(walk.shot.frames))):
            if step.index not in scene.indices:
                continue
            sight = walk.see(step)
            depth = scene.reader.depth(step.index)
            hole = ~sight.seen.numpy() & np.isfinite(depth)
            for errors, inverse in (
                (blurred, sight.surface[0]),
                (extended, extend_planes(sight.surface[0], sight.seen)),
            ):
                errors.append(np.abs(inverse.numpy() * depth - 1)[hole])
    return np.concatenate(blurred), np.concatenate(extended)
