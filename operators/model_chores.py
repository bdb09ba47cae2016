"""Weights of models got and removed, as chores for `backend_care`. Nothing here touches bpy.

Downloading and removing are commands of the backend's own (`python -m backend models`), in its
environment. Choosing a folder needs none of that, but a folder on a disk far away takes its time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ..backend.errors import BackendError, Cancelled, ModelError, StorageError
from ..backend.events import Event
from ..backend.models import folders
from ..backend.models.card import Card
from ..backend.models.pull import DOWNLOADING
from ..backend.paths import ROOT, make_private
from ..backend.setup.process import Ended, Work, run
from ..backend.setup.progress import Progress
from ..preferences import Preferences
from .backend_care import Chore
from .clock import in_words
from .model_weights import PATIENCE_SECONDS, shelf
from .task import Task

BACKEND = ("-m", "backend")
# Of the bar: reading 19 GB again takes a minute or two, downloading them an hour.
_DOWNLOADING_SHARE = 0.95
_LEAST_SECONDS = 3.0  # before which a rate says nothing


class PullProgress(Progress):
    """What `models pull --json` tells: the part that has arrived, how fast, and how it ended.

    Attributes:
        failure: The sentence it ended with, "" for none.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.failure = ""
        self._clock = now
        self._since: tuple[float, int] | None = None

    def line(self, line: str) -> None:
        """Take in a line."""
        try:
            event = Event.from_json(json.loads(line))
        except (ValueError, BackendError):  # a warning of some library's
            return
        if event.kind == "failed":
            self.failure = event.message
        elif event.kind == "progress":
            self._tell(event)

    def _tell(self, event: Event) -> None:
        done, total = event.done, max(event.total, 1)
        arrives = event.phase == DOWNLOADING
        share = done / total
        share *= _DOWNLOADING_SHARE if arrives else 1 - _DOWNLOADING_SHARE
        self.share = max(self.share, share if arrives else _DOWNLOADING_SHARE + share)
        text = f"{event.phase.capitalize()}: {done / 1e9:.1f} of {total / 1e9:.1f} GB"
        self.text = text + (self._rate(done, total) if arrives else "")

    def _rate(self, done: int, total: int) -> str:
        now = self._clock()
        # What had arrived before says nothing of how fast the rest does.
        since, first = self._since = self._since or (now, done)
        if now - since < _LEAST_SECONDS or done <= first:
            return ""
        rate = (done - first) / (now - since)
        return f", {rate / 1e6:.1f} MB/s, {in_words((total - done) / rate)} left"


def downloading(stored: Preferences, card: Card) -> Chore:
    """Download the weights of a card whose licence the artist has accepted."""
    progress = PullProgress()
    return Chore(
        "Downloading",
        partial(_download, stored, card, progress),
        stored.data,
        progress,
        about=_about(card),
        model=card.id,
    )


def deleting(stored: Preferences, card: Card) -> Chore:
    """Remove the weights of a card that were downloaded."""
    function = partial(_remove, stored, card)
    return Chore("Removing", function, stored.data, alone=True, about=_about(card), model=card.id)


def choosing(data: Path, card: Card, folder: Path) -> Chore:
    """Use a folder that has the weights of a card, as it is."""
    function = partial(_choose, data, card, folder)
    return Chore("Looking at", function, data, about=_about(card), model=card.id)


def letting_go(data: Path, card: Card) -> Chore:
    """Let go of the folder that was chosen for a card."""
    function = partial(_let_go, data, card)
    return Chore("Letting go of", function, data, about=_about(card), model=card.id)


def _about(card: Card) -> str:
    return f"the weights of “{card.label}”"


def _download(stored: Preferences, card: Card, progress: PullProgress) -> str:
    progress.text = "Asking the hub"
    try:
        ended = _run(stored, progress, "pull", card.id, "--accept-licence")
    except Cancelled as reason:
        raise Cancelled(
            "Cancelled; what has arrived is kept, and Download goes on with it."
        ) from reason
    finally:
        shelf.forget()
    if ended.code:
        raise ModelError(progress.failure or _last_words(ended))
    return f"The weights of “{card.label}” are on this computer; Generate can use them now."


def _remove(stored: Preferences, card: Card) -> str:
    try:
        ended = _run(stored, Progress(), "remove", card.id)
    finally:
        shelf.forget()
    if ended.code:
        raise ModelError(_last_words(ended))
    told = json.loads(ended.output)
    freed = told["removed_bytes"] / 1e9
    said = [f"The weights of “{card.label}” are removed; {freed:.1f} GB are free again."]
    if told["forgotten"] is not None:
        said.append(folders.let_go(card, Path(told["forgotten"])))
    return " ".join((*said, *told["said"]))


def _choose(data: Path, card: Card, folder: Path) -> str:
    said: list[str] = []
    looking = Task(partial(folders.look, card, folder, data=data))
    looking.wait(PATIENCE_SECONDS)
    if not looking.done:  # its thread stays, and chooses nothing
        raise folders.silent(card, folder, PATIENCE_SECONDS, chosen=False)
    looking.result()
    try:
        folder = folders.choose(card, folder, data=data, say=said.append)
    finally:
        shelf.forget()
    said.append(f"The weights of “{card.label}” come from '{folder}'; Generate can use them now.")
    return " ".join(said)


def _let_go(data: Path, card: Card) -> str:
    said: list[str] = []
    try:
        folder = folders.forget(card, data=data, say=said.append)
    finally:
        shelf.forget()
    if folder is not None:
        said.append(folders.let_go(card, folder))
    elif not said:
        raise folders.nothing_chosen(card)
    return " ".join(said)


def _run(stored: Preferences, progress: Progress, *words: str) -> Ended:
    """Run a command about models to its end; what it says is in the log.

    Raises:
        Cancelled: somebody asked for the end.
        SetupError: the backend's Python cannot be started.
        StorageError: the log cannot be written.
    """
    log = stored.data / "logs" / "weights.log"
    command = [str(stored.backend_python), *BACKEND, "models", *words, "--json"]
    try:
        make_private(log.parent)
        log.unlink(missing_ok=True)
        work = Work(log=log, progress=progress, variables={"PYTHONUTF8": "1"}, folder=ROOT)
        return run([*command, "--data", str(stored.data)], work)
    except OSError as reason:
        raise StorageError(
            f"'{log}' cannot be written ({reason.strerror or reason}); make room or choose another"
            " data folder."
        ) from reason


def _last_words(ended: Ended) -> str:
    said = ended.errors.strip().splitlines()
    return said[-1] if said else "The backend ended without a word; Open Log may say more."
