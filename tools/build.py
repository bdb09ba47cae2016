"""`dev.py build`: the extension's zip and a static repository with it, by Blender's own builder."""

import shutil
import subprocess
import tomllib
import zipfile
from pathlib import Path

from backend.setup.process import clean_environment

from .console import DevError
from .environments import ROOT, Environment

MAX_BYTES = 40_000_000
REPOSITORY = "repository"

# All that ships, at the top of the zip. A stray file of the checkout is refused, not shipped.
SHIPS = {
    "__init__.py",
    "backend",
    "blender_manifest.toml",
    "CHANGELOG.md",
    "LICENSE",
    "operators",
    "panels",
    "preferences.py",
    "properties.py",
    "README.md",
    "requirements",
    "scene",
}


def builder(environment: Environment) -> Path:
    """Blender's `blender_ext.py`, inside the bpy wheel."""
    pattern = "bpy/*/scripts/addons_core/bl_pkg/cli/blender_ext.py"
    for packages in environment.folder.glob("[Ll]ib*/**/site-packages"):
        for found in packages.glob(pattern):
            return found
    raise DevError(f"{environment.folder} has no {pattern}: remove it and run this again.")


def build(environment: Environment, folder: Path) -> Path:
    """Validates the manifest, builds, validates the zip.

    Args:
        environment: one of Blender's.
        folder: where the zip goes; made if it is not there.

    Returns:
        The zip's path.

    Raises:
        DevError: the builder refused something, a stray file would ship, or the zip is larger than
            MAX_BYTES.
    """
    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{manifest['id']}-{manifest['version']}.zip"
    tool = [str(environment.python), str(builder(environment))]
    _run([*tool, "validate", str(ROOT)])
    _run([*tool, "build", "--source-dir", str(ROOT), "--output-filepath", str(target)])
    _run([*tool, "validate", str(target)])
    with zipfile.ZipFile(target) as archive:
        strays = {name.split("/")[0] for name in archive.namelist()} - SHIPS
    if strays:
        target.unlink()
        raise DevError(
            f"{', '.join(sorted(strays))} would ship: move it elsewhere, or add it to "
            "paths_exclude_pattern in blender_manifest.toml or to SHIPS in tools/build.py."
        )
    size = target.stat().st_size
    if size > MAX_BYTES:
        target.unlink()
        raise DevError(
            f"{target.name} would have {size / 1e6:.1f} MB, at most {MAX_BYTES / 1e6:.0f}: "
            "leave something out in blender_manifest.toml, paths_exclude_pattern."
        )
    return target


def repository(environment: Environment, archive: Path) -> Path:
    """Makes the static repository: a folder that Blender updates from, on any web host or disk.

    Its paths are relative, so it works wherever it is put. It holds this one version: of two in one
    index Blender would take any.

    Args:
        environment: one of Blender's.
        archive: the extension's zip, which the folder `repository` is made beside.

    Returns:
        The path of its `index.json`, which is what Blender is given.

    Raises:
        DevError: Blender's builder refused.
    """
    folder = archive.with_name(REPOSITORY)
    fresh = archive.with_name(f"{REPOSITORY}.new")
    # What a failed or interrupted build has left, and then the last whole one: both are made again.
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    shutil.copy(archive, fresh)
    tool = [str(environment.python), str(builder(environment))]
    _run([*tool, "server-generate", "--repo-dir", str(fresh), "--html"])
    if folder.exists():
        shutil.rmtree(folder)
    fresh.rename(folder)
    return folder / "index.json"


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise DevError(f"Blender's builder refused the extension:\n{done.stdout}{done.stderr}")
