"""Remove what Depthshot has put into a data folder. Blocks: it belongs into a thread."""

from __future__ import annotations

import contextlib
import itertools
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import SetupError
from ..locks import FileLock
from . import environment, place
from .ours import (
    CAPTURING,
    ENVIRONMENTS,
    EXPORTING,
    folders,
    is_empty,
    ours,
    repositories,
    stores,
)

_DOING = {CAPTURING: "capturing a shot", EXPORTING: "exporting"}
_IN_USE_SECONDS = 5.0  # others look at captures and notes for a moment


@dataclass(frozen=True, slots=True)
class _Held:
    """A lock that is held while its folder is emptied."""

    path: Path
    lock: FileLock


def remove(data: Path, *, before: Callable[[], None] = lambda: None) -> list[Path]:
    """Remove all that Depthshot has put into the data folder, and the folder if it is empty then.

    Takes stay, and so does what Depthshot has not made. A link goes, and not what it shows.

    Args:
        data: the data folder.
        before: called when it is certain that no other Blender uses it; it ends the server.

    Returns:
        What was left: of the data folder, and what removed links have shown.

    Raises:
        SetupError: something in the folder is in use; the sentence says what.
        StorageError: something cannot be removed.
    """
    if not place.is_folder(data):
        return []
    with place.storage(data), contextlib.ExitStack() as stack:
        setup = place.take_lock(data)
        stack.callback(setup.release)
        held = [*_hold_captures(data, stack), *_hold_pending(data, stack)]
        held += _hold_weights(data, stack)
        before()
        held += _hold_stores(data, stack)
        made = folders(data)
        shown = _remove_all(data, held)
        for folder in made:
            _remove_empty(folder)
        setup.remove()
        left = [*sorted(data.iterdir()), *shown]
        if not any(data.iterdir()):
            _remove_empty(data)
    return left


def size(data: Path) -> int:
    """Bytes of all that `remove` would remove; what cannot be looked at counts as nothing."""
    sizes: dict[object, int] = {}
    with contextlib.suppress(OSError):
        for path in ours(data):
            linked = path.is_symlink()
            for each in (path,) if linked else (path, *path.rglob("*")):
                with contextlib.suppress(OSError):
                    state = each.lstat()
                    # A file with several names, as weights have on Windows, is there once.
                    same = (state.st_dev, state.st_ino) if state.st_nlink > 1 else each
                    sizes[same] = state.st_size
    return sum(sizes.values())


def discard(path: Path) -> None:
    """Remove a file, a link as such, or a folder; there need be nothing."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
    elif path.name in ENVIRONMENTS:
        environment.clear(path)
    else:
        shutil.rmtree(path)


def _remove_all(data: Path, held: list[_Held]) -> list[Path]:
    """Remove what is ours, what is locked last; return what removed links have shown."""
    found = ours(data)
    locks = {each.path for each in held} | {data / "setup.lock"}
    shown = []
    for path in found:
        if path not in locks:
            if path.is_symlink() and path.exists():
                shown.append(path.resolve())
            discard(path)
    for each in held:
        if each.path in found:
            each.lock.remove()
    return shown


def _remove_empty(folder: Path) -> None:
    """Remove a folder that has nothing in it; of a linked one the link."""
    if not folder.is_dir() or any(folder.iterdir()):  # gone with a link that it was behind
        return
    if folder.is_symlink():
        folder.unlink()
        return
    # Something new is in it, or it is where a disk is mounted: then it stays.
    with contextlib.suppress(OSError):
        folder.rmdir()


def _hold_captures(data: Path, stack: contextlib.ExitStack) -> list[_Held]:
    """Hold the captures and all who use one of them."""
    captures = data / "captures"
    # Nobody begins to use one while the first is held, and only then are the users looked for.
    marks = itertools.chain([captures / "captures.lock"], (captures / "uses").glob("*"))
    held = []
    for path in marks:
        taken = _hold([path], stack)
        if taken is None:
            doing = _DOING.get(path.stem, "capturing or exporting a shot")
            raise SetupError(
                f"A Blender is {doing} with '{data}'; wait until it has finished, or close that"
                " Blender, and remove again."
            )
        held += taken
    return held


def _hold_pending(data: Path, stack: contextlib.ExitStack) -> list[_Held]:
    held = _hold((data / "pending").glob("*.lock"), stack)
    if held is None:
        raise SetupError(
            f"Another Blender is generating or fetching a take with '{data}'; wait until it has it,"
            " or close that Blender, and remove again."
        )
    return held


def _hold_weights(data: Path, stack: contextlib.ExitStack) -> list[_Held]:
    held = _hold((folder / "pull.lock" for folder in repositories(data)), stack)
    if held is None:
        raise SetupError(
            f"Weights are being downloaded into '{data}'; wait until they are there, or stop that,"
            " and remove again."
        )
    return held


def _hold_stores(data: Path, stack: contextlib.ExitStack) -> list[_Held]:
    held = _hold((store / "owner.lock" for store in stores(data)), stack)
    if held is None:
        raise SetupError(
            f"A backend is still running in '{data}' and does not answer; end its Python in the"
            " system's task manager, and remove again."
        )
    return held


def _hold(paths: Iterable[Path], stack: contextlib.ExitStack) -> list[_Held] | None:
    """Take the locks of files that are there; None as soon as somebody else has one."""
    held = []
    for path in filter(is_empty, paths):
        lock = FileLock(path, timeout=_IN_USE_SECONDS)
        if not lock.take():
            return None
        stack.callback(lock.release)
        held.append(_Held(path, lock))
    return held
