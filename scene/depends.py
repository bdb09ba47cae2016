"""What a capture of the open scene depends on, as one hash, or the reason why there is none.

Runs in the second Blender, on the copy: bpy and the standard library alone.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import bpy

from . import compat
from .blendfile import BlendFileError
from .fingerprint import blend_fingerprint
from .simulations import simulated

_SETTINGS = "depthshot"  # the extension's own properties: prompt, seed, and what the job says
_FOLDERS_OF = {"SEQUENCE", "TILED"}  # one path stands for many files


def scene_hash(scene: bpy.types.Scene, *, frame: int, scratch: Path) -> str:
    """Return a hash of all that the scene's pictures depend on, in this file and outside it.

    Args:
        scene: scene of a copy; its selection, strips and Depthshot settings are dropped.
        frame: the frame that it is looked at, so that the playhead makes no difference.
        scratch: where another copy is saved; it must not exist.

    Raises:
        UnknowableError: it depends on something that cannot be looked into.
    """
    hidden = _hidden_inputs()
    if hidden:
        raise UnknowableError(f"{hidden} may read files that cannot be listed")
    _neutralise(scene, frame)
    bpy.ops.wm.save_as_mainfile(filepath=str(scratch), copy=True, compress=False)
    try:
        content = blend_fingerprint(scratch, scene=scene.name)
    except BlendFileError as reason:
        raise UnknowableError(str(reason)) from reason
    finally:
        scratch.unlink()
    around = [
        content,
        bpy.app.version_string,
        str(bpy.app.build_hash),
        sorted(addon.module for addon in bpy.context.preferences.addons),
        [os.environ.get(name) for name in ("OCIO", "BLENDER_SYSTEM_DATAFILES")],
        _files(),
        [file_hash(source) for source in sorted(Path(__file__).parent.glob("*.py"))],
    ]
    return hashlib.sha256(json.dumps(around).encode()).hexdigest()


class UnknowableError(Exception):
    """What the scene depends on cannot be known, so a capture of it cannot be used again."""


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _neutralise(scene: bpy.types.Scene, frame: int) -> None:
    """Bring what differs without changing a picture to the same state every time."""
    compat.drop_settings(scene, _SETTINGS)
    scene.sequence_editor_clear()
    for layer in scene.view_layers:
        layer.objects.active = None
        for thing in layer.objects:
            thing.select_set(False, view_layer=layer)
    scene.frame_set(frame)


def _files() -> list[tuple[object, ...]]:
    """Return name, size and times of every file that the open file reads."""
    paths = {Path(path) for path in bpy.utils.blend_paths(absolute=True)}
    many = [image.filepath for image in bpy.data.images if image.source in _FOLDERS_OF]
    many += [clip.filepath for clip in bpy.data.movieclips if clip.source in _FOLDERS_OF]
    many += [volume.filepath for volume in bpy.data.volumes if volume.is_sequence]
    for path in many:
        folder = Path(bpy.path.abspath(path)).parent
        if folder.is_dir():
            paths.update(folder.iterdir())
    found = []
    for path in sorted(paths):
        if path.is_file():
            stat = path.stat()
            found.append((str(path), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))
        else:
            found.append((str(path), None))
    return found


def _hidden_inputs() -> str | None:
    """Return the name of something that reads files no list of Blender's holds."""
    for cache in bpy.data.cache_files:
        if Path(cache.filepath).suffix.lower().startswith(".usd"):
            return f"cache file '{cache.name}'"
    for scene in bpy.data.scenes:
        for name in simulated(scene):
            return f"simulation of object '{name}'"
    for tree in (*(material.node_tree for material in bpy.data.materials), *bpy.data.node_groups):
        for node in tree.nodes if tree else ():
            if node.bl_idname == "ShaderNodeScript" and node.mode == "EXTERNAL":
                return f"script node '{node.name}' in '{tree.name}'"
    return None
