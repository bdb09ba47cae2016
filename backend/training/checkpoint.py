"""Trainings on the disk: one file each, written whole or not at all, without pickle.

A checkpoint is a safetensors file: weights, their moving average and the optimizer's state as
tensors, numbers and the network's configuration as JSON in its header.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..errors import DepthshotError, StorageError
from ..models.draft.load import load_pipeline
from ..models.draft.network import DraftNetwork

LATEST = "checkpoint.safetensors"
BEST = "best.safetensors"  # by the loss of an evaluation; a last stage for textures raises that
_FORMAT = "depthshot-draft-training-1"
_WEIGHTS, _AVERAGE, _OPTIMIZER = "weights/", "average/", "optimizer/"


class CheckpointError(DepthshotError):
    """A checkpoint is missing, torn, or none of this training."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training is.

    Attributes:
        step: Steps done.
        samples: Crops seen.
        elapsed: Seconds of training, over all its starts.
        best: Lowest loss of any evaluation; None before the first.
        evaluated: Seconds of training at the last evaluation.
    """

    step: int = 0
    samples: int = 0
    elapsed: float = 0.0
    best: float | None = None
    evaluated: float = 0.0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything that a training needs to go on.

    Attributes:
        config: Arguments of the `DraftNetwork`.
        settings: How it was trained last, of `Settings.to_json`; empty where that is not known.
        weights: The network's tensors by name.
        average: Their exponential moving average.
        optimizer: The optimizer's tensors by number of the parameter and name, as "3/exp_avg".
        progress: How far it is.
    """

    config: Mapping[str, Any]
    settings: Mapping[str, Any]
    weights: Mapping[str, torch.Tensor]
    average: Mapping[str, torch.Tensor]
    optimizer: Mapping[str, torch.Tensor]
    progress: Progress


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint; whoever reads `path` finds the former one or the whole new one.

    Raises:
        StorageError: it cannot be written.
    """
    tensors = {
        prefix + name: tensor.detach().cpu().contiguous()
        for prefix, group in (
            (_WEIGHTS, checkpoint.weights),
            (_AVERAGE, checkpoint.average),
            (_OPTIMIZER, checkpoint.optimizer),
        )
        for name, tensor in group.items()
    }
    numbers = {
        "config": dict(checkpoint.config),
        "settings": dict(checkpoint.settings),
        "progress": asdict(checkpoint.progress),
    }
    part = path.with_name(path.name + ".part")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, part, metadata={"format": _FORMAT, "numbers": json.dumps(numbers)})
        with part.open("rb+") as written:  # Windows flushes only what may be written
            os.fsync(written.fileno())
        part.replace(path)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in one sentence when `path` cannot be written.

    Raises:
        StorageError: writing failed within the `with` statement.
    """
    try:
        yield
    except (OSError, SafetensorError) as reason:
        raise StorageError(
            f"{path} cannot be written ({reason}); make room there, or give another place."
        ) from reason


def load(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        CheckpointError: there is none, or it is torn, or another file.
    """
    groups: dict[str, dict[str, torch.Tensor]] = {_WEIGHTS: {}, _AVERAGE: {}, _OPTIMIZER: {}}
    with _opened(path) as (file, numbers):
        for key in file.keys():  # noqa: SIM118 (no mapping: it cannot be iterated)
            prefix, slash, name = key.partition("/")
            groups[prefix + slash][name] = file.get_tensor(key)
        return Checkpoint(
            config=numbers["config"],
            settings=numbers.get("settings", {}),  # none in older ones
            weights=groups[_WEIGHTS],
            average=groups[_AVERAGE],
            optimizer=groups[_OPTIMIZER],
            progress=Progress(**numbers["progress"]),
        )


def load_progress(path: Path) -> Progress:
    """Read how far a checkpoint is, and none of its tensors.

    Raises:
        CheckpointError: there is none, or it is torn, or another file.
    """
    with _opened(path) as (_, numbers):
        return Progress(**numbers["progress"])


def put_aside(path: Path) -> Path:
    """Rename a checkpoint of an earlier training to the first name that is free; return that.

    Raises:
        StorageError: it cannot be renamed.
    """
    names = (path.with_stem(f"{path.stem}-{number}") for number in count(1))
    aside = next(name for name in names if not name.exists())
    with writing(aside):
        return path.rename(aside)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[safe_open, dict[str, Any]]]:
    """Open a checkpoint; give the file and the numbers in its header.

    What reading them within the `with` statement finds missing or of another kind is damage too.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            if header.get("format") != _FORMAT:
                raise CheckpointError(f"{path} is no checkpoint of a training; name another file.")
            yield file, json.loads(header["numbers"])
    except FileNotFoundError as reason:
        raise CheckpointError(f"There is no checkpoint {path}; train first.") from reason
    except OSError as reason:
        raise CheckpointError(
            f"{path} cannot be read: {reason.strerror or reason}; mend that, or name another file."
        ) from reason
    except (SafetensorError, KeyError, TypeError, ValueError) as reason:
        what = f"it has no {reason}" if isinstance(reason, KeyError) else reason
        raise CheckpointError(
            f"{path} is damaged ({what}); delete it and start the training again."
        ) from reason


def load_network(place: Path) -> DraftNetwork:
    """Return the network of a training or of saved weights, on the CPU, for use.

    Args:
        place: A run's folder (its latest checkpoint), a checkpoint, of which the average is
            taken, or a folder that `save_pipeline` wrote.

    Raises:
        CheckpointError: none of these is there.
        ModelError: the weights are damaged.
    """
    if (place / "model_index.json").exists():
        return load_pipeline(place, device="cpu").network
    if place.is_dir():
        place = place / LATEST
    checkpoint = load(place)
    network = DraftNetwork(**checkpoint.config)
    network.load_state_dict(checkpoint.average)
    return network.eval()


def arguments_of(network: DraftNetwork) -> dict[str, Any]:
    """Return the arguments that make such a network."""
    return {name: network.config[name] for name in ("channels", "blocks", "conditions")}


def flatten_state(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Return an optimizer's tensors by number of the parameter and name."""
    return {
        f"{number}/{name}": tensor
        for number, values in optimizer.state_dict()["state"].items()
        for name, tensor in values.items()
    }


def restore_state(optimizer: torch.optim.Optimizer, flat: Mapping[str, torch.Tensor]) -> None:
    """Put the tensors of `flatten_state` back into an optimizer of the same parameters.

    They get the memory layout of their parameters: fused optimizers go through memory side by side.
    """
    parameters = [one for group in optimizer.param_groups for one in group["params"]]
    whole = optimizer.state_dict()
    whole["state"] = {}
    for key, tensor in flat.items():
        number, _, name = key.partition("/")
        parameter = parameters[int(number)]
        if tensor.shape == parameter.shape:
            tensor = torch.empty_like(parameter, dtype=tensor.dtype).copy_(tensor)
        whole["state"].setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict(whole)
