"""The weights that ship inside a family's folder, told from damaged or other ones by a fingerprint.

A card whose weights ship has their fingerprint as its revision: a take names the very weights it
was made with, and one that was interrupted never goes on with others. Only the standard library is
needed here.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import replace
from pathlib import Path

from ..errors import ModelError
from .card import Card

MAX_BYTES = 22_000_000  # of one family's shipped weights, all files together
_KINDS = (".json", ".safetensors")
_DIGITS = 12
_FAMILIES = Path(__file__).resolve().parent


def variable(model: str) -> str:
    """Return the environment variable that names another folder of weights for a model's id."""
    return f"DEPTHSHOT_{re.sub(r'[^A-Z0-9]', '_', model.upper())}_WEIGHTS"


def weights_folder(card: Card) -> Path:
    """Return where the weights of a card are: where `variable` says, else where they ship."""
    other = os.environ.get(variable(card.id))
    return Path(other) if other else _FAMILIES / card.family / "weights"


def as_installed(card: Card) -> Card:
    """Return the card with the revision of the very weights that will be loaded.

    That is another than its own only where `variable` names other weights.

    Raises:
        ModelError: they cannot be read.
    """
    if not card.ships_weights or not os.environ.get(variable(card.id)):
        return card
    try:
        return replace(card, revision=fingerprint(weights_folder(card)))
    except OSError as reason:
        raise ModelError(_unreadable(card, weights_folder(card), reason)) from reason


def weights_files(folder: Path) -> list[Path]:
    """Return the files that weights consist of, in a fixed order; none for a missing folder."""
    found = [path for path in folder.rglob("*") if path.suffix in _KINDS and path.is_file()]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def fingerprint(folder: Path) -> str:
    """Return the first 12 hexadecimal digits of a SHA-256 of all names and contents in `folder`.

    Raises:
        OSError: a file cannot be read.
    """
    digest = hashlib.sha256()
    for path in weights_files(folder):
        with path.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()[:_DIGITS]


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
    if os.environ.get(variable(card.id)):
        return f"correct or clear the environment variable {variable(card.id)}."
    return "install Depthshot again, or choose another model."
