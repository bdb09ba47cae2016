"""Download a card's weights: the pinned revision, only what is needed, gone on with, verified.

Blocks for minutes to hours. See `hub` for where things lie. A file is `blobs/<digest>.incomplete`
while it arrives, `blobs/<digest>` once its digest is right, and is linked into the snapshot then;
`model_index.json` is linked last, so a snapshot that has it was whole.
"""

from __future__ import annotations

import contextlib
import errno
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path

from ..errors import Cancelled, HubUnreachable, ModelError, StorageError
from ..locks import FileLock
from ..paths import make_private
from . import hub, licences
from .card import Card
from .fetch import KEPT, RemoteFile, Source, is_offline, offline
from .kept import Kept, lock_path, write_manifest
from .snapshot import what_is_missing

CHECKING, DOWNLOADING = "checking weights", "downloading weights"
_MARGIN_BYTES = 1_000_000_000
_AT_ONCE = 4  # files: one connection seldom has all of a fast line
_SAY_SECONDS = 0.4
_PAUSES = (1.0, 2.0, 4.0, 8.0, 8.0)  # seconds before each try that follows one without a byte

Progress = Callable[[str, int, int], None]


def pull(
    card: Card,
    *,
    data_dir: Path,
    accept_licence: bool,
    on_progress: Progress,
    should_stop: Callable[[], bool],
    offline_asked: bool = False,
) -> Path:
    """Download the weights of a card, or verify and complete those that were.

    Args:
        card: One with a `hub`.
        data_dir: The data folder; they come into `weights` in it.
        accept_licence: Whether the user accepts the licence now; remembered for this revision.
        on_progress: Called in this thread with a phase, and bytes done of all, several times a
            second.
        should_stop: Asked as often; True raises `Cancelled`.
        offline_asked: Whether nothing may be asked of the network; also HF_HUB_OFFLINE says so.

    Returns:
        The folder of the weights: in the user's own cache of the hub, if they are there already.

    Raises:
        ModelError: licence, access, network, or weights that are not what the hub says.
        StorageError: the disk has not enough room, or cannot be written.
        Cancelled: what has arrived is kept.
    """
    if card.hub is None:
        raise ModelError(f"The model '{card.id}' needs no download; there is nothing to pull.")
    if not card.revision:
        raise hub.unpinned(card)
    at = hub.downloaded(card, data=data_dir)
    mine = hub.snapshot_folder(hub.home(data_dir), card)
    if at is not None and at != mine:
        return at
    if offline_asked or is_offline():
        if at is None:
            raise offline(card)
        return at
    if not licences.is_accepted(card, data=data_dir):
        if not accept_licence:
            raise licences.not_accepted(card)
        licences.accept(card, data=data_dir)
    with _storage(data_dir):
        make_private(hub.repository_folder(hub.home(data_dir), card))
        with FileLock(lock_path(hub.home(data_dir), card)):
            source = Source(card)
            files = source.files()
            _Pull(card, data_dir, source, files).run(on_progress, should_stop)
    return hub.find_weights(card, data=data_dir)


class _Pull:
    """One download: several threads that fetch and check, and this one, which says how far."""

    def __init__(self, card: Card, data_dir: Path, source: Source, files: list[RemoteFile]) -> None:
        self._card = card
        self._data_dir = data_dir
        self._source = source
        self._files = files
        self._kept = Kept(hub.home(data_dir), card)
        self._stop = threading.Event()
        self._done = {file.name: self._kept.arrived(file) for file in files}
        self._read = dict.fromkeys(self._done, 0)  # bytes that were checked
        self._digests: dict[str, str] = {}

    def run(self, on_progress: Progress, should_stop: Callable[[], bool]) -> None:
        """Fetch what is missing, check everything, and write down what is there."""
        self._check_room()
        total = sum(file.size for file in self._files)
        pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="pull")
        try:
            waiting = {pool.submit(self._all_of, same) for same in self._by_content()}
            while waiting:
                finished, waiting = wait(waiting, _SAY_SECONDS, return_when=FIRST_COMPLETED)
                if should_stop():
                    raise Cancelled(f"Stopped; {KEPT}.")
                on_progress(*self._how_far(total))
                for future in finished:
                    future.result()
        finally:
            self._stop.set()
            pool.shutdown(cancel_futures=True)
        self._kept.link_index(self._files)
        if (missing := what_is_missing(self._kept.snapshot, self._card.hub)) is not None:
            raise ModelError(
                f"'{self._card.hub.repository}' is not what '{self._card.id}' expects ({missing});"
                " update Depthshot."
            )
        write_manifest(hub.home(self._data_dir), self._card, self._files, self._digests)

    def _how_far(self, total: int) -> tuple[str, int, int]:
        if (arrived := sum(self._done.values())) < total:
            return DOWNLOADING, arrived, total
        return CHECKING, sum(self._read.values()), total

    def _check_room(self) -> None:
        """Refuse before anything is fetched that the disk has no room for."""
        left = sum(file.size - self._done[file.name] for file in self._files)
        if not left:
            return
        free = shutil.disk_usage(hub.home(self._data_dir)).free
        if free < left + _MARGIN_BYTES:
            raise StorageError(
                f"The weights of '{self._card.id}' need {(left + _MARGIN_BYTES) / 1e9:.1f} GB more"
                f" in '{self._data_dir}', where {free / 1e9:.1f} GB are free; make room, or choose"
                " another data folder."
            )

    def _by_content(self) -> list[list[RemoteFile]]:
        """Return the files in groups of the same content, which is fetched once."""
        groups: dict[str, list[RemoteFile]] = {}
        for file in self._files:
            groups.setdefault(file.digest, []).append(file)
        return list(groups.values())

    def _all_of(self, same: list[RemoteFile]) -> None:
        for file in same:
            self._one(file)

    def _one(self, file: RemoteFile) -> None:
        """Bring one file to its place and check it."""
        digest = self._kept.check(file, lambda size: self._was_read(file, size))
        if digest is None:
            self._fetch(file)
            self._read[file.name] = 0
            digest = self._kept.take(file, lambda size: self._was_read(file, size))
        self._digests[file.name] = digest
        self._done[file.name] = file.size

    def _fetch(self, file: RemoteFile) -> None:
        tries = iter(_PAUSES)
        with self._kept.part(file) as stream:
            self._arrived(file, stream.tell())
            while stream.tell() < file.size:
                before = stream.tell()
                try:
                    self._source.fetch(file, stream, lambda size: self._arrived(file, size))
                    if stream.tell() <= before:
                        raise HubUnreachable(f"The hub sends nothing of '{file.name}'; {KEPT}.")
                except HubUnreachable:
                    if stream.tell() > before:
                        tries = iter(_PAUSES)
                    pause = next(tries, None)
                    if pause is None:
                        raise
                    self._stop.wait(pause)
                    self._check_stop()

    def _arrived(self, file: RemoteFile, size: int) -> None:
        self._done[file.name] = min(size, file.size)
        self._check_stop()

    def _was_read(self, file: RemoteFile, size: int) -> None:
        self._read[file.name] += size
        self._check_stop()

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise Cancelled(f"Stopped; {KEPT}.")


@contextlib.contextmanager
def _storage(data_dir: Path) -> Iterator[None]:
    """Say of what the disk refuses what it is and what to do."""
    try:
        yield
    except OSError as reason:
        if reason.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(f"The disk of '{data_dir}' is full; make room: {KEPT}.") from reason
        raise StorageError(
            f"The weights cannot be written into '{data_dir}' ({reason.strerror or reason}); make"
            " it writable, or choose another data folder."
        ) from reason
