"""`dev.py test --blender A,B,…`: the tests with bpy in several Blenders, two of them at a time."""

import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import BinaryIO, TypeVar

from backend.setup.environment import Environment, is_ready
from backend.setup.pythons import find

from . import environments
from .console import answer, note_omission, say

T = TypeVar("T")

# Each starts a second Blender and a backend: more at a time would only wait for each other.
AT_ONCE = 2


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
        versions: of Blender.
        leave_out: leave out, and say so, what has no environment and no Python to make one from.
        find_python: finds a Python; replaced in tests.

    Raises:
        DevError: there is no lock file for one of them.
    """
    found = []
    for version in versions:
        environment = environments.blender(version)
        if leave_out and not is_ready(environment) and find_python(environment.version) is None:
            major, minor = environment.version
            note_omission(
                f"{environment.name} is left out: it needs Python {major}.{minor}, not found here"
            )
            continue
        found.append(environment)
    return found


def run_all(
    wanted: Sequence[Environment], run: Callable[[Environment, BinaryIO, threading.Event], T]
) -> list[T]:
    """Runs something in every environment; what each said is shown when it has ended.

    Args:
        wanted: the environments, ready.
        run: runs it in one. What it says goes to the file that it gets; once the event is set, it
            has to come to an end.

    Returns:
        What each returned, in the order of their ends.
    """
    stop = threading.Event()
    results = []
    with tempfile.TemporaryDirectory(prefix="depthshot-versions-") as folder:

        def logged(environment: Environment) -> T:
            with (Path(folder) / environment.name).open("wb") as output:
                return run(environment, output, stop)

        with ThreadPoolExecutor(AT_ONCE) as threads:
            running: dict[Future[T], Environment] = {}
            try:
                for each in wanted:
                    running[threads.submit(logged, each)] = each
                for done in as_completed(running):
                    name = running[done].name
                    log = Path(folder) / name
                    answer(log.read_text(encoding="utf-8", errors="replace").rstrip())
                    results.append(done.result())
                    say(f"{name}: {results[-1]}")
            except BaseException:
                # Ctrl-C reaches this thread alone: it is passed on to what the others wait for.
                stop.set()
                for waiting in running:
                    waiting.cancel()
                raise
    return results
