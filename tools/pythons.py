"""Finding a Python that Blender's wheels exist for. Readable for any Python from 3.8 on."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from backend.setup.pythons import find

if TYPE_CHECKING:
    from collections.abc import Sequence

# bpy has wheels for these alone: 4.2 to 5.0 for 3.11, 5.1 and later for 3.13.
SUPPORTED = ((3, 11), (3, 13))

# Where the distributions most in use have them.
_PACKAGES = {
    (3, 11): "Debian 12: apt-get install python3.11 python3.11-venv",
    (3, 13): "Debian 13: apt-get install python3.13 python3.13-venv",
}


def missing(wanted: Sequence[tuple[int, int]]) -> str:
    """One sentence: which Python is missing, and the way out."""
    names = " or ".join(f"{major}.{minor}" for major, minor in wanted)
    packages = "; ".join(_PACKAGES[version] for version in wanted if version in _PACKAGES)
    return (
        f"Depthshot needs Python {names} with its venv module, and none was found: "
        f"install it{f' ({packages})' if packages else ''} and run this again."
    )


def run_again_with_supported(script: str, arguments: list[str], path: str | None = None) -> int:
    """Runs `script` with the first supported Python there is and returns its exit code.

    Args:
        script: the script to run again.
        arguments: its arguments.
        path: where to look, as `find` takes it.
    """
    for version in SUPPORTED:
        python = find(version, path)
        if python is not None:
            command = [str(python), script, *arguments]
            if os.name == "posix":
                # In this one's place, so that Ctrl-C and the exit code are that one's alone.
                os.execv(command[0], command)
            return subprocess.call(command)
    sys.stderr.write(missing(SUPPORTED) + "\n")
    return 2
