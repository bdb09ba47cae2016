"""Where a model's weights are, and which ones: those that ship are told by a fingerprint.

A card whose weights ship has their fingerprint as its revision: a take names the very weights it
was made with, and one that was interrupted never goes on with others. Only the standard library is
needed here.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..errors import ModelError
from . import folders
from .card import Card, Distillation
from .hub import downloaded, find_weights, how_to_choose, variable

MAX_BYTES = 22_000_000  # of one family's shipped weights, all files together
_KINDS = (".json", ".safetensors")
_DIGITS = 12
_WHOLE_BYTES = 64_000_000  # of a larger file samples are read: minutes of a disk would be lost
_SAMPLE_BYTES, _SAMPLES = 1_000_000, 32
_FAMILIES = Path(__file__).resolve().parent


def weights_folder(card: Card, *, data: Path | None = None) -> Path:
    """Return where the weights of a card are.

    That is where its `folder` or `variable` says, or where they ship; of a card with a `hub` the
    folder that was chosen (`folders`) comes after the variable, and then what was downloaded. Of
    such a card it is a folder with all that the model needs.

    Args:
        card: The card.
        data: Data folder in which choices and downloads are; None for the user's own.

    Raises:
        ModelError: they are not on this computer or not whole, or `variable` or the choice names
            no folder or one that lacks something.
    """
    if card.folder is not None:
        return card.folder
    if card.hub is None:
        other = folders.named(card)
        return Path(other) if other else _FAMILIES / card.family / "weights"
    own = folders.own_folder(card, data=data)
    return find_weights(card, data=data) if own is None else own


def is_own(card: Card, *, data: Path | None = None) -> bool:
    """Whether a card's weights are to come from a folder of the user's own, usable or not.

    Where what was chosen cannot be read that may be, so it is true: `weights_folder` says why.
    """
    if folders.named(card) or card.hub is None:
        return bool(folders.named(card))
    try:
        return card.id in folders.chosen(data=data)
    except ModelError:
        return True


def needed(card: Card, settings: Mapping[str, object]) -> tuple[Card, ...]:
    """Return the cards whose weights have to be there for a take with these settings."""
    cards = (card, card.fast_card) if card.fast is not None and settings.get("fast") else (card,)
    return tuple(each for each in cards if each.hub is not None)


def installed(card: Card, *, data: Path | None = None) -> Path | None:
    """Return the folder of a card's weights; None if they are not on this computer, or it has none.

    It looks at every file of them: panels ask once, and not each time they draw.
    """
    if not card.learned:
        return None
    try:
        folder = weights_folder(card, data=data)
    except ModelError:
        return None
    return folder if folder.is_dir() else None


def trouble(card: Card, *, data: Path | None = None) -> str:
    """Return why a card with a `hub` has no weights to be used, one sentence; "" where it has."""
    try:
        weights_folder(card, data=data)
    except ModelError as reason:
        return str(reason)
    return ""


def as_installed(card: Card, *, data: Path | None = None) -> Card:
    """Return the card with the folder and the revision of the very weights that will be loaded.

    The revision is another than its own only where they come from a folder of the user's own. What
    is chosen or downloaded from now on changes nothing about the card that is returned, nor about
    what makes it need few steps, where that is here.

    Args:
        card: The card.
        data: As for `weights_folder`.

    Raises:
        ModelError: they cannot be read.
    """
    if not card.learned or (card.hub is None and not folders.named(card)):
        return card
    # Asked once: what is chosen between two looks would be told of as what it is not.
    own = weights_folder if card.hub is None else folders.own_folder
    folder = own(card, data=data)
    if card.fast is not None:
        card = replace(card, fast=_fast_as_installed(card, data=data))
    if folder is None:
        return replace(card, folder=downloaded(card, data=data))
    try:
        return replace(card, revision=fingerprint(folder), folder=folder)
    except OSError as reason:
        raise ModelError(_unreadable(card, folder, reason)) from reason


def _fast_as_installed(card: Card, *, data: Path | None) -> Distillation:
    try:
        found = as_installed(card.fast_card, data=data)
    except ModelError:  # no error: only a take that sets `fast` needs it, and says so (`needed`)
        return card.fast
    return replace(card.fast, revision=found.revision, folder=found.folder)


def as_recorded(card: Card, settings: Mapping[str, object]) -> Card:
    """Return the card as a take names it: its revision with that of what makes it need few steps.

    Args:
        card: As installed.
        settings: The take's.
    """
    if card.fast is None or not settings.get("fast"):
        return card
    return replace(card, revision=f"{card.revision}+{card.fast.revision}")


def weights_files(folder: Path) -> list[Path]:
    """Return the files that weights consist of, in a fixed order; none for a missing folder."""
    if not folder.is_dir():
        return []
    found, seen = [], set()
    # Into links as well: a text encoder that several models share is often one.
    for root, names, files in os.walk(folder, onerror=_raise, followlinks=True):
        names.sort()
        if (place := os.path.realpath(root)) in seen:  # a link to where it is in
            names.clear()
            continue
        seen.add(place)
        found += [path for name in files if (path := Path(root, name)).suffix in _KINDS]
    found = [path for path in found if path.is_file()]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def _raise(reason: OSError) -> None:
    raise reason


def fingerprint(folder: Path) -> str:
    """Return the first 12 hexadecimal digits of a SHA-256 of all names and contents in `folder`.

    Of a file above 64 MB the size and 32 parts spread over it stand for the content.

    Raises:
        OSError: a file cannot be read.
    """
    digest = hashlib.sha256()
    for path in weights_files(folder):
        content = _digest(path)
        digest.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()[:_DIGITS]


def _digest(path: Path) -> str:
    size = path.stat().st_size
    with path.open("rb") as stream:
        if size <= _WHOLE_BYTES:
            return hashlib.file_digest(stream, "sha256").hexdigest()
        digest = hashlib.sha256(str(size).encode())
        for number in range(_SAMPLES):
            stream.seek((size - _SAMPLE_BYTES) * number // (_SAMPLES - 1))
            digest.update(stream.read(_SAMPLE_BYTES))
    return digest.hexdigest()


def what_is_wrong(card: Card, folder: Path | None = None) -> str | None:
    """Return a sentence if the shipped weights of `card` are not those it names, None if they are.

    Args:
        card: One that `ships_weights`.
        folder: Where they are; None for where they ship.
    """
    folder = weights_folder(card) if folder is None else folder
    try:
        if not weights_files(folder):
            return f"The weights of '{card.id}' are missing from '{folder}'; {_way_out(card)}"
        found = fingerprint(folder)
    except OSError as reason:
        return _unreadable(card, folder, reason)
    if found != card.revision:
        return (
            f"The weights of '{card.id}' in '{folder}' are damaged or were exchanged (they are"
            f" {found}, not {card.revision}); {_way_out(card)}"
        )
    return None


def _unreadable(card: Card, folder: Path, reason: OSError) -> str:
    return (
        f"The weights of '{card.id}' in '{folder}' cannot be read ({reason.strerror or reason});"
        f" {_way_out(card)}"
    )


def _way_out(card: Card) -> str:
    if folders.named(card):
        return f"correct or clear the environment variable {variable(card.id)}."
    if card.hub is not None:
        return f"mend that folder, or choose another one {how_to_choose(card)}."
    return "install Depthshot again, or choose another model."
