"""Captures that are kept: one folder each, named by a hash of all that it depends on.

Every Blender of the user shares them. What is kept is never changed; it is removed when room is
needed and nobody holds it. Nothing here touches bpy.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from ..backend.bundle import without_words
from ..backend.errors import CaptureError, ShotError, StorageError
from ..backend.locks import FileLock
from ..backend.paths import make_private
from ..backend.setup.ours import CAPTURING
from ..backend.wire import Shot, read_shot, write_shot
from .settings import CaptureSettings

log = logging.getLogger(__name__)

SIZES_FILE = "kept.json"
ONCE = "once-"  # how names of captures begin that cannot be used again
_USES = "uses"
_LOCK = "captures.lock"  # held for as long as it takes to look at a capture or to move it
_LOCK_SECONDS = 5.0
_GONE = ".removed"
MOST_BYTES = 20_000_000_000  # of all kept captures; a minute of HD video takes about 5 GB


def key(scene_hash: str, settings: CaptureSettings) -> str:
    """Return the name of a capture: the same for what would be rendered the same."""
    parts = [
        scene_hash,
        settings.scene,
        settings.frame_start,
        settings.frame_end,
        settings.still_source,
        settings.still_frame,
        settings.supersample,
        settings.with_flow,
        settings.free,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


class Use:
    """Says that this process uses the folder of captures, until it ends or gives it back."""

    def __init__(self, cache: Path, name: str) -> None:
        """The caller holds the lock of captures: whoever removes all looks while it has that."""
        self._mark = FileLock(make_private(cache / _USES) / f"{name}.{uuid.uuid4().hex}")
        self._mark.take()  # nobody else knows this name

    @property
    def inheritable(self) -> tuple[int, ...]:
        """Descriptors that a child inherits so that it uses the folder as long as it runs."""
        return self._mark.inheritable

    def release(self) -> None:
        """Give it back. Safe to repeat, in any thread."""
        with contextlib.suppress(OSError):  # then the next prune clears it
            self._mark.remove()


class Held:
    """A capture that nobody removes until it is released, or until this process ends.

    Attributes:
        folder: The files, read only.
        shot: What its `shot.json` says, without anybody's words.
    """

    def __init__(self, folder: Path, shot: Shot) -> None:
        self.folder = folder
        self.shot = shot
        self._use = Use(folder.parent, folder.name)

    def release(self) -> None:
        """Give it up; one that cannot be used again is removed. Safe to repeat, in any thread."""
        if self.folder.name.startswith(ONCE):
            shutil.rmtree(self.folder, ignore_errors=True)  # what is left goes with the next prune
        self._use.release()


def once() -> str:
    """Return a name for a capture that is never used again."""
    return f"{ONCE}{uuid.uuid4().hex}"


def use(cache: Path, what: str) -> Use:
    """Say what this Blender does, so that nobody removes what that needs.

    Args:
        cache: The folder of captures.
        what: CAPTURING or EXPORTING.

    Raises:
        OSError: the disk refuses.
        StorageError: other Blenders keep the captures locked.
    """
    with FileLock(make_private(cache) / _LOCK, timeout=_LOCK_SECONDS):
        return Use(cache, what)


def work_folder(cache: Path) -> tuple[Path, Use]:
    """Make a folder to capture into; it is used until the second is released. Raises as `use`."""
    used = use(cache, CAPTURING)
    try:
        return make_private(cache / f"{uuid.uuid4().hex}.partial"), used
    except OSError:
        used.release()
        raise


def find(cache: Path, name: str) -> Held | None:
    """Return a kept capture, held, or None; one that is damaged is removed.

    None as well when other Blenders keep the captures locked: then it is made again.
    """
    lock = FileLock(cache / _LOCK, timeout=_LOCK_SECONDS)
    if not lock.take():
        return None
    try:
        return _find(cache, name)
    finally:
        lock.release()


def keep(shot: Shot, made: Path, *, cache: Path, name: str) -> Held:
    """Move the rendered files in `made` to their kept place and return it, held.

    What is kept is never changed again, so its `shot.json` has no words of any one request.

    Raises:
        CaptureError: the disk refuses.
        ShotError: a file of the shot is missing.
        StorageError: other Blenders keep the captures locked.
    """
    try:
        write_shot(without_words(shot), made)
        whole = read_shot(made)
        sizes = json.dumps(_sizes(made, shot))
        (made / SIZES_FILE).write_text(sizes, encoding="utf-8")
        with FileLock(cache / _LOCK, timeout=_LOCK_SECONDS):
            there = _find(cache, name)  # another Blender captured the same in the meantime
            if there is not None:
                return there
            made.replace(cache / name)
            return Held(cache / name, whole)
    except OSError as reason:
        raise CaptureError(
            f"The capture could not be kept in '{cache}' ({reason.strerror}); free some space"
            " there or choose another folder in the preferences."
        ) from reason


def prune(cache: Path, *, most: int = MOST_BYTES) -> None:
    """Remove the captures that were not used for the longest time, down to `most` bytes in all.

    Those that somebody holds stay, and what else lies in `cache` is left alone. May take long, so
    it is for a thread; what the disk refuses is logged, and tried again by the next.
    """
    try:
        with FileLock(cache / _LOCK, timeout=_LOCK_SECONDS):
            for folder in _excess(cache, most):
                log.info("removing the kept capture %s, unused for the longest time", folder)
                _set_aside(folder)
        for gone in cache.glob(f"*{_GONE}"):
            shutil.rmtree(gone)
    except (OSError, StorageError) as reason:
        log.warning("The kept captures in %s could not make room (%s)", cache, reason)


def _find(cache: Path, name: str) -> Held | None:
    folder = cache / name
    if not folder.is_dir():
        return None
    try:
        shot = read_shot(folder)
        if json.loads((folder / SIZES_FILE).read_text(encoding="utf-8")) == _sizes(folder, shot):
            (folder / SIZES_FILE).touch()  # its date is that of the last use
            return Held(folder, shot)
        log.warning("The kept capture %s is damaged (a file has another size)", folder)
    except (ShotError, OSError, ValueError) as reason:
        log.warning("The kept capture %s is damaged (%s)", folder, reason)
    shutil.rmtree(_set_aside(folder), ignore_errors=True)  # what is left goes with the next prune
    return None


def _excess(cache: Path, most: int) -> Iterator[Path]:
    """Yield the folders to remove; the caller has the lock."""
    held = _held_names(cache)
    found = []
    for sizes in cache.glob(f"*/{SIZES_FILE}"):
        if sizes.parent.suffix != _GONE:
            folder = sizes.parent
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            found.append((sizes.stat().st_mtime_ns, folder, size))
    total = sum(size for _, folder, size in found if folder.name in held)
    for _, folder, size in sorted(found, reverse=True):
        if folder.name in held:
            continue
        total += size
        if total > most or folder.name.startswith(ONCE):
            yield folder


def _held_names(cache: Path) -> set[str]:
    """Return the names of captures that a living process holds, and clear what dead ones left."""
    names = set()
    for path in (cache / _USES).glob("*"):
        mark = FileLock(path)
        if mark.take():
            mark.release()
            path.unlink(missing_ok=True)
        else:
            names.add(path.stem)
    return names


def _set_aside(folder: Path) -> Path:
    """Rename a capture at once, so that nobody finds half of it."""
    return folder.replace(folder.with_name(f"{folder.name}-{uuid.uuid4().hex}{_GONE}"))


def _sizes(folder: Path, shot: Shot) -> dict[str, int]:
    return {path: folder.joinpath(path).stat().st_size for path in shot.files()}
