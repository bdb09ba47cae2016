"""What the networks are trained with: whatever their weights hang on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ..scenes import keep
from .clips import FRAMES
from .network import HEAD
from .training import CROP, Recipe

WIDTHS = (32, 64, 128)
FIRST = 0.4  # of the minutes: the stage that all networks have in common
FIRST_STAGE = "first stage"
SINGLE, CLIPS, CLIPS_WORLD = "single frames", "temporal", "temporal, world noise"
RECORD = "settings.json"


@dataclass(frozen=True, slots=True)
class Settings:
    """How all networks of a folder are trained.

    Attributes:
        minutes: Of CPU time for each network, the common stage included.
        clips: How many are trained on; their seeds are 0 and up.
        size: Pixels a side of a clip.
        widths: Channels of the networks' levels.
    """

    minutes: float
    clips: int
    size: int
    widths: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse what the networks can't be given.

        Raises:
            ValueError: it is not to be trained.
        """
        multiple = 2 ** len(self.widths)  # each level halves, and the first is of 2 x 2 pixels
        if CROP % multiple:
            raise ValueError(
                f"{len(self.widths)} levels are too many for crops of {CROP} pixels; give fewer"
                " --widths"
            )
        if self.size < CROP or self.size % multiple:
            raise ValueError(
                f"--size must be a multiple of {multiple} and at least {CROP}, not {self.size}"
            )
        if any(width % HEAD for width in self.widths):
            raise ValueError(f"--widths must be multiples of {HEAD}, not {_say(self.widths)}")

    def recipes(self) -> dict[str, Recipe]:
        """Return how each network is trained, the common stage first."""
        single = Recipe(self.minutes * (1 - FIRST), seed=1)
        clips = replace(single, frames=FRAMES)
        return {
            FIRST_STAGE: Recipe(self.minutes * FIRST),
            SINGLE: single,
            CLIPS: clips,
            CLIPS_WORLD: replace(clips, locked=True),
        }

    def claim(self, folder: Path) -> None:
        """Write these settings into a folder for weights, which may have weights made with them.

        Raises:
            ValueError: it has weights that were made otherwise, or can't be written.
        """
        record = folder / RECORD
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not record.exists() and not any(folder.glob("*.safetensors")):
                keep(record, json.dumps(self._record(), indent=1).encode())
        except OSError as reason:
            raise ValueError(
                f"'{folder}' cannot keep what is made ({reason.strerror}); give another --out"
            ) from reason
        if not record.exists():
            raise ValueError(f"'{folder}' has weights but no {RECORD}; give another --out")
        kept = json.loads(record.read_text(encoding="utf-8"))
        if kept != self._record():
            raise ValueError(
                f"'{folder}' has weights that were trained with {self._otherwise(kept)}; give"
                " another --out"
            )

    def _record(self) -> dict[str, object]:
        recipes = {name: asdict(recipe) for name, recipe in self.recipes().items()}
        return asdict(self) | {"widths": list(self.widths), "recipes": recipes}

    def _otherwise(self, kept: Mapping[str, object]) -> str:
        """Return in which way other settings are not these, in words."""
        own = self._record()
        others = [
            f"--{name} {_say(kept.get(name))} (here {_say(own[name])})"
            for name in ("minutes", "clips", "size", "widths")
            if kept.get(name) != own[name]
        ]
        return ", ".join(others) or "other recipes than this code's"


def _say(value: object) -> str:
    """Return a value as the command line has it."""
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
