"""Install the artist's backend. Blocks for minutes: it belongs into a thread."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import SetupError
from ..paths import make_private
from . import environment, place, pythons
from .environment import Environment
from .ours import ENVIRONMENTS, TEMPORARY, is_there
from .place import State
from .process import Work
from .progress import Progress
from .removal import discard


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
    with place.storage(data), _locked(data) as descriptors:
        with progress.step("Looking for a Python", until=0.01):
            base = pythons.for_backend(blender_python)
            if base is None:
                raise SetupError(
                    "Neither Blender's Python nor another one here can make environments: install"
                    " Python 3.11 with its venv module (Debian: python3.11-venv) and try again."
                )
        wanted = recipe or place.artist_environment(data, device=device, version=base[1])
        _require_disk(data, wanted)
        for name in ENVIRONMENTS:
            environment.check_free(data / name)
        discard(data / "env-unfinished")
        place.put_back(data, held=True)
        discard(data / "env-unfinished")  # what lay in its place
        log = place.log_file(data)
        log.unlink(missing_ok=True)
        temporary = data / TEMPORARY
        discard(temporary)
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
            shutil.rmtree(temporary, ignore_errors=True)  # the next one clears it
    return place.examine(data, chosen=device, made=recipe)


@contextlib.contextmanager
def _kept_until_done(data: Path) -> Iterator[None]:
    """Put a whole environment aside while another is made, and back if that comes to nothing."""
    folder, aside = data / "env", data / "env-before"
    if environment.read_stamp(folder) is not None:
        discard(aside)
        folder.rename(aside)
    try:
        yield
    except BaseException:  # whatever it was, it goes on to whoever asked
        if is_there(aside):
            discard(folder)
            aside.rename(folder)
        raise
    discard(aside)


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
    held = place.take_lock(data)
    try:
        make_private(data / "logs")
        yield held.inheritable
    finally:
        held.release()
