"""The files around a .blend file that its pictures depend on: names, sizes and times of each.

Runs in the second Blender, on the copy: bpy and the standard library alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import bpy

MOST_FILES = 100_000  # in folders that are listed; looking at these takes some seconds
_FOLDERS_OF = {"SEQUENCE", "TILED"}  # one path stands for many files
_COLORS = "colormanagement"


class TooManyFilesError(Exception):
    """A folder has more files than can be looked at."""


def files_of_data() -> list[tuple[object, ...]]:
    """Return name, size and times of every file that the open file reads.

    Of a folder, as baked waves have one, and of a sequence every file counts.

    Raises:
        TooManyFilesError: a folder cannot be listed in reasonable time.
        OSError: a name cannot be one, or what is there changes at this moment.
    """
    paths = {path for path in map(Path, bpy.utils.blend_paths(absolute=True)) if _is_named(path)}
    folders = {path for path in paths if path.is_dir()}
    many = [image.filepath for image in bpy.data.images if image.source in _FOLDERS_OF]
    many += [clip.filepath for clip in bpy.data.movieclips if clip.source in _FOLDERS_OF]
    many += [volume.filepath for volume in bpy.data.volumes if volume.is_sequence]
    many += [cache.filepath for cache in bpy.data.cache_files if cache.is_sequence]
    for cache in bpy.data.cache_files:
        paths |= {_absolute(layer.filepath) for layer in cache.layers}
    found: set[Path] = set()
    for path in filter(_is_named, map(_absolute, many)):
        folder = path.parent
        if folder.is_dir():
            found.update(_limited(folder.iterdir(), folder))
    return _facts(paths - folders | found | _everything_in(folders))


def files_of_program() -> list[tuple[object, ...]]:
    """Return name, size and times of the files of add-ons and colour spaces.

    The release of Blender itself is left out.

    Raises:
        TooManyFilesError: an add-on cannot be listed in reasonable time.
        OSError: what is there changes at this moment.
    """
    released = Path(bpy.utils.system_resource("SCRIPTS"))
    folders = {
        Path(bpy.utils.user_resource("DATAFILES", path=_COLORS)),
        Path(bpy.utils.system_resource("DATAFILES", path=_COLORS)),
        *(Path(path) for path in bpy.utils.script_paths(subdir="startup")),
    }
    single = set()
    if os.environ.get("OCIO"):
        config = Path(os.environ["OCIO"])
        single.add(config)
        folders |= {path for path in config.parent.glob("*/") if path.is_dir()}  # its tables
    for addon in bpy.context.preferences.addons:
        source = getattr(sys.modules.get(addon.module), "__file__", None)
        if source is None:
            continue
        path = Path(source)
        if path.name == "__init__.py":
            folders.add(path.parent)
        else:
            single.add(path)
    # This extension's own folder is a checkout where it is developed; `depends` hashes its code.
    own = Path(__file__).resolve().parent
    folders = {
        folder
        for folder in folders
        if not folder.is_relative_to(released) and not own.is_relative_to(folder.resolve())
    }
    return _facts(single | _everything_in(folders))


def _absolute(path: str) -> Path:
    """Return a path without the way through the copy's own folder, which is another each time."""
    return Path(os.path.normpath(bpy.path.abspath(path)))


def _is_named(path: Path) -> bool:
    """Return whether a path is that of a file or folder, not an empty field.

    An empty one of a volume is the root of the disk once a copy is saved in another folder.
    """
    return path != path.parent


def _everything_in(folders: Iterable[Path]) -> set[Path]:
    found: set[Path] = set()
    for folder in folders:
        inside = (path for path in folder.rglob("*") if "__pycache__" not in path.parts)
        found.update(_limited(inside, folder))
    return found


def _limited(paths: Iterable[Path], folder: Path) -> Iterator[Path]:
    for count, path in enumerate(paths):
        if count >= MOST_FILES:
            raise TooManyFilesError(f"'{folder}' has more than {MOST_FILES} files")
        yield path


def _facts(paths: Iterable[Path]) -> list[tuple[object, ...]]:
    facts: list[tuple[object, ...]] = []
    for path in sorted(paths):
        if path.is_file():
            stat = path.stat()
            facts.append((str(path), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))
        elif not path.is_dir():  # a folder changes when a file in it does
            facts.append((str(path), None))
    return facts
