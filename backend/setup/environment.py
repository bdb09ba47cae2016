"""An environment from lock files: made from nothing, declared whole by a stamp.

An environment is ready when its stamp names the lock files and the Python it was made from. The
stamp is taken away before anything is changed and written last, so an interrupted installation
has none and is made again; what pip has in its cache is not downloaded again.

What may be removed is told by a mark that is written first and goes last. Environments of before
there was one have the stamp alone; without either, an environment is somebody else's.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from ..errors import SetupError
from . import pip, torch_build
from .process import Work, run

STAMP = "depthshot-stamp.json"
MARK = "made-by-depthshot.txt"
_MARKED = "Depthshot has made this environment, and removes it with all that is in it.\n"


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment, ready or not.

    Attributes:
        name: what a person sees.
        folder: where it is.
        version: the Python it is made from, (major, minor).
        locks: its lock files, installed together.
        with_torch: whether torch belongs into it.
        download: what its locks download, in bytes, about.
        disk: what it takes on disk, pip's cache included, in bytes, at most.
        device: what torch is to run on; "" finds out, and does not care when it changes.
        pip_lock: the pip that installs it, as a lock file; None leaves the one that Python brings.
        check: what its Python is given at the end and has to answer with exit code 0.
    """

    name: str
    folder: Path
    version: tuple[int, int]
    locks: tuple[Path, ...]
    with_torch: bool
    download: float
    disk: float
    device: str = ""
    pip_lock: Path | None = None
    check: tuple[str, ...] = ()

    @property
    def python(self) -> Path:
        """The environment's own Python."""
        return python_in(self.folder)


def python_in(folder: Path) -> Path:
    """The Python of the environment in a folder."""
    inside = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    return folder.joinpath(*inside)


def key(environment: Environment) -> str:
    """A hash of everything an environment is made from."""
    files = (*environment.locks, torch_build.REQUIREMENT_FILE)
    return _key(environment, tuple(path.stat().st_mtime_ns for path in files))


@functools.lru_cache(maxsize=16)
def _key(environment: Environment, _changed: tuple[int, ...]) -> str:
    """The same, kept as long as no file changes: a panel asks for it at every redraw."""
    digest = hashlib.sha256()
    digest.update(repr((environment.version, environment.with_torch)).encode())
    if environment.with_torch:
        digest.update(torch_build.requirement().encode())
    for lock in environment.locks:
        digest.update(lock.read_bytes())
    digest.update(environment.device.encode())
    return digest.hexdigest()


def read_stamp(folder: Path) -> dict[str, object] | None:
    """The stamp of an environment, None where it has none that is whole."""
    try:
        stamp = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return stamp if isinstance(stamp, dict) else None


def is_ready(environment: Environment) -> bool:
    """Whether the environment was made completely, and from what its lock files say now."""
    stamp = read_stamp(environment.folder)
    return (
        stamp is not None and stamp.get("key") == key(environment) and environment.python.exists()
    )


def is_environment(folder: Path) -> bool:
    """Whether a folder is an environment, if only a begun one; a link to nothing passes for one.

    Neither its name nor a `pyvenv.cfg` says so: `env` may be somebody's own environment, in a
    folder that was chosen for the data.

    Raises:
        OSError: it cannot be looked at.
    """
    if not folder.exists():
        return folder.is_symlink()
    if (folder / MARK).is_file() or (folder / STAMP).is_file():
        return True
    # Without a file there is nothing to lose.
    return folder.is_dir() and not any(files for _, _, files in os.walk(folder))


def write_stamp(environment: Environment) -> None:
    """Declares an environment complete. Written beside and renamed: there is no half a stamp."""
    stamp = environment.folder / STAMP
    new = stamp.with_suffix(".new")
    told = {
        "key": key(environment),
        "version": list(environment.version),
        "device": environment.device,
    }
    new.write_text(json.dumps(told) + "\n", encoding="utf-8")
    new.replace(stamp)


def check_free(folder: Path) -> None:
    """Find out whether an environment may be made in a folder.

    Raises:
        SetupError: something else is there.
    """
    if (folder.exists() or folder.is_symlink()) and not is_environment(folder):
        raise SetupError(f"{not_ours(folder)}.")


def not_ours(folder: Path) -> str:
    """Return what is said of something that lies where an environment has to be."""
    return f"'{folder}' was not made by Depthshot; choose another Data Folder, or move it away"


def clear(folder: Path) -> None:
    """Remove an environment. The mark goes last: one that is half removed is one still.

    Raises:
        OSError: something in it cannot be removed.
    """
    (folder / MARK).write_text(_MARKED, encoding="utf-8")
    (folder / STAMP).unlink(missing_ok=True)
    for inside in folder.iterdir():
        if inside.is_dir() and not inside.is_symlink():
            shutil.rmtree(inside)
        elif inside.name != MARK:
            inside.unlink()
    shutil.rmtree(folder)


def make(environment: Environment, interpreter: Path, work: Work) -> None:
    """Installs an environment from nothing.

    The locked packages come first and torch after them: what torch needs is then there already,
    with the hash that its lock names, and pip has nothing to choose but GPU libraries.

    Args:
        environment: what to make; an environment in its folder is removed, a link as such.
        interpreter: a Python of its version.
        work: how programs are run, and who is told.

    Raises:
        SetupError: something failed; one sentence with the way out.
        Cancelled: somebody asked for the end.
        OSError: the disk refused.
    """
    progress, python = work.progress, environment.python
    check_free(environment.folder)
    if environment.folder.is_symlink():
        environment.folder.unlink()
    elif environment.folder.exists():
        clear(environment.folder)
    with progress.step("Making an empty environment", until=0.05):
        _create(environment, interpreter, work)
    # Not quiet: what it downloads is how far it is. Older ones cannot tell in numbers.
    told = ["--quiet"]
    if environment.pip_lock is not None:
        with progress.step("Preparing", until=0.08):
            pip.install(
                python,
                ["--quiet", "--require-hashes", "--no-deps", "-r", str(environment.pip_lock)],
                work=work,
            )
        told = ["--progress-bar", "raw"]
    requirements = [part for lock in environment.locks for part in ("-r", str(lock))]
    size = f"up to {environment.download / 1e6:.0f} MB to download"
    with progress.step(f"Packages ({size})", until=0.5, expected=environment.download):
        pip.install(python, [*told, "--require-hashes", "--no-deps", *requirements], work=work)
    if environment.with_torch:
        _install_torch(environment, told, work)
    if environment.check:
        with progress.step("Checking what was installed", until=1.0):
            _check(environment, work)
    write_stamp(environment)


def _create(environment: Environment, interpreter: Path, work: Work) -> None:
    environment.folder.mkdir(parents=True)
    (environment.folder / MARK).write_text(_MARKED, encoding="utf-8")
    ended = run([str(interpreter), "-m", "venv", str(environment.folder)], work)
    if ended.code:
        cause = (ended.errors or ended.output).strip().splitlines() or ["no reason given"]
        raise SetupError(f"{interpreter} could not make {environment.folder}: {cause[-1]}")


def _install_torch(environment: Environment, told: list[str], work: Work) -> None:
    device = environment.device or torch_build.detect()
    with work.progress.step("Finding out which build of torch fits", until=0.52):
        build = torch_build.choose(environment.python, work=work, device=device)
        size = torch_build.download_size(build.url)
    about = f"{size / 1e6:.0f} MB" if size else "size unknown"
    if build.needs_gpu_libraries:
        about += ", then about 3 GB of GPU libraries"
    # Only GPU libraries are left to pip here; everything else torch needs is in the lock.
    only = [] if build.needs_gpu_libraries else ["--no-deps"]
    text = f"{torch_build.requirement()} ({about} to download)"
    expected = (size or 2e8) + (3e9 if build.needs_gpu_libraries else 0)
    with work.progress.step(text, until=0.95, expected=expected):
        pip.install(environment.python, [*told, *only, *build.arguments], work=work)


def _check(environment: Environment, work: Work) -> None:
    ended = run([str(environment.python), *environment.check], work)
    if ended.code:
        lines = (ended.errors or ended.output).strip().splitlines() or ["no reason given"]
        raise SetupError(f"What was installed does not work ({lines[-1]}): see {work.log}.")
