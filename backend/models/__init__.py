"""The families of models and their cards. Reading them loads nothing."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import ModelError, SettingError
from . import draft, projection, sana_wm, svd, wan_vace
from .card import Card
from .interface import Model
from .weights import what_is_wrong

# The first model of the first is the default.
FAMILIES = (draft, projection, wan_vace, sana_wm, svd)


def cards() -> tuple[Card, ...]:
    """Return the card of every model, in the order of the menus."""
    return tuple(card for family in FAMILIES for card in family.CARDS)


def find_card(model: str, *, further: tuple[str, ...] = ()) -> Card:
    """Return the card with the id `model`.

    Args:
        model: The id.
        further: Ids that work as well where this is asked, for the message.

    Raises:
        SettingError: there is no such model; the message lists those there are.
    """
    for card in cards():
        if card.id == model:
            return card
    known = ", ".join((*(card.id for card in cards()), *further))
    raise SettingError(f"There is no model '{model}'; there are: {known}.")


def find_download(model: str) -> Card:
    """Return the card of a model, or of what its setting `fast` takes beside it.

    Raises:
        SettingError: there is none with this id; the message lists the models there are.
    """
    for card in cards():
        if card.fast is not None and card.fast_card.id == model:
            return card.fast_card
    return find_card(model, further=tuple(card.fast_card.id for card in cards() if card.fast))


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
