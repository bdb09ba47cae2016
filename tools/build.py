"""`dev.py build`: the extension's zip, validated and made by Blender's own builder."""

import subprocess
import tomllib
import zipfile
from pathlib import Path

from . import pip
from .console import DevError
from .environments import ROOT, Environment

MAX_BYTES = 40_000_000

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


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=pip.clean_environment(),
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise DevError(f"Blender's builder refused the extension:\n{done.stdout}{done.stderr}")
