"""Shots with true frames to examples, to evaluate on: windows of frames that hold what is unseen.

Reads shots, so unlike the training itself it needs what the backend needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from .. import media
from ..errors import ShotError
from ..models.draft.condition import nearest_inverse
from ..models.draft.spread import spread_surfaces
from ..projection.frame import finish
from ..projection.output import to_image, to_mask
from ..projection.surface import inverse_depth
from ..projection.walk import Walk
from ..reader import ShotReader
from ..take import frame_name
from .evaluate import spread
from .scenes import Example

SIZE = 256  # pixels of a window's side
WINDOWS = 12  # of one shot, at most
_LEAST = 0.01  # share of a window that is unseen
_CPU = torch.device("cpu")


@torch.inference_mode()
def prepare(shot: Path, truth: Path) -> list[Example]:
    """Return windows of the frames that `truth` has, spread over them.

    Args:
        shot: A shot's folder.
        truth: A folder with `frames/0001.png` of some of its frames.

    Raises:
        ShotError: the shot or a true frame cannot be read, its size is another, or no window of
            it holds enough unseen pixels.
    """
    reader = ShotReader(shot)
    walk = Walk(reader, _CPU, tick=lambda: None)
    names = {
        index: truth / "frames" / frame_name(reader.shot.frame_start + index)
        for index in range(reader.shot.frames)
        if index not in walk.own
    }
    wanted = {index: file for index, file in names.items() if file.exists()}
    largest = max(nearest_inverse(source.surface[0]) for source in walk.sources)
    frames = []
    for step in walk.steps(list(range(reader.shot.frames))):
        if step.depth is not None:
            largest = max(largest, nearest_inverse(inverse_depth(step.depth, device=_CPU)))
        if step.index in wanted:
            frames.append((finish(walk.see(step)), wanted[step.index]))
    examples = []
    for projection, file in frames:
        picture = media.read_still(file).pixels
        if picture.shape[1::-1] != reader.shot.size:
            raise ShotError(
                f"{file} has {picture.shape[1]} x {picture.shape[0]} pixels and the shot"
                f" {reader.shot.size[0]} x {reader.shot.size[1]}; render the truth at that size."
            )
        inverse = projection.inverse / largest
        filled = spread_surfaces(projection.colour, projection.generated, inverse)
        whole = Example(
            filled=_planes(to_image(filled)),
            truth=_planes(np.round(picture * 255).astype(np.uint8)),
            generated=to_mask(projection.generated),
            inverse=inverse.numpy(),
        )
        examples.extend(_windows(whole, most=-(-WINDOWS // len(frames))))
    if not examples:
        raise ShotError(
            f"No frame of {shot} with a true one in {truth}/frames has a window of {SIZE} pixels"
            f" in which {_LEAST:.0%} are unseen; give another shot."
        )
    return spread(examples, WINDOWS)


def _planes(image: np.ndarray) -> np.ndarray:
    """Return (3, H, W) of (H, W, 3)."""
    return np.ascontiguousarray(image.transpose(2, 0, 1))


def _windows(frame: Example, *, most: int) -> Iterator[Example]:
    """Yield up to `most` windows of a frame that do not overlap, the most unseen first."""
    height, width = frame.generated.shape
    places = [
        (slice(y, y + SIZE), slice(x, x + SIZE)) for y in _starts(height) for x in _starts(width)
    ]
    shares = [float((frame.generated[place] > 0).mean()) for place in places]
    for number in sorted(range(len(places)), key=lambda number: -shares[number])[:most]:
        if shares[number] >= _LEAST:
            place = places[number]
            yield Example(
                filled=frame.filled[:, *place],
                truth=frame.truth[:, *place],
                generated=frame.generated[place],
                inverse=frame.inverse[place],
            )


def _starts(length: int) -> list[int]:
    """Return where windows along a side start: as many as fit, evenly from end to end."""
    count = length // SIZE
    if count < 2:
        return [(length - SIZE) // 2] * count
    return [round(number * (length - SIZE) / (count - 1)) for number in range(count)]
