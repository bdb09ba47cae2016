"""The artist's environment: where it is, what it needs, in which state it is.

<data>/env/          the environment
<data>/pip-cache/    what pip has downloaded, for the next time
<data>/setup-tmp/    what pip unpacks while it installs: the system's own place may be small
<data>/setup.lock    held by whoever installs or removes
<data>/logs/setup.log
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from ..locks import FileLock
from ..paths import ROOT
from . import torch_build
from .environment import Environment, is_ready, python_in, read_stamp
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


def free_bytes(folder: Path) -> int:
    """What is free on the disk of a folder, which need not exist yet."""
    existing = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    return shutil.disk_usage(existing).free


def examine(data: Path, *, chosen: str = AUTO, made: Environment | None = None) -> State:
    """Look in which state the artist's environment is: a few files are looked at, nothing is run.

    Args:
        data: the data folder.
        chosen: the device that the preferences ask for.
        made: what it should be made from; found out from what it says itself if None.
    """
    folder = data / "env"
    if not folder.is_dir():
        if _is_locked(data):
            return State(Kind.INSTALLING, "Being installed by another Blender.")
        return State(Kind.MISSING, "The backend is not installed.")
    stamp = read_stamp(folder)
    if stamp is None:
        if _is_locked(data):
            return State(Kind.INSTALLING, "Being installed by another Blender.")
        return State(
            Kind.BROKEN,
            "An installation was interrupted; press Repair, which goes on with what was"
            " downloaded.",
        )
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
