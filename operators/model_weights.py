"""Where the weights of large models are, by no more than a look or two at each redraw.

A panel asks `shelf.look` each time it draws; before a take is begun `shelf.check` looks at every
file.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from ..backend.errors import ModelError
from ..backend.models import folders, hub
from ..backend.models.card import Card
from ..backend.models.weights import is_own, weights_folder


class Whose(Enum):
    """Who has put weights where they are."""

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
        trouble: Why there are none to use, one sentence; "" where there are.
        own: Whether they are to come from a folder of the user's own, usable or not.
        chosen: That folder, where it was chosen.
    """

    whose: Whose
    trouble: str = ""
    own: bool = False
    chosen: Path | None = None


class Shelf:
    """Remembers what was found as long as the folders it was found in stay as they are."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, Path, str], tuple[object, Weights]] = {}
        self._choices: dict[Path, tuple[int | None, dict[str, Path]]] = {}

    def look(self, card: Card, data: Path) -> Weights:
        """Return where the weights of a card with a `hub` are.

        What has become of the files inside the folders since they were last changed themselves is
        not seen; `check` sees it.
        """
        key = _key(card, data)
        changed, chosen = self._chosen(card, data)
        stamp = (changed, chosen, *_stamp(card, data, chosen))
        before = self._found.get(key)
        if before is None or before[0] != stamp:
            before = self._found[key] = (stamp, _find(card, data, chosen))
        return before[1]

    def check(self, card: Card, data: Path) -> None:
        """See that the weights of a card can be used, by looking at every file of them.

        Raises:
            ModelError: they cannot.
        """
        self._found.pop(_key(card, data), None)
        self._choices.pop(data, None)
        if trouble := self.look(card, data).trouble:
            raise ModelError(trouble)

    def forget(self) -> None:
        """Forget what was found."""
        self._found.clear()
        self._choices.clear()

    def _chosen(self, card: Card, data: Path) -> tuple[int | None, Path | None]:
        """Return when the list of chosen folders was last changed, and what it has for a card."""
        changed = _changed(folders.CHOSEN.path(data))
        before = self._choices.get(data)
        if before is None or before[0] != changed:
            try:
                choices = folders.chosen(data=data)
            except ModelError:  # `_find` puts it into words
                choices = {}
            before = self._choices[data] = (changed, choices)
        return changed, None if folders.named(card) else before[1].get(card.id)


def _key(card: Card, data: Path) -> tuple[str, str, Path, str]:
    return card.id, card.revision, data, folders.named(card)


def _find(card: Card, data: Path, chosen: Path | None) -> Weights:
    try:
        folder = weights_folder(card, data=data)
    except ModelError as reason:
        return Weights(Whose.NOBODY, str(reason), is_own(card, data=data), chosen)
    if folders.named(card):
        return Weights(Whose.NAMED, own=True)
    if chosen is not None:
        return Weights(Whose.CHOSEN, own=True, chosen=chosen)
    return Weights(Whose.OURS if folder.is_relative_to(hub.home(data)) else Whose.USERS)


def _stamp(card: Card, data: Path, chosen: Path | None) -> tuple[int | None, ...]:
    """Return when the folders that the weights may be in, and those in them, were last changed."""
    named = folders.named(card)
    own = Path(named) if named else chosen
    caches = (hub.home(data), hub.users_cache())
    tops = [hub.snapshot_folder(cache, card) for cache in caches] if own is None else [own]
    parts = [top / part.name for top in tops for part in card.parts]
    return tuple(_changed(folder) for folder in (*tops, *parts))


def _changed(folder: Path) -> int | None:
    try:
        return folder.stat().st_mtime_ns
    except OSError:  # whatever it is, `_find` puts it into words
        return None


shelf = Shelf()
