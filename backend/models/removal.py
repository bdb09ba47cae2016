"""Removes weights from Depthshot's own folder, and nothing that another card or revision needs."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from ..errors import ModelError, StorageError
from ..fields import read_json
from ..locks import FileLock
from . import folders, hub, licences, rounded
from .card import Card
from .kept import lock_path, manifest_path

_LARGEST_MANIFEST = 10_000_000


def is_kept(home: Path, card: Card) -> bool:
    """Whether anything of a card's weights is in Depthshot's folder, whole or not."""
    return (
        hub.snapshot_folder(home, card).is_dir()
        or manifest_path(home, card).is_file()
        or (hub.repository_folder(home, card) / "blobs").is_dir()
        or bool(rounded.files(home.parent, card))
    )


def nothing_kept(card: Card) -> ModelError:
    """Return the error for weights to be removed of which nothing is in Depthshot's folder."""
    return ModelError(
        f"Depthshot has downloaded no weights of “{card.label}”; there is nothing to remove."
    )


def remove(home: Path, card: Card) -> int:
    """Remove a card's weights from Depthshot's folder; returns how many bytes are free again.

    What another card or another revision needs stays; weights of 4 bits that were made of them go.

    Raises:
        ModelError: another card needs all of them.
        StorageError: they are in use, weights are being rounded, or they cannot be removed.
    """
    repository = hub.repository_folder(home, card)
    if (other := _also_used_by(home, card)) is not None:
        manifest_path(home, card).unlink(missing_ok=True)
        raise ModelError(
            f"The weights of '{card.id}' are those of '{other}' as well; remove '{other}' to have"
            " them gone."
        )
    before = hub.size_on_disk(repository)
    try:
        with rounded.at_rest(home.parent, card):
            freed = rounded.remove(home.parent, card)
            if repository.is_dir():
                with FileLock(lock_path(home, card)) as lock:
                    _remove_revision(repository, card.revision)
                    if not any((repository / "snapshots").glob("*")):
                        _remove_repository(repository, lock)
            manifest_path(home, card).unlink(missing_ok=True)
    except OSError as reason:
        raise StorageError(
            f"The weights of '{card.id}' in '{repository}' cannot be removed"
            f" ({reason.strerror or reason}); end what uses them, and remove again."
        ) from reason
    return freed + before - hub.size_on_disk(repository)


def _remove_revision(repository: Path, revision: str) -> None:
    """Remove a snapshot, and the blobs that no other one has."""
    snapshots = repository / "snapshots"
    if (snapshots / revision).is_dir():
        shutil.rmtree(snapshots / revision)
    used = {_identity(path) for path in snapshots.rglob("*") if path.is_file()}
    for blob in (repository / "blobs").glob("*"):
        if _identity(blob) not in used:
            blob.unlink()


def _remove_repository(repository: Path, lock: FileLock) -> None:
    for path in repository.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
    lock.remove()
    with contextlib.suppress(OSError):  # something of somebody else's is in it
        repository.rmdir()


def _identity(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_dev, state.st_ino


def _also_used_by(home: Path, card: Card) -> str | None:
    """Return the id of another card that was downloaded from the same revision."""
    beside = (folders.CHOSEN.path(home.parent), licences.ACCEPTED.path(home.parent))
    for path in sorted({*home.glob("*.json")} - {manifest_path(home, card), *beside}):
        try:
            value = read_json(path, error=ModelError, largest=_LARGEST_MANIFEST)
        except ModelError as reason:
            if isinstance(reason.__cause__, OSError):
                raise
            continue  # a damaged one names no weights, so none are kept for it
        if (
            isinstance(value, dict)
            and value.get("repository") == card.hub.repository
            and value.get("revision") == card.revision
        ):
            return path.name.removesuffix(".json")
    return None
