"""The artist's environment: where it is, what it needs, in which state it is.

<data>/env/          the environment
<data>/pip-cache/    what pip has downloaded, for the next time
<data>/env-before/   the environment that is kept until another has taken its place
<data>/depthshot-setup-tmp/
                     what pip unpacks while it installs: the system's own place may be small
<data>/setup.lock    held by whoever installs or removes
<data>/logs/setup.log
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from ..errors import SetupError, StorageError
from ..locks import FileLock
from ..paths import ROOT, make_private
from . import torch_build
from .environment import (
    Environment,
    is_environment,
    is_ready,
    not_ours,
    python_in,
    read_stamp,
)
from .torch_build import AMD, APPLE, CPU, NVIDIA

AUTO = "AUTO"
CACHE_VARIABLE = "DEPTHSHOT_PIP_CACHE"
_LOCKS = ROOT / "requirements"
_LOCKED_BYTES = 240e6
# What is loaded and used, so that a library that the system lacks is found now.
_CHECK = (
    "-c",
    "import torch, diffusers, safetensors, fastapi, uvicorn, OpenImageIO, numpy, requests;"
    " torch.ones(2).sum()",
)


@dataclass(frozen=True, slots=True)
class Size:
    """What a device's environment needs, in bytes, about: only the CPU's was measured."""

    download: float
    disk: float


SIZES = {
    NVIDIA: Size(4.2e9, 14e9),
    AMD: Size(5.5e9, 25e9),
    APPLE: Size(0.4e9, 3e9),
    CPU: Size(0.45e9, 2.5e9),
}


class Kind(Enum):
    """The states of an artist's environment."""

    MISSING = "missing"
    INSTALLING = "installing"
    BLOCKED = "blocked"
    BROKEN = "broken"
    OLD = "old"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class State:
    """In which state the environment is.

    Attributes:
        kind: one of a few.
        words: the same for an artist; one sentence.
    """

    kind: Kind
    words: str

    @property
    def usable(self) -> bool:
        """Whether a server can be started with it."""
        return self.kind in (Kind.READY, Kind.OLD)


def environment_python(data: Path) -> Path:
    """The Python of the artist's environment, whether it is there or not."""
    return python_in(data / "env")


def resolve_device(chosen: str) -> str:
    """The device that a choice of the preferences means on this machine."""
    return torch_build.detect() if chosen == AUTO else chosen


def artist_environment(data: Path, *, device: str, version: tuple[int, int]) -> Environment:
    """What an artist's environment is made from.

    Args:
        data: the data folder.
        device: NVIDIA, AMD, APPLE or CPU.
        version: the Python it is made with.
    """
    return Environment(
        name="backend",
        folder=data / "env",
        version=version,
        locks=(_LOCKS / "backend.txt",),
        with_torch=True,
        download=_LOCKED_BYTES,
        disk=SIZES[device].disk,
        device=device,
        pip_lock=_LOCKS / "pip.txt",
        check=_CHECK,
    )


def cache_folder(data: Path) -> Path:
    """Where pip keeps what it has downloaded; `$DEPTHSHOT_PIP_CACHE` moves it."""
    return Path(os.environ.get(CACHE_VARIABLE) or data / "pip-cache")


def log_file(data: Path) -> Path:
    """What the last installation has said."""
    return data / "logs" / "setup.log"


def lock(data: Path, *, timeout: float = 0.5) -> FileLock:
    """The lock of whoever installs or removes."""
    return FileLock(data / "setup.lock", timeout=timeout)


def take_lock(data: Path) -> FileLock:
    """Take that lock, and make what it lies in.

    Raises:
        SetupError: another Blender has it.
        OSError: the data folder cannot be written.
    """
    make_private(data)
    held = lock(data)
    if not held.take():
        raise SetupError(
            "Another Blender is installing or removing the backend; wait until it has finished."
        )
    return held


@contextlib.contextmanager
def storage(data: Path) -> Iterator[None]:
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


def is_folder(path: Path) -> bool:
    """Whether there is such a folder; what may not be looked at, or is no path, counts as none."""
    try:
        return path.is_dir()
    except OSError:
        return False


def is_file(path: Path) -> bool:
    """Whether there is such a file; the same of what may not be looked at."""
    try:
        return path.is_file()
    except OSError:
        return False


def free_bytes(folder: Path) -> int:
    """What is free on the disk of a folder, which need not exist yet."""
    absolute = folder.absolute()
    existing = next((each for each in (absolute, *absolute.parents) if is_folder(each)), Path.cwd())
    return shutil.disk_usage(existing).free


def examine(data: Path, *, chosen: str = AUTO, made: Environment | None = None) -> State:
    """Look in which state the artist's environment is: a few files are looked at, nothing is run.

    Args:
        data: the data folder.
        chosen: the device that the preferences ask for.
        made: what it should be made from; found out from what it says itself if None.
    """
    try:
        return _examine(data, chosen, made)
    except OSError as reason:
        return State(
            Kind.BLOCKED,
            f"The data folder '{data}' cannot be used ({reason.strerror or reason}); choose another"
            " Data Folder.",
        )


def put_back(data: Path, *, held: bool = False) -> None:
    """Put the environment back that a killed Repair had put aside, if there is one.

    Renames alone; what the Repair had begun is left as `env-unfinished`.

    Args:
        data: the data folder.
        held: whether the caller holds the lock; else nothing is done while somebody else does.

    Raises:
        StorageError: it cannot be renamed.
    """
    if not was_put_aside(data):
        return
    with storage(data):
        taken = None if held else lock(data, timeout=0.0)
        if taken is None:
            _put_back(data)
        elif taken.take():
            try:
                _put_back(data)
            finally:
                taken.release()


def was_put_aside(data: Path) -> bool:
    """Whether a whole environment lies aside, and none in its place."""
    begun = data / "env"
    if read_stamp(data / "env-before") is None or read_stamp(begun) is not None:
        return False
    return not begun.exists() or is_environment(begun)


def _put_back(data: Path) -> None:
    folder, unfinished = data / "env", data / "env-unfinished"
    # Another may have been faster. What is in the way goes with the next Repair.
    if not was_put_aside(data) or unfinished.exists():
        return
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        folder.rename(unfinished)
    (data / "env-before").rename(folder)


def _examine(data: Path, chosen: str, made: Environment | None) -> State:
    folder = data / "env"
    with contextlib.suppress(FileNotFoundError):
        os.scandir(data).close()
    stamp = read_stamp(folder)
    if stamp is None:
        return _without_stamp(data)
    lost = _lost_home(folder)
    if lost is not None:
        return State(
            Kind.BROKEN,
            f"It was made with the Python in '{lost}', which is gone, as after an update of"
            " Blender; press Repair.",
        )
    version, device = stamp.get("version"), stamp.get("device")
    if device not in SIZES or not isinstance(version, list) or len(version) != 2:
        return State(Kind.BROKEN, "What was installed is not known any more; press Repair.")
    expected = made or artist_environment(data, device=device, version=(3, 11))
    if not is_ready(replace(expected, version=tuple(version), device=device)):
        return State(
            Kind.OLD, "Installed by another version of Depthshot; press Repair to update it."
        )
    if chosen not in (AUTO, device):
        return State(
            Kind.OLD,
            f"Installed for: {torch_build.LABELS[device]}; press Repair to install it for:"
            f" {torch_build.LABELS[chosen]}.",
        )
    return State(Kind.READY, f"Installed for: {torch_build.LABELS[device]}.")


def _without_stamp(data: Path) -> State:
    folder = data / "env"
    if _is_locked(data):
        return State(Kind.INSTALLING, "Being installed by another Blender.")
    if was_put_aside(data):
        return State(
            Kind.BROKEN,
            "A Repair was interrupted, and what it was to replace is kept: it is put back when this"
            " page is shown or a take is generated.",
        )
    if not folder.exists():
        return State(Kind.MISSING, "The backend is not installed.")
    if not is_environment(folder):
        return State(Kind.BLOCKED, f"{not_ours(folder)}.")
    return State(
        Kind.BROKEN,
        "An installation was interrupted; press Repair, which goes on with what was downloaded.",
    )


def _lost_home(folder: Path) -> str | None:
    """Where the Python was that an environment stands on, if it is gone; None if it is there."""
    if not python_in(folder).exists():
        return _home(folder) or str(folder)
    home = _home(folder)
    return home if home is not None and not Path(home).is_dir() else None


def _home(folder: Path) -> str | None:
    try:
        lines = (folder / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return None
    pairs = (line.partition("=") for line in lines)
    return next((value.strip() for name, _, value in pairs if name.strip() == "home"), None)


def _is_locked(data: Path) -> bool:
    held = lock(data, timeout=0.0)
    if not (data / "setup.lock").exists():
        return False
    try:
        taken = held.take()
    except OSError:
        return False
    held.release()
    return not taken
