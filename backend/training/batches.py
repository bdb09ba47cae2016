"""Examples to batches: crops where there is something to do, varied at random, made ahead.

Batch number n of a seed is drawn with random numbers of (seed, n) alone, so a training that is
resumed goes on with the batch it was stopped before, and nothing random has to be stored.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch.nn import functional

from ..models.draft.condition import encode, residual_of
from .scenes import Example

Draw = Callable[[np.random.Generator], Example]
"""Draws one example at random, as `Pool.draw` does."""

LEAST_GENERATED = 0.02  # share of a crop's pixels, where tries lead to that
_TRIES = 8
_PLACES = 4  # of which one is taken, by the share that is generated
_ENOUGH = 0.4  # a larger share is no better: something has to be seen
_MENDING = 0.1  # share of crops in which more may be changed than what no still shows
_GROWTH = 8  # pixels by which that is grown at most
_GAIN = 0.15  # of exposure, log2
_TINT = 0.05  # of each channel, log2


@dataclass(frozen=True, slots=True)
class Crop:
    """A crop of an example, cut and flipped: `Example`'s arrays, and the pixels to change."""

    filled: np.ndarray
    truth: np.ndarray
    generated: np.ndarray
    inverse: np.ndarray
    editable: np.ndarray


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step of training is given.

    Attributes:
        condition: (B, CHANNELS, H, W) float32 of `encode`.
        residual: (B, 3, H, W) float32 of `residual_of`, 0 outside `editable`.
        editable: (B, H, W) bool.
    """

    condition: torch.Tensor
    residual: torch.Tensor
    editable: torch.Tensor

    def to(self, device: torch.device) -> Batch:
        """Return it on a device; from pinned memory without waiting."""
        moved = (getattr(self, field.name) for field in fields(self))
        return Batch(*(tensor.to(device, non_blocking=True) for tensor in moved))

    def pinned(self) -> Batch:
        """Return it in memory that a GPU can fetch from by itself."""
        return Batch(*(getattr(self, field.name).pin_memory() for field in fields(self)))


def cut(example: Example, size: int, random: np.random.Generator) -> Crop:
    """Return a crop (size, size) at random, flipped in half of all cases.

    Several places are tried. One with `LEAST_GENERATED` or more is drawn in proportion to what is
    generated there, because only that is learned from; if there is none, the best is taken.

    Raises:
        ValueError: the example is smaller than the crop.
    """
    height, width = example.generated.shape
    if min(height, width) < size:
        raise ValueError(
            f"a crop of {size} pixels does not fit into an example of {width} x {height};"
            " make the crop smaller or the examples larger."
        )
    places: list[tuple[slice, slice]] = []
    shares: list[float] = []
    for _ in range(_TRIES):
        y, x = random.integers(height - size + 1), random.integers(width - size + 1)
        places.append((slice(y, y + size), slice(x, x + size)))
        shares.append(float(np.count_nonzero(example.generated[places[-1]])) / size**2)
        if np.count_nonzero(np.array(shares) >= LEAST_GENERATED) >= _PLACES:
            break
    weights = np.where(np.array(shares) >= LEAST_GENERATED, np.minimum(shares, _ENOUGH), 0.0)
    if weights.any():
        where = places[random.choice(len(places), p=weights / weights.sum())]
    else:
        where = places[int(np.argmax(shares))]
    planes = (example.filled, example.truth, example.generated, example.inverse)
    step = -1 if random.random() < 0.5 else 1
    cuts = [np.ascontiguousarray(plane[(..., *where)][..., ::step]) for plane in planes]
    return Crop(*cuts, editable=_editable(cuts[2] > 0, random))


def collate(crops: list[Crop], random: np.random.Generator) -> Batch:
    """Return a batch of crops; each one's exposure and colours are varied a little.

    Truth and projection are varied alike, so what is to be learned stays what it was.
    """
    made = [_to_tensors(crop, draw_gains(random)) for crop in crops]
    return Batch(*(torch.stack(parts) for parts in zip(*made, strict=True)))


def make_batch(draw: Draw, *, crop: int, batch: int, seed: int, number: int) -> Batch:
    """Return batch `number` of a seed: `batch` crops of examples drawn at random."""
    random = np.random.default_rng([seed, number])
    return collate([cut(draw(random), crop, random) for _ in range(batch)], random)


class Feeder:
    """Makes batches ahead on threads and hands them out in order.

    Use it in a `with` statement; its end waits for the batches that are being made.
    """

    def __init__(self, make: Callable[[int], Batch], *, first: int, threads: int = 1) -> None:
        """Begin with batch number `first`; two batches a thread are kept ready."""
        self._make = make
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="batches")
        self._ahead: deque[Future[Batch]] = deque()
        self._next = first
        for _ in range(2 * threads):
            self._order()

    def __enter__(self) -> Feeder:
        return self

    def __exit__(self, *exception: object) -> None:
        self._threads.shutdown(cancel_futures=True)

    def take(self) -> Batch:
        """Return the next batch, waiting for it; an error in making it is raised here."""
        ready = self._ahead.popleft()
        self._order()
        return ready.result()

    def _order(self) -> None:
        self._ahead.append(self._threads.submit(self._make, self._next))
        self._next += 1


def _editable(generated: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return what may be changed (H, W): what is generated; at times more, or everything."""
    if random.random() >= _MENDING:
        return generated
    if random.random() < 0.5:
        return np.ones_like(generated)
    radius = int(random.integers(1, _GROWTH + 1))
    plane = torch.from_numpy(generated)[None, None].float()
    grown = functional.max_pool2d(plane, 2 * radius + 1, stride=1, padding=radius)
    return grown[0, 0].numpy() > 0


def draw_gains(random: np.random.Generator) -> torch.Tensor:
    """Return factors (3, 1, 1) float32 for the channels: exposure and tint, varied a little."""
    stops = random.uniform(-_GAIN, _GAIN) + random.uniform(-_TINT, _TINT, size=(3, 1, 1))
    return torch.from_numpy(np.exp2(stops).astype(np.float32))


def _to_tensors(crop: Crop, gains: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return condition, residual and editable of a crop."""
    editable = torch.from_numpy(crop.editable)
    filled, truth = (
        (torch.from_numpy(picture).float() / 255 * gains).clamp_(0, 1)
        for picture in (crop.filled, crop.truth)
    )
    generated = torch.from_numpy(crop.generated).float() / 255
    condition = encode(filled, generated, editable, torch.from_numpy(crop.inverse))
    return condition, residual_of(truth, filled) * editable, editable
