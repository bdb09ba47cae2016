"""From a shot folder and a model's name to a take folder, in this process.

The command line and the worker both call `generate`. An interrupted take is gone on with: frames
that are whole on disk stay.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from .errors import SettingError
from .events import Event
from .formats import PNG8, bits_of, check_written
from .marks import software
from .models import find_card, load_model
from .models.card import LOADING, Card
from .models.interface import Model, Request
from .models.memory import Q4, check_memory
from .models.plan import make_plan
from .models.weights import as_installed, as_recorded, needed, weights_folder
from .reader import ShotReader
from .take import Take
from .writer import TakeWriter

_PROGRESS_SECONDS = 0.2


def generate(
    shot: Path,
    *,
    model: str,
    settings: Mapping[str, object],
    out: Path,
    device: str | None = None,
    seed: int | None = None,
    format: str = PNG8,
    replace: bool = True,
    words: Mapping[str, str] | None = None,
    on_event: Callable[[Event], None],
    should_stop: Callable[[], bool],
    load: Callable[..., Model] = load_model,
    find: Callable[[Card], object] = weights_folder,
) -> Take:
    """Make a take of a shot, or finish one that was interrupted.

    Args:
        shot: Folder of the shot.
        model: Id of a card.
        settings: Values by name; the card's defaults stand for the rest.
        out: Folder of the take; made if missing.
        device: A torch device, None for the best there is.
        seed: Seed of every random number; None takes the shot's.
        format: What the frames are written as, png8 or png16.
        replace: Whether files of another job in `out` are moved into a folder beside them; else
            that is refused.
        words: "prompt" or "negative_prompt" in place of the shot's own; they stand in the record.
        on_event: Called with progress, frame and warning events, from several threads but never
            twice at a time. The end is the return or the exception.
        should_stop: Asked at every progress; True raises `Cancelled`.
        load: Called as `load(card, device=...)`; a worker keeps its model warm with it.
        find: Called with each card whose weights are needed, before anything is made; it raises
            where they are not here. For a `load` that has weights of its own.

    Returns:
        The record of the finished take, as in its `take.json`.

    Raises:
        ShotError, SettingError, ModelError, StorageError, Cancelled: as their names say; frames
            that are finished stay on disk, and where there is none, `out` is as it was.
    """
    card = find_card(model)
    checked = card.check_settings(settings)
    check_written(format)
    reader = ShotReader(shot, **(words or {}))
    make_plan(card, reader.shot, checked)
    for each in needed(card, checked):
        find(each)
    device = choose_device(device)
    check_memory(card, checked, device)
    card = as_installed(card)
    seed = reader.shot.seed if seed is None else seed
    with TakeWriter(
        out,
        reader,
        card=as_recorded(card, checked),
        settings=checked,
        seed=seed,
        format=format,
        replace=replace,
        on_frame=lambda index: sink.say(Event("frame", index=index)),
    ) as writer:
        sink = _Sink(writer, card, on_event, should_stop)
        for message in writer.warnings():  # at once: where an earlier take was moved to
            sink.tell_once(message)
        finished = writer.finished()
        for index in sorted(finished):
            sink.say(Event("frame", index=index))
        sink.progress(LOADING, 0, 1)
        loaded = load(card, device=device)
        sink.progress(LOADING, 1, 1)
        loaded.generate(
            Request(reader, checked, seed, finished, bits_of(format), writer.read_frame), sink
        )
        used = versions(learned=card.learned) | _further_versions(card, checked, sink.recorded)
        details = {
            "device": device,
            "versions": used,
            "seconds": sink.seconds(),
            **(words or {}),
            "stills": [reader.shot.frame(still.index) for still in reader.shot.stills],
            **sink.recorded,
        }
        take = writer.finish(details)
    for message in take.warnings:  # also what the reader noticed
        sink.tell_once(message)
    return take


def quiet_libraries() -> None:
    """Keep model libraries off network, telemetry and idle turns; call before importing any."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    # Its advice to install what is not needed would stand before our own sentences.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    # torch's threads would spin while they wait for each other. Beside a Blender that renders, each
    # then waits for a core that another one holds: measured, forty times as slow.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        # Some microseconds of it bridge the gap to the next operation: measured, a take is made in
        # 16 instead of 19 seconds, and beside two busy processes in as many as without. GNU's
        # runtime alone reads this, which torch has on Linux.
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def devices() -> list[str]:
    """Return the torch devices of this computer, best first; "cpu" is always the last."""
    quiet_libraries()
    import torch

    found = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]


def choose_device(wanted: str | None) -> str:
    """Return the device to work on: `wanted`, or the best one.

    Raises:
        SettingError: this computer has no such device.
    """
    known = devices()
    if wanted is None:
        return known[0]
    if wanted not in known and not (wanted == "cuda" and known[0].startswith("cuda")):
        raise SettingError(
            f"There is no device '{wanted}' that torch can use; there are: {', '.join(known)}."
        )
    return wanted


def versions(*, learned: bool = False) -> dict[str, str]:
    """Return the versions that decide what a take looks like, a `learned` model's among them."""
    import torch

    found = {
        "depthshot": software(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.machine()}",
    }
    if learned:
        found |= {name: importlib.metadata.version(name) for name in ("diffusers", "safetensors")}
    return found


def _further_versions(
    card: Card, settings: Mapping[str, object], recorded: Mapping[str, object]
) -> dict[str, str]:
    """Return the versions of what only some takes are made with: words, a LoRA, rounded weights."""
    names = []
    if card.takes_prompt and card.hub is not None:
        names.append("transformers")
    if card.fast is not None and settings.get("fast"):
        names.append("peft")
    if Q4.id in recorded.get("memory_plans", ()):
        names.append("gguf")
    return {name: importlib.metadata.version(name) for name in names}


class _Sink:
    """Gives frames to the writer, says what happens, and stops on request."""

    def __init__(
        self,
        writer: TakeWriter,
        card: Card,
        on_event: Callable[[Event], None],
        should_stop: Callable[[], bool],
    ) -> None:
        self._writer = writer
        self._card = card
        self._share = 0.0
        self._on_event = on_event
        self._should_stop = should_stop
        self._lock = threading.Lock()
        self._phase = ""
        self._phase_began = time.monotonic()
        self._said = 0.0
        self._seconds: dict[str, float] = {}
        self._told: set[str] = set()
        self.recorded: dict[str, object] = {}

    def progress(
        self, phase: str, done: int, total: int, *, part: str = "", share: float | None = None
    ) -> None:
        """See `models.interface.Sink`. Events are thinned to a few a second."""
        if self._should_stop():
            raise self._writer.stopped()
        now = time.monotonic()
        fresh = phase != self._phase
        if fresh:
            self._close_phase(now)
            self._phase = phase
        if fresh or done >= total or now - self._said >= _PROGRESS_SECONDS:
            self._said = now
            if share is None:
                share = self._card.share_done(phase, done, total)
            self._share = max(self._share, share or 0.0)
            said = f"{phase}, {part}" if part else phase
            self.say(Event("progress", phase=said, done=done, total=total, share=self._share))

    def frame(
        self,
        index: int,
        *,
        image: np.ndarray,
        mask: np.ndarray,
        depth: np.ndarray | None = None,
    ) -> None:
        """See `models.interface.Sink`."""
        if self._should_stop():
            raise self._writer.stopped()
        self._writer.frame(index, image=image, mask=mask, depth=depth)

    def shown(self, index: int, *, video: np.ndarray, mask: np.ndarray) -> None:
        """See `models.interface.Sink`."""
        self._writer.shown(index, video=video, mask=mask)

    def preview(self, image: np.ndarray) -> None:
        """See `models.interface.Sink`."""
        self._writer.preview(image)

    def record(self, name: str, value: object) -> None:
        """See `models.interface.Sink`."""
        self.recorded[name] = value

    def warn(self, message: str) -> None:
        """See `models.interface.Sink`."""
        self._writer.warn(message)
        self.tell_once(message)

    def tell_once(self, message: str) -> None:
        """Say a warning, unless it was said before."""
        if message not in self._told:
            self._told.add(message)
            self.say(Event("warning", message=message))

    def say(self, event: Event) -> None:
        """Pass an event on, one at a time."""
        with self._lock:
            self._on_event(event)

    def seconds(self) -> dict[str, float]:
        """Return how long each phase took so far."""
        self._close_phase(time.monotonic())
        return {phase: round(value, 3) for phase, value in self._seconds.items()}

    def _close_phase(self, now: float) -> None:
        if self._phase:
            spent = self._seconds.get(self._phase, 0.0)
            self._seconds[self._phase] = spent + now - self._phase_began
        self._phase_began = now
