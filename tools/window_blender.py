"""Debian's Blender with a window, for `dev.py test --ui`: its packages unpacked, not installed.

The packages are loaded with apt, from the mirror and with the proxy that this system's own apt
uses, and unpacked below the environments' folder. Blender is then told where its libraries are.
That needs no root and mounts nothing, so nothing is left behind wherever it is stopped; and Blender
can start this system's programs, which it could not from inside a chroot.
"""

import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from . import environments, system
from .console import DevError, say, step

SUITE = "trixie"
# Recommended packages are left out; these are what Blender, Xvfb and software OpenGL need.
PACKAGES = (
    *("base-files", "dash", "blender", "python3-numpy", "python3-requests", "patchelf"),
    *("xvfb", "x11-xkb-utils", "xdotool", "libgl1", "libegl1", "libglx-mesa0", "libgl1-mesa-dri"),
)
DISK_BYTES = 2e9
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_STAMP = "made-from.txt"
_PROGRAMS = ("apt-get", "dpkg-deb")


def root() -> Path:
    """Where the packages are unpacked."""
    return environments.root() / "blender-window"


def executable() -> Path:
    """Blender in there."""
    return root() / "usr" / "bin" / "blender"


def is_there() -> bool:
    """Whether it was unpacked completely, from the packages that this file names."""
    stamp = root() / _STAMP
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == _stamp()


def why_not() -> str | None:
    """Why Debian's Blender cannot be brought here, or None."""
    if not sys.platform.startswith("linux"):
        return "Debian's Blender runs on Linux alone"
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"Debian's Blender is loaded with {' and '.join(_PROGRAMS)}, which are not here"
    if not _KEYRING.is_file():
        return f"Debian's packages cannot be checked without {_KEYRING}"
    if mirror() is None:
        return "apt has no mirror of Debian configured here"
    return None


def mirror(release: Mapping[str, str] | None = None) -> str | None:
    """The mirror that this system's apt takes its own Debian from, or None on another system.

    Args:
        release: the system's os-release; read if None.
    """
    try:
        release = platform.freedesktop_os_release() if release is None else release
    except OSError:
        return None
    if release.get("ID") != "debian":
        return None
    form = "$(REPO_URI) $(RELEASE) $(COMPONENT)"
    asked = subprocess.run(
        ["apt-get", "indextargets", "--format", form, "Created-By: Packages"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    wanted = (release.get("VERSION_CODENAME"), "main")
    lines = [line.split() for line in asked.stdout.splitlines()]
    return next((uri for uri, *rest in lines if tuple(rest) == wanted), None)


def bring() -> None:
    """Loads and unpacks it; does nothing when it is there.

    Raises:
        DevError: it cannot be had here; one sentence with the reason.
    """
    if is_there():
        return
    reason = why_not()
    if reason is not None:
        raise DevError(f"{reason}: name a Blender with BLENDER=/path/to/blender.")
    folder = root()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with environments.only_one(folder.with_suffix(".lock")):
        # Another dev.py may have brought it while this one waited.
        if not is_there():
            _make(folder)


def variables() -> dict[str, str]:
    """What this Blender has to be told: where its own things are, and to draw in software."""
    folder = root()
    return {
        "BLENDER_SYSTEM_RESOURCES": str(folder / "usr" / "share" / "blender"),
        "BLENDER_SYSTEM_PYTHON": str(folder / "usr"),
        "LIBGL_ALWAYS_SOFTWARE": "1",
        "LIBGL_DRIVERS_PATH": str(_libraries(folder) / "dri"),
        "__EGL_VENDOR_LIBRARY_DIRS": str(folder / "usr" / "share" / "glvnd" / "egl_vendor.d"),
        # What the software driver compiles: most of the time of a first start.
        "MESA_SHADER_CACHE_DIR": str(folder / "shaders"),
    }


def program(name: str) -> list[str]:
    """The command of another unpacked program, which is not patched."""
    folder = root()
    loader = str(_loader(folder))
    return [loader, "--library-path", _search_path(folder), str(folder / "usr" / "bin" / name)]


def pointer() -> list[str] | None:
    """The command of xdotool, which moves and clicks the mouse, or None where there is none."""
    own = shutil.which("xdotool")
    if own is not None:
        return [own]
    return program("xdotool") if is_there() else None


def xvfb() -> list[str]:
    """The command of its Xvfb, which finds its keyboard's compiler under a fixed path alone."""
    folder = str(root())
    if os.geteuid() == 0:
        return ["chroot", folder, "/usr/bin/Xvfb"]
    return ["unshare", "--map-root-user", f"--root={folder}", "/usr/bin/Xvfb"]


def _stamp() -> str:
    # With its place, which is written into the programs.
    return f"{SUITE} {root()} {' '.join(PACKAGES)}\n"


def _make(folder: Path) -> None:
    if folder.exists():
        say("Debian's Blender: what is there is unfinished, so made again")
        shutil.rmtree(folder)
    system.require_disk(folder, DISK_BYTES)
    folder.mkdir()
    with step("Debian's Blender: packages (330 MB to download)"):
        archives = _download(folder / "packages")
    with step(f"Debian's Blender: unpacking {len(archives)} packages"):
        _unpack(archives, folder)
    shutil.rmtree(folder / "packages")
    _settle(folder)
    (folder / _STAMP).write_text(_stamp(), encoding="utf-8")


def _download(folder: Path) -> list[Path]:
    for name in ("lists/partial", "archives/partial"):
        (folder / name).mkdir(parents=True)
    # As if nothing were installed: what the packages need comes along, libc included.
    (folder / "status").touch()
    sources = folder / "sources.list"
    sources.write_text(f"deb [signed-by={_KEYRING}] {mirror()} {SUITE} main\n", encoding="utf-8")
    settings = {
        "Dir::State::Lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder,
        "Dir::Cache::archives": folder / "archives",
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null",
        "Acquire::Languages": "none",
        "APT::Install-Recommends": "0",
        # A mirror that cannot be reached is an error here, and not only a warning.
        "APT::Update::Error-Mode": "any",
        # The folder is this user's alone, and root's apt would load as another.
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": "1",
    }
    options = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
    _run(["apt-get", "--quiet", *options, "update"])
    _run(["apt-get", "--quiet", *options, "--yes", "--download-only", "install", *PACKAGES])
    return sorted((folder / "archives").glob("*.deb"))


def _unpack(archives: list[Path], folder: Path) -> None:
    # base-files first: it says that /bin, /lib and /lib64 are links to those below /usr.
    for archive in sorted(archives, key=lambda path: not path.name.startswith("base-files_")):
        _run(["dpkg-deb", "--extract", str(archive), str(folder)])


def _settle(folder: Path) -> None:
    """Tells the programs where their libraries are.

    Blender starts itself a second time, and Python to install extensions, by their paths alone. So
    these have to start as they are, without a loader before them and without a search path that
    this system's programs would inherit.
    """
    patch = program("patchelf")
    # These name a folder of the system for their own libraries, and would not look elsewhere.
    for library in _libraries(folder).rglob("libpulse*.so*"):
        if not library.is_symlink():
            _run([*patch, "--remove-rpath", str(library)])
    told = ["--set-interpreter", str(_loader(folder)), "--set-rpath", _search_path(folder)]
    _run([*patch, "--force-rpath", *told, str(folder / "usr" / "bin" / "blender")])
    # Debian's Python cannot be patched: it does not start any more. A script starts it.
    for python in (folder / "usr" / "bin").glob("python3.[0-9]*[0-9]"):
        real = python.rename(python.with_name(f"{python.name}-itself"))
        loader, *rest = program(real.name)
        script = f'#!/bin/sh\nexec {shlex.quote(loader)} --argv0 "$0" {shlex.join(rest)} "$@"\n'
        python.write_text(script, encoding="utf-8")
        python.chmod(0o755)


def _loader(folder: Path) -> Path:
    return next(folder.glob("lib*/ld-linux*.so.*"))


def _libraries(folder: Path) -> Path:
    return next((folder / "usr" / "lib").glob("*-linux-gnu"))


def _search_path(folder: Path) -> str:
    main = _libraries(folder)
    folders = (main, main / "blas", main / "lapack", main / "pulseaudio", folder / "usr" / "lib")
    return ":".join(str(each) for each in folders)


def _run(command: list[str]) -> None:
    # In English, as the cause is looked for below.
    done = system.run_quietly(command, variables={"LC_ALL": "C"})
    if done.returncode:
        lines = done.stdout.strip().splitlines() or [f"exit code {done.returncode}"]
        cause = next((line for line in lines if line.startswith("E: ")), lines[-1])
        raise DevError(f"Debian's Blender could not be brought here: {cause}")
