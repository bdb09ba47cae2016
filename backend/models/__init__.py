"""The families of models and their cards. Reading them loads nothing."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import ModelError, SettingError
from . import draft, projection
from .card import Card
from .interface import Model
from .weights import what_is_wrong

FAMILIES = (draft, projection)  # the first model of the first is the default


def cards() -> tuple[Card, ...]:
    """Return the card of every model, in the order of the menus."""
    return tuple(card for family in FAMILIES for card in family.CARDS)


def find_card(model: str) -> Card:
    """Return the card with the id `model`.

    Raises:
        SettingError: there is no such model; the message lists those there are.
    """
    for card in cards():
        if card.id == model:
            return card
    known = ", ".join(card.id for card in cards())
    raise SettingError(f"There is no model '{model}'; there are: {known}.")


def load_model(card: Card, *, device: str) -> Model:
    """Load a model's pipeline on a torch device ("cpu", "cuda", "mps", "cuda:1").

    Raises:
        ModelError: its weights, or a package that it needs, are missing or damaged.
    """
    if card.ships_weights and (trouble := what_is_wrong(card)) is not None:
        raise ModelError(trouble)
    family = next(family for family in FAMILIES if family.__name__.endswith(f".{card.family}"))
    try:
        with _uncollected():
            return family.load_model(card, device=device)
    except ImportError as reason:
        raise ModelError(
            f"The model '{card.id}' cannot be loaded ({reason}); install the backend again."
        ) from reason


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the garbage collector from looking through everything that is imported, again and again.

    It was a quarter of the time that importing diffusers takes; hardly any of it is garbage.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
