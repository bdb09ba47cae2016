"""Folders of weights that are the user's own: named by a variable, or chosen and remembered.

What was chosen is kept beside the weights, <data>/weights/folders.json: the id of a card, and the
folder from the root. Such a folder is used as it is, and never written to or removed. Only the
standard library is needed here.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import ModelError
from ..paths import full_path
from .beside import Beside, Values
from .card import Card
from .hub import how_to_choose, variable
from .shapes import other_card
from .snapshot import what_is_missing

_log = logging.getLogger(__name__)
CHOSEN = Beside("folders", again="choose the folders of weights again")


@dataclass(frozen=True, slots=True)
class _Words:
    """How a refusal of a folder begins, and how it ends.

    Attributes:
        begin: What stands before the folder.
        gone: The way out where there is no folder.
        lacks: The way out where it has not all.
        other: The way out where it is another model's.
    """

    begin: str
    gone: str
    lacks: str
    other: str


def named(card: Card) -> str:
    """Return the folder of a card that the environment names, "" for none."""
    return os.environ.get(variable(card.id), "")


def chosen(*, data: Path | None = None) -> dict[str, Path]:
    """Return the folders that were chosen, by the ids of their cards.

    One that is no path of this computer, as another system writes it, is returned as it is; what
    no path can have in it is written with a backslash.

    Raises:
        ModelError: what was chosen cannot be read.
    """
    return {model: _path(value) for model, value in CHOSEN.read(data).items()}


def _path(value: object) -> Path:
    text = str(value)
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        text = text.encode("utf-8", "backslashreplace").decode()
    return Path(text.replace("\0", "\\0"))


def choose(
    card: Card,
    folder: Path,
    *,
    data: Path | None = None,
    say: Callable[[str], object] = _log.warning,
) -> Path:
    """Remember a folder of the user's own as where a card's weights are; returns it from the root.

    A list of choices that is damaged is set aside, and a new one begun.

    Args:
        card: The card.
        folder: As for `look`.
        data: Data folder in which the choice is kept; None for the user's own.
        say: Is told a sentence, where the list was set aside.

    Raises:
        ModelError: as `look`, or what was chosen before cannot be read.
        StorageError: it cannot be written.
    """
    folder = look(card, folder, data=data)
    _change(data, lambda values: values | {card.id: str(folder)}, say)
    return folder


def look(card: Card, folder: Path, *, data: Path | None = None) -> Path:
    """Return a folder, from the root, where it can be chosen as where a card's weights are.

    Args:
        card: The card.
        folder: As the user names it.
        data: As for `choose`; a refusal says which folder, chosen before, stays in use.

    Raises:
        ModelError: the card has no `hub`, its variable is set, the folder is not there, has not
            all that the model needs, or is another model's.
    """
    if card.hub is None:
        raise ModelError(
            f"The model '{card.id}' comes with Depthshot, without a download; there is no folder"
            " to choose."
        )
    if named(card):
        raise ModelError(
            f"{variable(card.id)} names a folder for '{card.id}', which comes before one that is"
            " chosen; clear the variable, and choose again."
        )
    folder = full_path(folder)
    try:
        return check(card, folder, _asked(card))
    except ModelError as reason:
        before = _before(card, data)
        if before is None or before == folder:
            raise
        raise ModelError(f"{reason} '{before}', chosen before, stays in use.") from reason


def _before(card: Card, data: Path | None) -> Path | None:
    """Return the folder that is chosen for a card; None also where the list is damaged."""
    try:
        return chosen(data=data).get(card.id)
    except ModelError:  # a new choice sets the list aside, and says so
        return None


def forget(
    card: Card, *, data: Path | None = None, say: Callable[[str], object] = _log.warning
) -> Path | None:
    """Let go of the folder that was chosen for a card; returns it, None where none was.

    The folder itself stays as it is. A list of choices that is damaged is set aside.

    Args:
        card: The card.
        data: As for `choose`.
        say: As for `choose`.

    Raises:
        ModelError: what was chosen cannot be read.
        StorageError: it cannot be written.
    """
    if not CHOSEN.path(data).is_file():
        return None  # no data folder is made for that
    before: Values = {}

    def without(values: Values) -> Values:
        before.update(values)
        return {model: at for model, at in values.items() if model != card.id}

    _change(data, without, say)
    return _path(before[card.id]) if card.id in before else None


def _change(
    data: Path | None, change: Callable[[Values], Values], say: Callable[[str], object]
) -> None:
    """Change the list of choices, and say so where a damaged one was set aside."""
    if (aside := CHOSEN.change(data, change, renew=True)) is not None:
        say(
            f"The list of the folders of weights that you chose was damaged, and is now '{aside}';"
            " choose those of other models again."
        )


def let_go(card: Card, folder: Path) -> str:
    """Return the sentence for a folder that was let go of."""
    return f"'{folder}' is no longer used for '{card.id}', and stays as it is."


def nothing_chosen(card: Card) -> ModelError:
    """Return the error for a choice to be forgotten where there is none."""
    return ModelError(f"No folder is chosen for '{card.id}'; there is nothing to let go of.")


def silent(card: Card, folder: Path, seconds: float, *, chosen: bool) -> ModelError:
    """Return the error for a folder whose disk does not answer, chosen or not."""
    if named(card):
        way = f"or correct or clear {variable(card.id)}"
    else:
        way = _another(card) if chosen else f"or choose another folder {how_to_choose(card)}"
    return ModelError(
        f"The weights of '{card.id}' cannot be looked at: '{folder}' has not answered for"
        f" {seconds:.0f} s; bring its disk back, {way}."
    )


def own_folder(card: Card, *, data: Path | None = None) -> Path | None:
    """Return the folder of the user's own that a card with a `hub` uses, None for none.

    Raises:
        ModelError: there is one, and it cannot be used; or what was chosen cannot be read.
    """
    if folder := named(card):
        return check(card, Path(folder), _by_variable(card))
    if (folder := chosen(data=data).get(card.id)) is not None:
        if not folder.is_absolute():
            raise ModelError(
                f"The weights of '{card.id}' come from '{folder}', which is no folder of this"
                f" computer; {_another(card)}."
            )
        return check(card, folder, _by_choice(card))
    return None


def check(card: Card, folder: Path, words: _Words) -> Path:
    """Return a folder, where it has what the card's model needs.

    Raises:
        ModelError: it has not, it is another model's, or not there.
    """
    from . import cards  # late: the families' own modules find their weights by this one

    other = None
    try:
        if folder.is_file():
            raise ModelError(f"{words.begin} '{folder}', which is a file; {words.gone}.")
        if not folder.is_dir():
            raise ModelError(f"{words.begin} '{folder}', where no folder is; {words.gone}.")
        missing = what_is_missing(folder, card.hub, parts=tuple(p.name for p in card.parts))
        if missing is None:
            other = other_card(folder, card, cards())
    except OSError as reason:
        missing = f"it cannot be read: {reason.strerror or reason}"
    if missing is not None:
        raise ModelError(
            f"{words.begin} '{folder}', which does not have all that '{card.id}' needs"
            f" ({missing}); {words.lacks}."
        )
    if other is not None:
        raise ModelError(
            f"{words.begin} '{folder}', which has the networks of '{other.id}' and not those of"
            f" '{card.id}'; {words.other}."
        )
    return folder


def _by_variable(card: Card) -> _Words:
    clear = ", or clear it to download the weights" if card.revision else ""
    return _Words(
        f"{variable(card.id)} names",
        gone=f"correct it{clear}",
        lacks=f"put it there, name another folder{clear}",
        other=f"name another folder{clear}",
    )


def _by_choice(card: Card) -> _Words:
    return _Words(
        f"The weights of '{card.id}' come from",
        gone=f"bring it back, {_another(card)}",
        lacks=f"put it there, {_another(card)}",
        other=_another(card),
    )


def _another(card: Card) -> str:
    download = ", to download them" if card.revision else ""
    return (
        f"choose another one {how_to_choose(card)}, or let go of it with Let Go of the Folder or"
        f" with `models use {card.id} --forget`{download}"
    )


def _asked(card: Card) -> _Words:
    return _Words(
        f"The weights of '{card.id}' cannot come from",
        gone="choose a folder that is there",
        lacks="put it there, or choose another folder",
        other="choose another folder, or another model",
    )
