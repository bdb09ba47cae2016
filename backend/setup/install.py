"""Install and remove the artist's backend. Blocks for minutes: it belongs into a thread."""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import SetupError, StorageError
from ..paths import make_private
from . import environment, place, pythons
from .environment import Environment
from .place import State
from .process import Work
from .progress import Progress

# All that Depthshot puts into the data folder, but for takes: those are the artist's.
_OURS = (
    *("env", "env-before", "pip-cache", "setup-tmp", "captures", "logs", "outbox", "pending"),
    *("store-*", "server-*.json*", "start.lock"),
)

_BUSY = "Another Blender is installing or removing the backend; wait until it has finished."


def install(
    data: Path,
    *,
    device: str,
    blender_python: str,
    progress: Progress,
    before: Callable[[], None] = lambda: None,
    recipe: Environment | None = None,
) -> State:
    """Make the artist's environment, anew if there is one; returns the state it is in then.

    Args:
        data: the data folder.
        device: NVIDIA, AMD, APPLE or CPU.
        blender_python: the Python of the Blender that asks, tried first.
        progress: told how far it is, asked whether to go on.
        before: called when nothing can be refused any more, before the old one is put aside; it
            comes back if the new one cannot be made.
        recipe: what to make it from; the lock files that ship if None.

    Raises:
        SetupError: it could not be installed; one sentence with the way out.
        StorageError: the data folder cannot be written.
        Cancelled: somebody asked for the end; what was downloaded is kept.
    """
    with _storage(data), _locked(data) as descriptors:
        with progress.step("Looking for a Python", until=0.01):
            base = pythons.for_backend(blender_python)
            if base is None:
                raise SetupError(
                    "Neither Blender's Python nor another one here can make environments: install"
                    " Python 3.11 with its venv module (Debian: python3.11-venv) and try again."
                )
        wanted = recipe or place.artist_environment(data, device=device, version=base[1])
        _require_disk(data, wanted)
        log = place.log_file(data)
        log.unlink(missing_ok=True)
        temporary = data / "setup-tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        make_private(temporary)
        before()
        work = Work(
            log=log,
            progress=progress,
            variables={
                "PIP_CACHE_DIR": str(place.cache_folder(data)),
                **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary)),
            },
            keep_open=descriptors,
        )
        try:
            with _kept_until_done(data):
                environment.make(wanted, base[0], work)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return place.examine(data, chosen=device, made=recipe)


def remove(data: Path, *, before: Callable[[], None] = lambda: None) -> list[Path]:
    """Remove all that Depthshot has put into the data folder, and the folder if it is empty then.

    Takes stay, and so does what is not Depthshot's. Returns what was left.

    Args:
        data: the data folder.
        before: called when it is certain that nobody installs.

    Raises:
        SetupError: another Blender is installing.
        StorageError: something cannot be removed.
    """
    if not data.is_dir():
        return []
    with _storage(data):
        with _locked(data):
            before()
            for path in _ours(data):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
        # Windows removes no file that is open.
        (data / "setup.lock").unlink(missing_ok=True)
        takes = data / "takes"
        if takes.is_dir() and not any(takes.iterdir()):
            takes.rmdir()
        left = sorted(data.iterdir())
        if not left:
            data.rmdir()
    return left


def size(data: Path) -> int:
    """Bytes of all that `remove` would remove; what vanishes meanwhile counts as nothing."""
    total = 0
    for path in _ours(data):
        for each in (path, *path.rglob("*")):
            with contextlib.suppress(FileNotFoundError):
                total += each.lstat().st_size
    return total


@contextlib.contextmanager
def _kept_until_done(data: Path) -> Iterator[None]:
    """Put a whole environment aside while another is made, and back if that comes to nothing."""
    folder, aside = data / "env", data / "env-before"
    if environment.read_stamp(folder) is not None:
        if aside.exists():
            shutil.rmtree(aside)
        folder.rename(aside)
    try:
        yield
    except BaseException:  # whatever it was, it goes on to whoever asked
        if aside.exists():
            shutil.rmtree(folder, ignore_errors=True)
            aside.rename(folder)
        raise
    if aside.exists():
        shutil.rmtree(aside)


def _ours(data: Path) -> list[Path]:
    return [path for pattern in _OURS for path in sorted(data.glob(pattern))]


def _require_disk(data: Path, wanted: Environment) -> None:
    free = place.free_bytes(data)
    if free < wanted.disk:
        raise SetupError(
            f"The backend needs {wanted.disk / 1e9:.0f} GB of disk, and {free / 1e9:.1f} GB are"
            f" left in '{data}': free some, or choose a data folder on a larger disk in the"
            " preferences."
        )


@contextlib.contextmanager
def _locked(data: Path) -> Iterator[tuple[int, ...]]:
    """Hold the lock; hands out what programs have to inherit so that they hold it too."""
    make_private(data)
    make_private(data / "logs")
    held = place.lock(data)
    if not held.take():
        raise SetupError(_BUSY)
    try:
        yield held.inheritable
    finally:
        held.release()


@contextlib.contextmanager
def _storage(data: Path) -> Iterator[None]:
    """Turn what the disk refuses into a sentence."""
    try:
        yield
    except OSError as reason:
        if reason.errno == errno.ENOSPC:
            raise StorageError(
                f"The disk of '{data}' is full; free some space and try again, what was downloaded"
                " is kept."
            ) from reason
        raise StorageError(
            f"'{reason.filename or data}' cannot be written ({reason.strerror or reason}); close"
            " what uses it, or choose another data folder in the preferences."
        ) from reason
