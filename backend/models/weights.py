"""The weights that ship inside a family's folder, told from damaged or other ones by a fingerprint.

A card whose weights ship has their fingerprint as its revision: a take names the very weights it
was made with, and one that was interrupted never goes on with others. Only the standard library is
needed here.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from .card import Card

MAX_BYTES = 22_000_000  # of one family's shipped weights, all files together
_KINDS = (".json", ".safetensors")
_DIGITS = 12
_FAMILIES = Path(__file__).resolve().parent


def weights_folder(card: Card) -> Path:
    """Return the folder where the weights of a card that ships them are."""
    return _FAMILIES / card.family / "weights"


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
    way_out = "install Depthshot again, or choose another model."
    try:
        if not weights_files(folder):
            return f"The weights of '{card.id}' are missing from '{folder}'; {way_out}"
        found = fingerprint(folder)
    except OSError as reason:
        return (
            f"The weights of '{card.id}' in '{folder}' cannot be read"
            f" ({reason.strerror or reason}); {way_out}"
        )
    if found != card.revision:
        return (
            f"The weights of '{card.id}' in '{folder}' are damaged or were exchanged (they are"
            f" {found}, not {card.revision}); {way_out}"
        )
    return None
