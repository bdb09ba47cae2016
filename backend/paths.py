"""Where the backend keeps its things: one folder per user, the same for all Blender versions.

    <data>/server-<protocol>.json   how to reach the running server (see `rendezvous`)
    <data>/store-<protocol>/        its jobs (see `jobs`)
    <data>/logs/                    what its processes print
    <data>/weights/                 weights that were downloaded (see `models.hub`)
    <data>/env/                     the backend's Python environment, where the add-on makes one

Only the standard library is needed here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The folder of the extension: working directory of every `python -m backend`."""

OVERRIDE = "DEPTHSHOT_DATA_DIR"


def default_data_dir(
    *, platform: str = sys.platform, environment: Mapping[str, str] = os.environ
) -> Path:
    """Return the user's data folder for Depthshot; it may not exist yet.

    `$DEPTHSHOT_DATA_DIR` moves it. Otherwise it is the place each platform has for data that
    belong to one user and one machine: SQLite needs a local disk, so never a roaming profile.
    """
    override = environment.get(OVERRIDE)
    if override:
        return full_path(override)
    home = Path.home()
    if platform == "win32":
        local = environment.get("LOCALAPPDATA")
        return (Path(local) if local else home / "AppData" / "Local") / "Depthshot"
    if platform == "darwin":
        return home / "Library" / "Application Support" / "Depthshot"
    data = environment.get("XDG_DATA_HOME", "")
    # The XDG specification: a relative path is invalid and to be ignored.
    return (Path(data) if data.startswith("/") else home / ".local" / "share") / "depthshot"


def full_path(path: Path | str) -> Path:
    """Return a path as every process knows it, from the root, "~" and ".." worked out.

    Links stay: the Python of an environment is one.
    """
    return Path(os.path.abspath(os.path.expanduser(path)))  # noqa: PTH100, PTH111


def make_private(folder: Path) -> Path:
    """Make `folder` and its parents; a new one is for the user alone (POSIX mode 0700)."""
    # `mkdir(parents=True)` would give the mode to the last of them alone.
    for each in reversed((folder, *folder.parents)):
        if not each.is_dir():
            each.mkdir(mode=0o700, exist_ok=True)
    return folder
