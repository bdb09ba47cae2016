"""Which licences of weights the user has accepted, kept beside the weights."""

from __future__ import annotations

from pathlib import Path

from ..errors import ModelError
from .beside import Beside
from .card import Card

ACCEPTED = Beside("licences", again="accept the licences again")


def is_accepted(card: Card, *, data: Path | None = None) -> bool:
    """Whether the licence of this very revision was accepted.

    Raises:
        ModelError: what was accepted cannot be read.
    """
    return ACCEPTED.read(data).get(card.id) == _what(card)


def accept(card: Card, *, data: Path | None = None) -> None:
    """Remember that the licence of a card's weights was accepted.

    Raises:
        ModelError: what was accepted before cannot be read.
        StorageError: it cannot be written.
    """
    ACCEPTED.change(data, lambda values: values | {card.id: _what(card)})


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
