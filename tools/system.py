"""What must be there before anything is downloaded: system libraries and disk space."""

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from .console import DevError, say, step

# The libraries that Blender's wheels link on Linux, and the Debian package of each. libEGL is
# opened at run time by Workbench and EEVEE; its package and libgl1's bring a software driver.
LIBRARIES = {
    "libX11.so.6": "libx11-6",
    "libXrender.so.1": "libxrender1",
    "libXfixes.so.3": "libxfixes3",
    "libXi.so.6": "libxi6",
    "libXext.so.6": "libxext6",
    "libXxf86vm.so.1": "libxxf86vm1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libSM.so.6": "libsm6",
    "libICE.so.6": "libice6",
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libgomp.so.1": "libgomp1",
}


def loads(library: str) -> bool:
    """Whether the system's loader finds a library and everything it needs itself."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def missing_libraries(*, is_there: Callable[[str], bool] = loads) -> list[str]:
    """The libraries from LIBRARIES that are not installed; none outside Linux."""
    if not sys.platform.startswith("linux"):
        return []
    return [library for library in LIBRARIES if not is_there(library)]


def install_command(libraries: Iterable[str], *, as_root: bool) -> str:
    """The one line that installs the packages of some libraries on Debian and its kin."""
    sudo = "" if as_root else "sudo "
    packages = " ".join(sorted({LIBRARIES[library] for library in libraries}))
    return f"{sudo}apt-get install -y --no-install-recommends {packages}"


def require_libraries(
    *,
    install: bool,
    is_there: Callable[[str], bool] = loads,
    run: Callable[[str], None] | None = None,
) -> None:
    """Makes sure that the libraries Blender links are there.

    Args:
        install: run the line that installs missing ones, instead of asking the person to.
        is_there: answers for one library; replaced in tests.
        run: runs a shell line; replaced in tests.

    Raises:
        DevError: some are missing (still); names them and the line that installs them.
    """
    missing = missing_libraries(is_there=is_there)
    if not missing:
        return
    as_root = hasattr(os, "geteuid") and os.geteuid() == 0
    line = install_command(missing, as_root=as_root)
    if not install:
        raise DevError(
            f"Blender needs system libraries that are not installed ({', '.join(missing)}): "
            f"install them with\n  {line}\nor run this again with --install-system-libraries."
        )
    if run is None:
        if not shutil.which("apt-get"):
            raise DevError(
                f"This system has no apt-get: install {', '.join(missing)} with its own package "
                "manager, then run this again."
            )
        run = _run_shell_line
    say(f"System libraries are missing: {', '.join(missing)}.")
    # A fresh machine or container has no package lists yet.
    run(f"{'' if as_root else 'sudo '}apt-get update")
    run(line)
    still = missing_libraries(is_there=is_there)
    if still:
        raise DevError(f"`{line}` ran, but {', '.join(still)} still cannot be loaded.")


def _run_shell_line(line: str) -> None:
    """Runs a line without asking anything; its output is shown only if it fails."""
    with step(line):
        done = run_quietly(line.split())
    if done.returncode:
        tail = "\n".join(done.stdout.strip().splitlines()[-5:])
        raise DevError(f"`{line}` failed (exit code {done.returncode}):\n{tail}")


def run_quietly(
    command: list[str], *, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a command of Debian's tools to its end without asking or showing anything.

    Args:
        command: the program and its arguments.
        variables: of the environment, beside those of this process.

    Returns:
        How it ended; its stdout has what it wrote to stderr as well.
    """
    return subprocess.run(
        command,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", **(variables or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )


def require_disk(folder: Path, needed: float, *, free: float | None = None) -> None:
    """Makes sure that a folder's disk has room.

    Args:
        folder: where things will be written; need not exist yet.
        needed: bytes.
        free: bytes that are free; asked of the disk if None.

    Raises:
        DevError: there is less room; says how much and how to put things elsewhere.
    """
    if free is None:
        existing = next(p for p in (folder, *folder.absolute().parents) if p.exists())
        free = shutil.disk_usage(existing).free
    if free < needed:
        raise DevError(
            f"The environments need {needed / 1e9:.0f} GB of disk, and {free / 1e9:.1f} GB are "
            f"left in {folder}: free some, or point DEPTHSHOT_ENV_DIR at a folder on a larger disk."
        )
