"""Which licences of weights the user has accepted, kept beside the weights."""

from __future__ import annotations

import json
from pathlib import Path

from ..errors import ModelError, StorageError
from ..fields import read_json
from ..locks import FileLock
from ..paths import make_private
from . import hub
from .card import Card

FILE = "licences.json"
LOCK = "licences.lock"
_LOCK_SECONDS = 10.0
_LARGEST = 1_000_000


def is_accepted(card: Card, *, data: Path | None = None) -> bool:
    """Whether the licence of this very revision was accepted.

    Raises:
        ModelError: what was accepted cannot be read.
    """
    return _read(data).get(card.id) == _what(card)


def accept(card: Card, *, data: Path | None = None) -> None:
    """Remember that the licence of a card's weights was accepted.

    Raises:
        ModelError: what was accepted before cannot be read.
        StorageError: it cannot be written.
    """
    folder = hub.home(data)
    part = folder / f"{FILE}.part"
    try:
        make_private(folder)
        with FileLock(folder / LOCK, timeout=_LOCK_SECONDS):  # two may be accepted at once
            values = _read(data) | {card.id: _what(card)}
            part.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
            part.replace(folder / FILE)
    except OSError as reason:
        raise StorageError(
            f"'{folder}' cannot be written ({reason.strerror or reason}); make room or choose"
            " another data folder."
        ) from reason


def not_accepted(card: Card) -> ModelError:
    """Return the error for weights whose licence was not accepted."""
    return ModelError(
        f"The weights of '{card.id}' are under the licence {card.licence}"
        f" ({card.hub.licence_url}); read it, and accept it with --accept-licence or in"
        " Depthshot's panel."
    )


def _what(card: Card) -> dict[str, str]:
    return {
        "licence": card.licence,
        "licence_url": card.hub.licence_url,
        "revision": card.revision,
    }


def _read(data: Path | None) -> dict[str, object]:
    path = hub.home(data) / FILE
    if not path.is_file():
        return {}
    value = read_json(path, error=ModelError, largest=_LARGEST)
    if not isinstance(value, dict):
        raise ModelError(f"'{path}' is damaged; remove it, and accept the licences again.")
    return value
