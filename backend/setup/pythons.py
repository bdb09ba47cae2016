"""Finding a Python that environments can be made with. Readable for any Python from 3.8 on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Those that the backend's lock file has wheels for; of these, 3.11 was run.
BACKEND = ((3, 11), (3, 12), (3, 13), (3, 14))

# Windows would show an empty console for every program that Blender starts.
_HIDDEN = getattr(subprocess, "CREATE_NO_WINDOW", 0)
_PROBE = "import sys, ensurepip, venv; print('%d.%d' % sys.version_info[:2])"


def version_of(command: str) -> tuple[int, int] | None:
    """Asks a Python for its version.

    A name on PATH proves nothing: a version manager's shim exists for versions that are not
    installed, and Debian's python3 comes without what makes environments.

    Args:
        command: path of an executable.

    Returns:
        (major, minor), or None if it does not run or cannot make environments.
    """
    try:
        done = subprocess.run(
            [command, "-c", _PROBE],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
            creationflags=_HIDDEN,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    major, dot, minor = done.stdout.decode("ascii", "replace").strip().partition(".")
    if done.returncode or not (dot and major.isdigit() and minor.isdigit()):
        return None
    return int(major), int(minor)


def _candidates(wanted: tuple[int, int], path: str | None) -> Iterable[str]:
    name = "python{}.{}".format(*wanted)
    yield sys.executable
    search = os.environ.get("PATH", "") if path is None else path
    for folder in search.split(os.pathsep):
        found = shutil.which(name, path=folder) if folder else None
        if found:
            yield found
    if path is None:
        yield from _off_the_path(wanted)
    if os.name == "nt":
        yield from _windows_launcher(wanted)


def _off_the_path(wanted: tuple[int, int]) -> Iterable[str]:
    """The executables of version managers, which PATH may know as a shim that fails, or not."""
    version = "{}.{}".format(*wanted)
    home = Path.home()
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    managed = (
        (Path(os.environ.get("PYENV_ROOT") or home / ".pyenv", "versions"), "{}.*"),
        (Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv" / "python"), "cpython-{}.*"),
        (data / "mise" / "installs" / "python", "{}.*"),
        (home / ".asdf" / "installs" / "python", "{}.*"),
    )
    folders = [
        folder
        for versions, pattern in managed
        for folder in sorted(versions.glob(pattern.format(version)), key=_patch, reverse=True)
        # Free-threaded builds (3.13.0t, 3.13.0+freethreaded) take other wheels.
        if _patch(folder) >= 0
    ]
    for folder in folders:
        executable = folder / "bin" / f"python{version}"
        if os.access(executable, os.X_OK):
            yield str(executable)


def _patch(folder: Path) -> int:
    """The last number in a folder's name, 3.13.0 or cpython-3.13.0-linux…; -1 if it is another."""
    found = re.match(r"(?:cpython-)?\d+\.\d+\.(\d+)(?:-|$)", folder.name)
    return int(found.group(1)) if found else -1


def _windows_launcher(wanted: tuple[int, int]) -> Iterable[str]:
    """The executables that the `py` launcher knows: on Windows they are not on PATH."""
    launcher = shutil.which("py")
    if not launcher:
        return
    done = subprocess.run(
        [launcher, "-{}.{}".format(*wanted), "-c", "import sys; print(sys.executable)"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
        creationflags=_HIDDEN,
    )
    if done.returncode == 0:
        yield done.stdout.decode(errors="replace").strip()


def find(wanted: tuple[int, int], path: str | None = None) -> Path | None:
    """Finds a working Python of one version.

    Args:
        wanted: (major, minor).
        path: where to look, in the form of PATH; if None, PATH itself and then where version
            managers keep theirs.

    Returns:
        The executable, or None.
    """
    for candidate in _candidates(wanted, path):
        if version_of(candidate) == wanted:
            return Path(candidate)
    return None


def for_backend(
    first: str, *, accepted: Sequence[tuple[int, int]] = BACKEND, path: str | None = None
) -> tuple[Path, tuple[int, int]] | None:
    """Finds the Python that an artist's environment is made with.

    Args:
        first: taken if it can be: Blender's own, which every official Blender brings along.
        accepted: versions that will do, the first the best.
        path: where else to look, in the form of PATH; PATH itself if None.

    Returns:
        The executable and its version, or None.
    """
    version = version_of(first)
    if version in accepted:
        return Path(first), version
    for wanted in accepted:
        found = find(wanted, path)
        if found is not None:
            return found, wanted
    return None
