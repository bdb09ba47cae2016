"""Numbers for a network on examples it was never trained on, through the pipeline that ships."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteScheduler,
)
from numpy.lib.npyio import NpzFile

from ..errors import DepthshotError
from ..models.draft.condition import encode, residual_of
from ..models.draft.network import DraftNetwork
from ..models.draft.pipeline import DraftPipeline
from .checkpoint import writing
from .loss import flow_loss, mix_noise
from .metrics import Comparison
from .scenes import Example, make_examples

HELD_OUT = 10**12  # the first seed of scenes to evaluate on; a pool's are smaller
SCENES = 12
TIMES = (1.0, 0.75, 0.5, 0.25)  # at which the loss is taken
STEPS = 4
_PLANES = ("filled", "truth", "generated", "inverse")


def held_out(*, scenes: int = SCENES, size: int = 192) -> list[Example]:
    """Return examples of procedural scenes that no pool has, two a scene."""
    return [
        example
        for number in range(scenes)
        for example in make_examples(HELD_OUT + number, size=size)[:2]
    ]


def spread(examples: Sequence[Example], most: int) -> list[Example]:
    """Return at most `most` examples, spread evenly over all."""
    count = min(most, len(examples))
    return [examples[number * len(examples) // count] for number in range(count)]


def scheduler_of(shift: float) -> FlowMatchEulerDiscreteScheduler:
    """Return the scheduler that bends flow times by a shift; 1 leaves them as they are."""
    return FlowMatchEulerDiscreteScheduler(shift=shift)


@torch.inference_mode()
def evaluate(
    network: DraftNetwork, examples: Sequence[Example], *, steps: int = STEPS, shift: float = 1.0
) -> dict[str, float | None]:
    """Return metrics over what no still shows: of the projection, the expectation and one sample.

    Args:
        network: In use, on any device.
        examples: What to look at.
        steps: Evaluations of the network for the sample.
        shift: Of the scheduler.

    Returns:
        `loss`, and `filled_`, `mean_` and `sample_` with `psnr`, `sharpness` and `swd` each.
    """
    pipeline = DraftPipeline(network, scheduler_of(shift))
    ways = {way: Comparison() for way in ("filled", "mean", "sample")}
    losses = []
    for number, example in enumerate(examples):
        frame = Frame(example, network.device)
        pictures = {
            "filled": frame.filled,
            "mean": frame.generate(pipeline, mean=True),
            "sample": frame.generate(pipeline, steps=steps, seed=number),
        }
        for way, picture in pictures.items():
            ways[way].add(picture, frame.truth, frame.generated > 0)
        losses.append(frame.loss(network, seed=number))
    metrics: dict[str, float | None] = {"loss": float(np.mean(losses))}
    for way, comparison in ways.items():
        metrics |= {f"{way}_{name}": value for name, value in comparison.result().items()}
    return metrics


class Frame:
    """An example as tensors on a device: planes as `DraftPipeline` takes them, and the truth."""

    def __init__(self, example: Example, device: torch.device) -> None:
        filled, truth, generated, inverse = (
            torch.from_numpy(getattr(example, name)).to(device) for name in _PLANES
        )
        self.filled, self.truth, self.generated = filled / 255, truth / 255, generated / 255
        self.inverse = inverse

    def generate(
        self, pipeline: DraftPipeline, *, steps: int = STEPS, mean: bool = False, seed: int = 0
    ) -> torch.Tensor:
        """Return the frame (3, H, W) as the pipeline makes it."""
        generator = torch.Generator().manual_seed(seed)
        return pipeline(
            self.filled,
            self.generated,
            self.inverse,
            generator=generator,
            steps=steps,
            mean=mean,
        ).colour

    def loss(self, network: DraftNetwork, *, seed: int) -> float:
        """Return the loss of the training, at `TIMES` and with fixed noise."""
        height, width = (side - side % network.multiple for side in self.generated.shape)
        filled, truth = self.filled[:, :height, :width], self.truth[:, :height, :width]
        generated = self.generated[:height, :width]
        editable = generated > 0
        condition = encode(filled, generated, editable, self.inverse[:height, :width])
        residual = (residual_of(truth, filled) * editable)[None]
        generator = torch.Generator().manual_seed(seed)
        losses = []
        for value in TIMES:
            time = torch.tensor([value], device=filled.device)
            noise = torch.randn(residual.shape, generator=generator).to(filled.device)
            noisy = mix_noise(residual, noise, editable[None], time)
            estimate = network(noisy, condition[None], time)
            losses.append(float(flow_loss(estimate, residual, editable[None], time)[0]))
        return float(np.mean(losses))


def save_examples(examples: Sequence[Example], path: Path) -> None:
    """Write examples into an .npz file, whatever its name.

    Raises:
        StorageError: it cannot be written.
    """
    arrays = {
        f"{number:04d}_{name}": getattr(example, name)
        for number, example in enumerate(examples)
        for name in _PLANES
    }
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:  # given a path, numpy would change the name
            np.savez_compressed(file, **arrays)


def load_examples(path: Path) -> list[Example]:
    """Read what `save_examples` wrote.

    Raises:
        DepthshotError: it is no such file.
    """
    try:
        return list(_read_examples(path))
    except (OSError, ValueError, KeyError, BadZipFile) as reason:
        raise DepthshotError(
            f"{path} holds no examples ({reason}); make it with `prepare`."
        ) from reason


def _read_examples(path: Path) -> Iterator[Example]:
    # Not `np.load`, which also reads single arrays, and leaves torn archives open.
    with path.open("rb") as opened, NpzFile(opened, allow_pickle=False) as file:
        count = len(file.files) // len(_PLANES)
        wanted = {f"{number:04d}_{name}" for number in range(count) for name in _PLANES}
        if not wanted or set(file.files) != wanted:
            raise ValueError("its arrays are others")
        for number in range(count):
            yield Example(*(file[f"{number:04d}_{name}"] for name in _PLANES))
