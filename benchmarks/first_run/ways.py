"""Every way in which a shot is made: guidance modes, locked and not, few steps, and rivals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from backend.models import find_card
from backend.models.card import Card, Value
from backend.models.weights import installed

RIVALS = ("draft", "projection")
_MODE, _LOCK, _FAST = "guidance_mode", "lock", "fast"


@dataclass(frozen=True, slots=True)
class Way:
    """One way.

    Attributes:
        name: In the report.
        model: Id of a card.
        settings: Values by name.
    """

    name: str
    model: str
    settings: Mapping[str, Value] = field(default_factory=dict)

    @property
    def slug(self) -> str:
        """Its name as a part of a path."""
        return "-".join(self.name.replace(",", " ").split())


def ways_of(card: Card, given: Mapping[str, Value]) -> list[Way]:
    """Return the ways of a card and its rivals.

    Args:
        card: The model.
        given: Settings that all of its ways have.
    """
    known = {setting.name: setting for setting in card.settings}
    modes = known[_MODE].choices if _MODE in known else ("",)
    locks = (1.0, 0.0) if _LOCK in known else (None,)
    ways = []
    for lock in locks:
        for mode in modes:
            settings = dict(given)
            words = []
            if mode:
                settings[_MODE] = mode
                words.append(mode)
            if lock is not None:
                settings[_LOCK] = lock
                words.append(f"lock {lock:.0f}")
            ways.append(Way(", ".join(words) or card.id, card.id, settings))
    if has_fast(card):
        ways.append(Way(f"{ways[0].name}, fast", card.id, {**ways[0].settings, _FAST: True}))
    return [*ways, *(Way(name, name) for name in RIVALS)]


def has_fast(card: Card) -> bool:
    """Whether a card has a way with few steps, and what that takes is here."""
    return card.fast is not None and installed(card.fast_card) is not None


def missing(card: Card) -> tuple[list[str], list[str]]:
    """Return the commands that bring what is needed, and what is of use, and is not here."""
    needed = [] if installed(find_card(card.id)) is not None else [_pull(card)]
    useful = []
    if card.fast is not None and not has_fast(card) and card.fast.revision:
        useful = [_pull(card.fast_card)]
    return needed, useful


def _pull(card: Card) -> str:
    return (
        f"python -m backend models pull {card.id} --accept-licence"
        f"    # {card.download_bytes / 1e9:.1f} GB, {card.licence}, {card.hub.licence_url}"
    )
