"""Where the weights of large models are, for panels and polls, which never wait for a disk.

A panel asks `shelf.look` each time it draws: a thread looks at the folders, and the last answer is
drawn. Before a take is begun `shelf.check` looks at every file.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path

from ..backend.errors import ModelError
from ..backend.models import folders, hub
from ..backend.models.card import Card
from ..backend.models.snapshot import what_is_missing
from ..backend.models.weights import is_own, weights_folder
from .answers import Answers

_AGAIN_SECONDS = 1.0  # between two looks at the same folders, however often a panel is drawn
PATIENCE_SECONDS = 10.0  # a disk that sleeps turns up within them
_HOLD_SECONDS = 3.0  # that Generate holds Blender for, at most, where the disk does not answer


class Whose(Enum):
    """Who has put weights where they are."""

    UNKNOWN = "nobody has looked yet, or a look is going on"
    NOBODY = "they are missing, or not whole"
    OURS = "Depthshot has downloaded them"
    USERS = "they are in the user's own cache of the hub"
    NAMED = "an environment variable names their folder"
    CHOSEN = "the user has chosen their folder"


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights of one card on this computer.

    Attributes:
        whose: Who has put them there.
        trouble: Why there are none to use, or not yet, one sentence; "" where there are.
        own: Whether they are to come from a folder of the user's own, usable or not.
        chosen: The folder that was chosen, also where a variable comes before it.
    """

    whose: Whose
    trouble: str = ""
    own: bool = False
    chosen: Path | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    """What a look has found, and what the folders were like then."""

    stamp: tuple[object, ...]
    weights: Weights


@dataclass(frozen=True, slots=True)
class _Key:
    """What is looked for: another card, place or choice is another question."""

    model: str
    revision: str
    data: Path
    named: str
    chosen: Path | None

    @property
    def own(self) -> Path | None:
        """The folder of the user's own that it is about."""
        return Path(self.named) if self.named else self.chosen


class Shelf:
    """Remembers what was found as long as the folders it was found in stay as they are.

    Attributes:
        answers: What was found, a question for each card and choice.
    """

    def __init__(self) -> None:
        self.answers: Answers[_Key, _Found] = Answers(again=_AGAIN_SECONDS)
        self._choices: dict[Path, tuple[int | None, dict[str, Path]]] = {}

    def look(self, card: Card, data: Path) -> Weights:
        """Return where the weights of a card with a `hub` are, as the last look has found.

        Of all folders the data folder alone is looked at here, for the list of choices. What has
        become of the files inside the folders since they were last changed themselves is not seen;
        `check` sees it.
        """
        changed, key = self._question(card, data)
        found = self.answers.last(key, partial(_look, card, key, changed))
        if found is not None:
            return found.weights
        if self.answers.waited(key) >= PATIENCE_SECONDS:
            text = str(_silent(card, key, PATIENCE_SECONDS))
        elif key.own is None:
            text = f"Looking for the weights of “{card.label}”…"
        else:
            text = f"Looking at '{key.own}'…"
        return Weights(Whose.UNKNOWN, text, key.own is not None, key.chosen)

    def check(self, card: Card, data: Path) -> None:
        """See that the weights of a card can be used, by looking at every file of them.

        Raises:
            ModelError: they cannot, or their disk does not answer.
        """
        self._choices.pop(data, None)
        changed, key = self._question(card, data)
        ask = partial(_look, card, key, changed)
        found = self.answers.fresh(key, ask, seconds=_HOLD_SECONDS)
        if found is None:
            raise _silent(card, key, _HOLD_SECONDS)
        if found.weights.trouble:
            raise ModelError(found.weights.trouble)

    def forget(self) -> None:
        """Forget what was found."""
        self.answers.forget()
        self._choices.clear()

    def abandon(self) -> None:
        """Leave no timer behind."""
        self.answers.abandon()

    def _question(self, card: Card, data: Path) -> tuple[int | None, _Key]:
        """Return when the list of chosen folders was last changed, and what is looked for."""
        changed = _changed(folders.CHOSEN.path(data))
        before = self._choices.get(data)
        if before is None or before[0] != changed:
            try:
                choices = folders.chosen(data=data)
            except ModelError:  # `_find` puts it into words
                choices = {}
            before = self._choices[data] = (changed, choices)
        chosen = before[1].get(card.id)
        return changed, _Key(card.id, card.revision, data, folders.named(card), chosen)


def _look(card: Card, key: _Key, changed: int | None, before: _Found | None) -> _Found:
    """Look at the folders, and at what is in them where they are not as they were before.

    The user's own cache, which may be far away, is only looked at where it is needed.
    """
    first = [key.own or hub.snapshot_folder(hub.home(key.data), card)]
    stamp = (changed, *_stamp(card, first))
    if key.own is None and not _is_ours(card, first[0], stamp, before):
        stamp += _stamp(card, [hub.snapshot_folder(hub.users_cache(), card)])
    if before is not None and before.stamp == stamp:
        return before
    return _Found(stamp, _find(card, key.data, key.chosen))


def _is_ours(card: Card, folder: Path, stamp: tuple[object, ...], before: _Found | None) -> bool:
    """Whether Depthshot's own folder has all that is needed, as the first place to be looked at."""
    if before is not None and before.weights.whose is Whose.OURS and before.stamp == stamp:
        return True
    try:
        return bool(card.revision) and folder.is_dir() and not what_is_missing(folder, card.hub)
    except OSError:  # `_find` puts it into words
        return False


def _find(card: Card, data: Path, chosen: Path | None) -> Weights:
    try:
        folder = weights_folder(card, data=data)
    except ModelError as reason:
        return Weights(Whose.NOBODY, str(reason), is_own(card, data=data), chosen)
    if folders.named(card):
        return Weights(Whose.NAMED, own=True, chosen=chosen)
    if chosen is not None:
        return Weights(Whose.CHOSEN, own=True, chosen=chosen)
    return Weights(Whose.OURS if folder.is_relative_to(hub.home(data)) else Whose.USERS)


def _silent(card: Card, key: _Key, seconds: float) -> ModelError:
    place = key.own or hub.users_cache()
    return folders.silent(card, place, seconds, chosen=key.chosen is not None)


def _stamp(card: Card, tops: list[Path]) -> tuple[int | None, ...]:
    """Return when folders that the weights may be in, and those in them, were last changed."""
    parts = [top / part.name for top in tops for part in card.parts]
    return tuple(_changed(folder) for folder in (*tops, *parts))


def _changed(folder: Path) -> int | None:
    try:
        return folder.stat().st_mtime_ns
    except (OSError, ValueError):  # a NUL for one; whatever it is, `_find` puts it into words
        return None


shelf = Shelf()
