"""Where weights that were rounded to 4 bits are kept, and how they are removed.

<data>/rounded/<card id>.<part>.<what of>.<content>.gguf     see `video.quantised`
<data>/rounded/rounded.lock                                  while they are made

What of: 16 hexadecimal digits of a SHA-256 of the weights' names, sizes and dates, of the card's
revision, and of the way they are rounded.
Content: 32 of the file's own. Only the standard library is needed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import StorageError
from ..locks import FileLock
from .card import Card

FOLDER, LOCK = "rounded", "rounded.lock"


def folder_of(data: Path) -> Path:
    """Return where rounded weights of all cards are in a data folder; it may not exist."""
    return data / FOLDER


def files(data: Path, card: Card) -> list[Path]:
    """Return what is kept of a card, whole or not, in a fixed order."""
    name = re.compile(re.escape(card.id) + r"\.\w+\.[0-9a-f]{16}\.(?:[0-9a-f]{32}\.gguf|part)")
    folder = folder_of(data)
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in found if name.fullmatch(path.name))


def size(data: Path, card: Card) -> int:
    """Return how many bytes are kept of a card."""
    return sum(path.stat().st_size for path in files(data, card))


@contextmanager
def at_rest(data: Path, card: Card) -> Iterator[None]:
    """See that no weights are being rounded meanwhile, for those of a card to be removed.

    Raises:
        StorageError: some are.
        OSError: nothing can be written there.
    """
    folder = folder_of(data)
    lock = FileLock(folder / LOCK)
    if folder.is_dir() and not lock.take():
        raise StorageError(
            f"Weights are being rounded to 4 bits; remove those of '{card.id}' when that has ended."
        )
    try:
        yield
    finally:
        lock.release()


def remove(data: Path, card: Card) -> int:
    """Remove what is kept of a card, `at_rest`; returns how many bytes are free again.

    Raises:
        OSError: it is in use, or cannot be removed.
    """
    freed = 0
    for path in files(data, card):
        held = path.stat().st_size
        path.unlink()
        freed += held
    return freed
