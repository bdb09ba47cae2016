"""`dev.py test --blender A,B,…`: which Blenders are tested."""

from collections.abc import Callable, Sequence
from pathlib import Path

from backend.setup.environment import Environment, is_ready
from backend.setup.pythons import find

from . import environments
from .console import note_omission

DEFAULT = "default"  # that of the running Python


def chosen(text: str) -> list[str]:
    """The versions that `--blender` names, each once, in that order."""
    return list(dict.fromkeys(text.replace(",", " ").split()))


def usable(
    versions: Sequence[str],
    *,
    leave_out: bool,
    find_python: Callable[[tuple[int, int]], Path | None] = find,
) -> list[Environment]:
    """The environments of some versions, not made yet.

    Args:
        versions: of Blender; `DEFAULT` for what is tested where none is named.
        leave_out: leave out, and say so, what has no environment and no Python to make one from.
        find_python: finds a Python; replaced in tests.

    Raises:
        DevError: there is no lock file for one of them.
    """
    found: list[Environment] = []
    for version in versions:
        environment = environments.blender(None if version == DEFAULT else version)
        if environment in found:
            continue
        if leave_out and not is_ready(environment) and find_python(environment.version) is None:
            major, minor = environment.version
            note_omission(
                f"{environment.name} is left out: it needs Python {major}.{minor}, not found here"
            )
            continue
        found.append(environment)
    return found
