"""Takes of every shot in every way, scored, each kept as soon as it is finished."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from backend.errors import Cancelled, DepthshotError
from backend.generate import LOADING, generate
from backend.models import find_card, load_model
from backend.models.card import Card
from backend.models.device_errors import is_out_of_memory
from backend.models.interface import Model
from backend.score import score
from backend.take import Take

from .shots import RunShot
from .ways import Way

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Runner:
    """Where takes and results go, and how they are made."""

    out: Path
    device: str | None
    seed: int

    def take(self, shot: RunShot, way: Way) -> Path:
        """Return the folder of a take."""
        return self.out / "takes" / shot.name / way.slug

    def result(self, shot: RunShot, way: Way) -> dict | None:
        """Return what is kept of a finished take made in this very way; None if there is none."""
        file = self._file(shot, way)
        kept = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        return kept if kept.get("asked") == self._asked(way) else None

    def make(self, shot: RunShot, way: Way, models: Models) -> dict:
        """Make and score a take, unless that was done, and return the result.

        A failure is a result as well, but it is not kept: the next call tries again.
        """
        kept = self.result(shot, way)
        if kept is not None:
            log.info("%s, %s: is there", shot.name, way.name)
            return kept
        log.info("%s, %s", shot.name, way.name)
        began = time.monotonic()
        _reset_peak()
        try:
            take = generate(
                shot.shot,
                model=way.model,
                settings=way.settings,
                out=self.take(shot, way),
                device=self.device,
                seed=self.seed,
                on_event=lambda event: None,
                should_stop=lambda: False,
                load=models.load,
            )
        except (DepthshotError, MemoryError, RuntimeError) as reason:
            if isinstance(reason, Cancelled) or not _is_told(reason):
                raise
            log.warning("%s, %s: %s", shot.name, way.name, reason)
            return {"failed": str(reason).splitlines()[0]}
        result = {
            "asked": self._asked(way),
            "seconds": round(time.monotonic() - began, 2),
            **_told(take),
            "vram_peak": _peak(),
            "ram": psutil.Process().memory_info().rss,
            "score": score(shot.shot, self.take(shot, way), truth=shot.truth).to_json(),
        }
        file = self._file(shot, way)
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f"{file.name}.part")
        part.write_text(json.dumps(result, indent=1), encoding="utf-8")
        part.replace(file)
        return result

    def _asked(self, way: Way) -> dict:
        settings = find_card(way.model).check_settings(way.settings)
        return {"model": way.model, "settings": settings, "seed": self.seed}

    def _file(self, shot: RunShot, way: Way) -> Path:
        return self.out / "results" / shot.name / f"{way.slug}.json"


class Models:
    """Keeps what was loaded: all takes of a model are made with the same one."""

    def __init__(self) -> None:
        """Nothing is loaded yet."""
        self._loaded: dict[str, Model] = {}

    def load(self, card: Card, *, device: str) -> Model:
        """See `backend.models.load_model`."""
        if card.id not in self._loaded:
            self._loaded[card.id] = load_model(card, device=device)
        return self._loaded[card.id]


def _told(take: Take) -> Mapping[str, object]:
    details = dict(take.details)
    seconds = dict(details.pop("seconds"))
    return {
        "revision": take.revision,
        "loading": seconds.pop(LOADING, 0.0),
        "phases": seconds,
        "details": details,
        "warnings": list(take.warnings),
    }


def _is_told(reason: Exception) -> bool:
    """Whether an error is one that the report can tell in a sentence."""
    return isinstance(reason, DepthshotError) or is_out_of_memory(reason)


def _reset_peak() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def _peak() -> int | None:
    """Return the most bytes of tensors on the GPU since `_reset_peak`; None without one."""
    import torch

    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None
