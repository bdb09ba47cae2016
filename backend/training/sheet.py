"""Pictures side by side, for the eye."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..models.draft.network import DraftNetwork
from ..models.draft.pipeline import DraftPipeline
from ..projection.output import to_image
from .evaluate import STEPS, Frame, scheduler_of, spread
from .scenes import Example

ROWS = 12  # of a sheet, at most
_GAP = 4  # pixels


@torch.inference_mode()
def compare(
    network: DraftNetwork, examples: Sequence[Example], *, steps: int = STEPS, shift: float = 1.0
) -> np.ndarray:
    """Return a picture (H, W, 3) uint8, a row for each of some examples, spread over all.

    Columns: what is generated in magenta, filled, expectation, samples of seeds 0 and 1, truth.
    """
    pipeline = DraftPipeline(network, scheduler_of(shift))
    rows = []
    for example in spread(examples, ROWS):
        frame = Frame(example, network.device)
        magenta = frame.filled.new_tensor([1.0, 0.0, 1.0])[:, None, None]
        columns = [
            torch.lerp(frame.filled, magenta, frame.generated),
            frame.filled,
            frame.generate(pipeline, mean=True),
            frame.generate(pipeline, steps=steps, seed=0),
            frame.generate(pipeline, steps=steps, seed=1),
            frame.truth,
        ]
        rows.append(_join([to_image(column) for column in columns], axis=1))
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows]
    return _join(padded, axis=0)


def _join(pictures: list[np.ndarray], *, axis: int) -> np.ndarray:
    """Return pictures of equal sides in a row or a column, with gaps between."""
    gap = [(0, 0), (0, 0), (0, 0)]
    gap[axis] = (0, _GAP)
    padded = [np.pad(picture, gap) for picture in pictures[:-1]]
    return np.concatenate([*padded, pictures[-1]], axis=axis)
