"""The environments below `.env/`: made once, checked in an instant, repaired when broken.

How one is made is `backend/setup/environment.py`, which artists' environments come from as well.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from backend.setup import torch_build
from backend.setup.environment import Environment, is_ready, make
from backend.setup.process import Work
from backend.setup.progress import Progress

from . import pythons, system
from .console import DevError, say, step

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "requirements"


class _Told(Progress):
    """Says every step on the terminal, with the name of its environment."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def note(self, sentence: str) -> None:
        say(f"{self._name}: {sentence}")

    @contextlib.contextmanager
    def step(self, text: str, *, until: float, expected: float = 0.0) -> Iterator[None]:
        with step(f"{self._name}: {text}"), super().step(text, until=until, expected=expected):
            yield


def root() -> Path:
    """The folder of the environments: DEPTHSHOT_ENV_DIR, or `.env` in the checkout."""
    return Path(os.environ.get("DEPTHSHOT_ENV_DIR") or ROOT / ".env").absolute()


def backend() -> Environment:
    """The environment of the backend, tests and lint included."""
    return Environment(
        name="backend",
        folder=root() / "backend",
        version=sys.version_info[:2],
        locks=(LOCKS / "backend.txt", LOCKS / "dev.txt"),
        with_torch=True,
        download=240e6,
        # A build of torch for GPUs brings its own libraries along.
        disk=14e9 if torch_build.detect() == torch_build.NVIDIA else 4e9,
    )


def blender(version: str | None = None) -> Environment:
    """The environment of one Blender version; by default the newest for the running Python.

    Raises:
        DevError: there is no lock file for that version.
    """
    if version is None:
        version = "5.0.1" if sys.version_info[:2] == (3, 11) else "5.2.3"
    lock = LOCKS / f"blender-{version}.txt"
    if not lock.is_file():
        known = sorted(path.stem.removeprefix("blender-") for path in LOCKS.glob("blender-*.txt"))
        raise DevError(f"There is no Blender {version} here: choose one of {', '.join(known)}.")
    numbers = tuple(int(part) for part in version.split("."))
    return Environment(
        name=f"blender-{version}",
        folder=root() / f"blender-{version}",
        version=(3, 11) if numbers < (5, 1) else (3, 13),
        locks=(lock,),
        with_torch=False,
        download=405e6,
        disk=2e9,
    )


def ensure(*environments: Environment, install_libraries: bool = False) -> None:
    """Makes whichever of these environments is not ready.

    Everything that can be missing is looked for before anything is downloaded.

    Args:
        environments: what the command needs.
        install_libraries: also install system libraries that Blender needs.

    Raises:
        DevError: something is missing that only a person can provide.
    """
    wanted = [environment for environment in environments if not is_ready(environment)]
    interpreters = {version: _interpreter(version) for version in {e.version for e in wanted}}
    if any(environment.name.startswith("blender") for environment in environments):
        system.require_libraries(install=install_libraries)
    if not wanted:
        return
    root().mkdir(parents=True, exist_ok=True)
    system.require_disk(root(), sum(environment.disk for environment in wanted))

    def make(environment: Environment) -> None:
        with only_one(root() / f"{environment.name}.lock"):
            # Another dev.py may have made it while this one waited.
            if not is_ready(environment):
                _make(environment, interpreters[environment.version])

    # Side by side: while one downloads, the other unpacks.
    with ThreadPoolExecutor() as threads:
        for made in [threads.submit(make, environment) for environment in wanted]:
            made.result()


def _interpreter(version: tuple[int, int]) -> Path:
    found = pythons.find(version)
    if found is None:
        raise DevError(pythons.missing([version]))
    return found


@contextlib.contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Holds a file lock, which the system lets go of even when this process is killed."""
    with path.open("a+") as file:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"Another dev.py is making {path.stem}: waiting for it")
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(environment: Environment, interpreter: Path) -> None:
    """Installs an environment from nothing; what pip has in its cache is not loaded again."""
    name = environment.name
    say(f"{name}: making this environment in {environment.folder}")
    if environment.folder.exists():
        say(f"{name}: what is there is unfinished or older than the lock files, so made again")
    log = root() / f"{name}.log"
    log.unlink(missing_ok=True)
    make(environment, interpreter, Work(log, _Told(name)))
