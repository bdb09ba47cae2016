"""Where the weights of large models are, by no more than a look or two at each redraw.

A panel asks `shelf.look` each time it draws; before a take is begun `shelf.check` looks at every
file.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from ..backend.errors import ModelError
from ..backend.models import hub
from ..backend.models.card import Card
from ..backend.models.weights import variable, weights_folder


class Whose(Enum):
    """Who has put weights where they are."""

    NOBODY = "they are missing, or not whole"
    OURS = "Depthshot has downloaded them"
    USERS = "they are in the user's own cache of the hub"
    NAMED = "an environment variable names their folder"


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights of one card on this computer.

    Attributes:
        whose: Who has put them there.
        trouble: Why there are none to use, one sentence; "" where there are.
    """

    whose: Whose
    trouble: str = ""


class Shelf:
    """Remembers what was found as long as the folders it was found in stay as they are."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, Path, str | None], tuple[object, Weights]] = {}

    def look(self, card: Card, data: Path) -> Weights:
        """Return where the weights of a card with a `hub` are.

        What has become of the files inside the folders since they were last changed themselves is
        not seen; `check` sees it.
        """
        key = _key(card, data)
        stamp = _stamp(card, data)
        before = self._found.get(key)
        if before is None or before[0] != stamp:
            before = self._found[key] = (stamp, _find(card, data))
        return before[1]

    def check(self, card: Card, data: Path) -> None:
        """See that the weights of a card can be used, by looking at every file of them.

        Raises:
            ModelError: they cannot.
        """
        self._found.pop(_key(card, data), None)
        if trouble := self.look(card, data).trouble:
            raise ModelError(trouble)

    def forget(self) -> None:
        """Forget what was found."""
        self._found.clear()


def _key(card: Card, data: Path) -> tuple[str, str, Path, str | None]:
    return card.id, card.revision, data, os.environ.get(variable(card.id))


def _find(card: Card, data: Path) -> Weights:
    try:
        folder = weights_folder(card, data=data)
    except ModelError as reason:
        return Weights(Whose.NOBODY, str(reason))
    if os.environ.get(variable(card.id)):
        return Weights(Whose.NAMED)
    return Weights(Whose.OURS if folder.is_relative_to(hub.home(data)) else Whose.USERS)


def _stamp(card: Card, data: Path) -> tuple[int | None, ...]:
    """Return when the folders that the weights may be in, and those in them, were last changed."""
    named = os.environ.get(variable(card.id))
    caches = (hub.home(data), hub.users_cache())
    tops = [Path(named)] if named else [hub.snapshot_folder(cache, card) for cache in caches]
    parts = [top / part.name for top in tops for part in card.parts]
    return tuple(_changed(folder) for folder in (*tops, *parts))


def _changed(folder: Path) -> int | None:
    try:
        return folder.stat().st_mtime_ns
    except OSError:  # whatever it is, `_find` puts it into words
        return None


shelf = Shelf()
