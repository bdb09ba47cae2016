"""The two environments below `.env/`: made once, checked in an instant, repaired when broken.

An environment is ready when its stamp names the lock files and the Python it was made from. The
stamp is taken away before anything is changed and written last, so an interrupted installation
has none and is made again from nothing.
"""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from . import pip, pythons, system, torch_build
from .console import DevError, say, step

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "requirements"
STAMP = "depthshot-stamp.json"


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment, ready or not.

    Attributes:
        name: its folder's name, also what a person sees.
        folder: where it is.
        version: the Python it is made from, (major, minor).
        locks: its lock files, installed together.
        with_torch: whether torch belongs into it.
        download: what its locks download, in bytes, about.
        disk: what it takes on disk, pip's cache included, in bytes, at most.
    """

    name: str
    folder: Path
    version: tuple[int, int]
    locks: tuple[Path, ...]
    with_torch: bool
    download: float
    disk: float

    @property
    def python(self) -> Path:
        """The environment's own Python."""
        inside = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
        return self.folder.joinpath(*inside)


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
        disk=14e9 if torch_build.has_gpu() else 4e9,
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


def key(environment: Environment) -> str:
    """A hash of everything an environment is made from."""
    digest = hashlib.sha256()
    digest.update(repr((environment.version, environment.with_torch)).encode())
    if environment.with_torch:
        digest.update(torch_build.requirement().encode())
    for lock in environment.locks:
        digest.update(lock.read_bytes())
    return digest.hexdigest()


def is_ready(environment: Environment) -> bool:
    """Whether the environment was made completely, and from what the checkout says now."""
    try:
        stamp = json.loads((environment.folder / STAMP).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    return stamp == {"key": key(environment)} and environment.python.exists()


def write_stamp(environment: Environment) -> None:
    """Declares an environment complete. Written beside and renamed: there is no half a stamp."""
    stamp = environment.folder / STAMP
    new = stamp.with_suffix(".new")
    new.write_text(json.dumps({"key": key(environment)}) + "\n", encoding="utf-8")
    new.replace(stamp)


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
        with _only_one(root() / f"{environment.name}.lock"):
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
def _only_one(path: Path) -> Iterator[None]:
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
        (environment.folder / STAMP).unlink(missing_ok=True)
        shutil.rmtree(environment.folder)
    log = root() / f"{name}.log"
    log.unlink(missing_ok=True)
    with step(f"{name}: an empty environment"):
        _create(environment, interpreter)
    if environment.with_torch:
        _install_torch(environment, log=log)
    requirements = [part for lock in environment.locks for part in ("-r", str(lock))]
    with step(f"{name}: packages (up to {environment.download / 1e6:.0f} MB to download)"):
        pip.install(
            environment.python,
            ["--quiet", "--require-hashes", "--no-deps", *requirements],
            log=log,
        )
    write_stamp(environment)


def _create(environment: Environment, interpreter: Path) -> None:
    done = subprocess.run(
        [interpreter, "-m", "venv", environment.folder],
        env=pip.clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        cause = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise DevError(f"{interpreter} could not make {environment.folder}: {cause[-1]}")


def _install_torch(environment: Environment, *, log: Path) -> None:
    with step(f"{environment.name}: which build of torch fits this machine"):
        build = torch_build.choose(environment.python, log=log)
        size = torch_build.download_size(build.url)
    about = f"{size / 1e6:.0f} MB" if size else "size unknown"
    if build.needs_gpu_libraries:
        about += ", then about 3 GB of GPU libraries"
    # Only GPU libraries are left to pip here; everything else torch needs is in the lock.
    only = [] if build.needs_gpu_libraries else ["--no-deps"]
    with step(f"{environment.name}: {torch_build.requirement()} ({about} to download)"):
        pip.install(environment.python, ["--quiet", *only, *build.arguments], log=log)
