"""The Blender with a window that tests/ui runs, and the display it is shown on.

`BLENDER=/path/to/blender` names one; otherwise it is Debian's, once it was brought here
(`window_blender`). On Linux it gets a display of its own, on other systems the screen.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import window_blender
from .console import DevError
from .display import Display, display

VARIABLE = "BLENDER"
# Names the folder that the tests put the manual's pictures into.
PICTURES = "DEPTHSHOT_PICTURES"


@dataclass(frozen=True, slots=True)
class Window:
    """A Blender that can open a window here.

    Attributes:
        blender: its program.
        variables: what its process has to be told beside this one's environment.
        xvfb: what starts an X server for it, () where it is shown on the screen.
        inside: what that X server sees as /, None for the system's own.
    """

    blender: Path
    variables: dict[str, str]
    xvfb: tuple[str, ...]
    inside: Path | None

    @contextlib.contextmanager
    def shown(self) -> Iterator[Display | None]:
        """Gives it a display for a while, or None where it is shown on the screen."""
        if not self.xvfb:
            yield None
            return
        parent = None if self.inside is None else self.inside / "tmp"
        with (
            tempfile.TemporaryDirectory(prefix="depthshot-display-", dir=parent) as folder,
            display(list(self.xvfb), Path(folder), inside=self.inside) as running,
        ):
            yield running


def find() -> Window:
    """Finds one that is here already.

    Raises:
        DevError: there is none, or no display for it; one sentence with the way out.
    """
    named = os.environ.get(VARIABLE)
    if named:
        blender = shutil.which(named)
        if blender is None:
            raise DevError(f"{VARIABLE}={named} is not a program that can be run.")
        variables = {}
    elif window_blender.is_there():
        blender, variables = window_blender.executable(), window_blender.variables()
    else:
        raise DevError(
            "There is no Blender with a window here: `python3 dev.py test --ui` brings one, or"
            f" takes the one that {VARIABLE} names."
        )
    xvfb, inside = _server()
    if xvfb:
        variables = {"LIBGL_ALWAYS_SOFTWARE": "1", **variables}
    return Window(Path(blender), variables, xvfb, inside)


def bring() -> Window:
    """Finds one, after bringing Debian's where no other is named.

    Raises:
        DevError: it cannot be had here; one sentence with the reason.
    """
    if not os.environ.get(VARIABLE):
        window_blender.bring()
    return find()


def _server() -> tuple[tuple[str, ...], Path | None]:
    if not sys.platform.startswith("linux"):
        return (), None
    own = shutil.which("Xvfb")
    if own is not None:
        return (own,), None
    if window_blender.is_there():
        command, root = window_blender.xvfb(), window_blender.root()
        tried = subprocess.run(
            [*command[:-1], "/bin/sh", "-c", "true"], capture_output=True, text=True, check=False
        )
        if tried.returncode == 0:
            return tuple(command), root
        raise DevError(
            "The Xvfb that came with Debian's Blender needs root or user namespaces, which this"
            " system does not allow: install xvfb (apt-get install xvfb)."
        )
    raise DevError("A Blender with a window needs Xvfb here: install it (apt-get install xvfb).")
