"""How to train: what can be set, and what is refused before anything begins."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

import torch

from ..errors import SettingError

_DEVICES = ("cpu", "cuda", "mps")
_SEEDS = 2**23  # seeds of noise are numbered upward from seed * 2^40, and 63 bits hold them all

_RANGES: Mapping[str, tuple[Callable[[float], bool], str]] = MappingProxyType(
    {
        "minutes": (lambda value: 0 < value < math.inf, "above 0"),
        "crop": (lambda value: value >= 1, "1 or more"),
        "batch": (lambda value: value >= 1, "1 or more"),
        "rate": (lambda value: 0 < value <= 1, "above 0 and at most 1"),
        "seed": (lambda value: 0 <= value < _SEEDS, f"from 0 to {_SEEDS - 1}"),
        "threads": (lambda value: 1 <= value <= 256, "from 1 to 256"),
        "texture": (lambda value: 0 <= value < math.inf, "0 or more"),
        "texture_share": (lambda value: 0 <= value <= 1, "from 0 to 1"),
        "evaluate_minutes": (lambda value: 0 < value < math.inf, "above 0"),
    }
)


@dataclass(frozen=True, slots=True)
class Settings:
    """How to train.

    Attributes:
        minutes: Wall clock of the whole training, over all its starts.
        crop: Pixels of a crop's side.
        batch: Crops of a step.
        rate: The highest learning rate.
        seed: Of weights, batches and noise.
        threads: That make batches ahead.
        texture: Weight of `texture_loss` in the last stage; 0 for none.
        texture_share: Of the time, that the last stage takes.
        compile: Whether torch compiles the network first (worth it on a GPU).
        log_steps: Steps between two lines of the log.
        save_seconds: Between two checkpoints; a killed run loses no more.
        evaluate_minutes: Between two evaluations.
        config: Arguments of a new `DraftNetwork`.
    """

    minutes: float
    crop: int = 128
    batch: int = 16
    rate: float = 8e-4
    seed: int = 0
    threads: int = 1
    texture: float = 0.0
    texture_share: float = 0.3
    compile: bool = False
    log_steps: int = 50
    save_seconds: float = 120.0
    evaluate_minutes: float = 8.0
    config: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what no training can be done with.

        Raises:
            SettingError: a number is out of its range.
        """
        for name, (fits, wanted) in _RANGES.items():
            value = getattr(self, name)
            if not fits(value):
                raise SettingError(f"--{name.replace('_', '-')} must be {wanted}, not {value}.")

    def to_json(self) -> dict[str, Any]:
        """Return what a checkpoint keeps: all but the network's arguments, which it has itself."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "config"}

    def changes(self, before: Mapping[str, Any]) -> str:
        """Return what differs from `before`, of `to_json`, in words: "batch 8 (was 16), ..."."""
        now = self.to_json()
        return ", ".join(
            f"{name} {_said(now[name])} (was {_said(value)})"
            for name, value in before.items()
            if name in now and now[name] != value
        )


def find_device(name: str) -> torch.device:
    """Return a torch device that can be used.

    Raises:
        SettingError: there is none of that name.
    """
    try:
        device = torch.device(name)
        if device.type not in _DEVICES:
            raise RuntimeError("nothing is trained on such devices")
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as reason:  # the second where torch was built without
        why = str(reason).splitlines()[0].rstrip(".")
        raise SettingError(
            f"--device {name} cannot be used ({why}); give cpu, cuda or mps."
        ) from reason
    return device


def _said(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
