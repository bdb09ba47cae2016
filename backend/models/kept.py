"""Weights as they lie in Depthshot's own folder: brought to their place and checked.

The layout is the one of the hub's own tools (see `hub`), so that they can read it too.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from ..errors import ModelError
from . import hub
from .card import Card
from .fetch import RemoteFile
from .snapshot import INDEX, is_safetensors

_SHA256_DIGITS = 64
_READ_BYTES = 4 << 20


def lock_path(home: Path, card: Card) -> Path:
    """Return the lock of whoever downloads or removes a card's repository."""
    return hub.repository_folder(home, card) / "pull.lock"


def manifest_path(home: Path, card: Card) -> Path:
    """Return the file that says what was downloaded for a card, and verified."""
    return home / f"{card.id}.json"


def write_manifest(
    home: Path, card: Card, files: Iterable[RemoteFile], digests: Mapping[str, str]
) -> None:
    """Write down what was verified: size and SHA-256 of each file, by its name."""
    value = {
        "repository": card.hub.repository,
        "revision": card.revision,
        "files": {
            file.name: {"size": file.size, "sha256": digests[file.name]}
            for file in sorted(files, key=lambda file: file.name)
        },
    }
    path = manifest_path(home, card)
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


class Kept:
    """The files of one card's pinned revision in a folder of Depthshot's."""

    def __init__(self, home: Path, card: Card) -> None:
        self.snapshot = hub.snapshot_folder(home, card)
        self._card = card
        self._blobs = hub.repository_folder(home, card) / "blobs"
        self._manifest = manifest_path(home, card)

    def arrived(self, file: RemoteFile) -> int:
        """Return how many bytes of a file are here, going by sizes alone."""
        if (place := self._place(file)) is not None:
            return file.size if place.stat().st_size == file.size else 0
        part = self._part(file)
        size = part.stat().st_size if part.is_file() else 0
        return size if size <= file.size else 0

    def check(self, file: RemoteFile, read: Callable[[int], None]) -> str | None:
        """Return the SHA-256 of a file that is in its place and right; else it is not there.

        What is there and wrong is removed. `read` is called with the bytes that were read.
        """
        place = self._place(file)
        if place is None:
            return None
        if (sha256 := _verified(place, file, read)) is None:
            self._unfinish()
            place.unlink()
            (self.snapshot / file.name).unlink(missing_ok=True)
            return None
        if file.name != INDEX and place != self.snapshot / file.name:
            self._link(file.name, place)
        return sha256

    def part(self, file: RemoteFile) -> BinaryIO:
        """Open what has arrived of a file, to append to it."""
        self._unfinish()
        part = self._part(file)
        part.parent.mkdir(parents=True, exist_ok=True)
        if part.is_file() and part.stat().st_size > file.size:
            part.unlink()
        return part.open("ab")

    def take(self, file: RemoteFile, read: Callable[[int], None]) -> str:
        """Bring a file that has arrived to its place, and return its SHA-256.

        Raises:
            ModelError: it is not what the hub says, or not what its name says; it is removed.
        """
        part = self._part(file)
        sha256 = _verified(part, file, read)
        if sha256 is None:
            part.unlink()
            raise ModelError(
                f"'{file.name}' of '{self._card.id}' has arrived with a wrong checksum and was"
                " removed; pull again."
            )
        if file.name.endswith(".safetensors") and not is_safetensors(part):
            part.unlink()
            raise ModelError(
                f"'{file.name}' of '{self._card.id}' is no safetensors file but something else by"
                " that name; it was removed, and nothing of it was loaded."
            )
        blob = self._blobs / file.digest
        part.replace(blob)
        if file.name != INDEX:
            self._link(file.name, blob)
        return sha256

    def link_index(self, files: Iterable[RemoteFile]) -> None:
        """Put the file in its place that says that all others are."""
        for file in files:
            if file.name == INDEX and (self._blobs / file.digest).is_file():
                self._link(INDEX, self._blobs / file.digest)

    def _unfinish(self) -> None:
        self._manifest.unlink(missing_ok=True)
        (self.snapshot / INDEX).unlink(missing_ok=True)

    def _place(self, file: RemoteFile) -> Path | None:
        """Return where a file is: among the blobs, or in the snapshot where no links can be."""
        found = (self._blobs / file.digest, self.snapshot / file.name)
        return next((path for path in found if path.is_file()), None)

    def _part(self, file: RemoteFile) -> Path:
        return self._blobs / f"{file.digest}.incomplete"

    def _link(self, name: str, blob: Path) -> None:
        pointer = self.snapshot / name
        pointer.parent.mkdir(parents=True, exist_ok=True)
        pointer.unlink(missing_ok=True)
        try:
            pointer.symlink_to(os.path.relpath(blob, pointer.parent))
        except OSError:  # Windows allows it to developers alone, some disks to nobody
            try:
                pointer.hardlink_to(blob)
            except OSError:
                blob.replace(pointer)


def _verified(path: Path, file: RemoteFile, read: Callable[[int], None]) -> str | None:
    """Return a file's SHA-256 if size and digest are those the hub says, else None."""
    if path.stat().st_size != file.size:
        return None
    sha256 = hashlib.sha256()
    # The name of a git blob: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
    blob = hashlib.sha1(f"blob {file.size}\0".encode(), usedforsecurity=False)
    is_large = len(file.digest) == _SHA256_DIGITS
    for chunk in _chunks(path):
        read(len(chunk))
        sha256.update(chunk)
        if not is_large:
            blob.update(chunk)
    found = sha256 if is_large else blob
    return sha256.hexdigest() if found.hexdigest() == file.digest else None


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while chunk := stream.read(_READ_BYTES):
            yield chunk
