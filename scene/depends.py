"""What a capture of the open scene depends on, as one hash, or the reason why there is none.

Runs in the second Blender, on the copy: bpy and the standard library alone.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import bpy

from . import compat, outside
from .blendfile import BlendFileError
from .fingerprint import blend_fingerprint
from .unknowable import unknowable_input

_SETTINGS = "depthshot"  # the extension's own properties: prompt, seed, and what the job says


def scene_hash(scene: bpy.types.Scene, *, frame: int, scratch: Path) -> str:
    """Return a hash of all that the scene's pictures depend on, in this file and outside it.

    Args:
        scene: scene of a copy; its selection, Depthshot settings and output format are dropped,
            and all strips.
        frame: the frame that it is looked at, so that the playhead makes no difference.
        scratch: where another copy is saved; it must not exist.

    Raises:
        UnknowableError: it depends on something that cannot be looked into.
    """
    hidden = unknowable_input()
    if hidden:
        raise UnknowableError(f"nobody can tell what {hidden} depends on")
    _neutralise(scene, frame)
    bpy.ops.wm.save_as_mainfile(filepath=str(scratch), copy=True, compress=False)
    try:
        content = blend_fingerprint(scratch, scene=scene.name, unused=compat.UNUSED_FIELDS)
    except BlendFileError as reason:
        raise UnknowableError(str(reason)) from reason
    finally:
        scratch.unlink()
    around = [
        content,
        bpy.app.version_string,
        str(bpy.app.build_hash),
        sorted(addon.module for addon in bpy.context.preferences.addons),
        os.environ.get("OCIO"),
        *_outside(),
        [file_hash(source) for source in sorted(Path(__file__).parent.rglob("*.py"))],
    ]
    return hashlib.sha256(json.dumps(around).encode()).hexdigest()


def _outside() -> tuple[object, object]:
    try:
        return outside.files_of_data(), outside.files_of_program()
    except outside.TooManyFilesError as reason:
        raise UnknowableError(str(reason)) from reason
    except OSError as reason:
        raise UnknowableError(f"'{reason.filename}' cannot be read: {reason.strerror}") from reason


class UnknowableError(Exception):
    """What the scene depends on cannot be known, so a capture of it cannot be used again."""


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _neutralise(scene: bpy.types.Scene, frame: int) -> None:
    """Bring what differs without changing a picture to the same state every time."""
    compat.drop_settings(scene, _SETTINGS)
    # No picture shows a strip, and each names files of its own: the takes that landed before.
    for each in bpy.data.scenes:
        each.sequence_editor_clear()
    compat.even_out_compositor(scene)
    # As the still has it; what is kept of the artist's own is how it changes colors.
    compat.use_png16(scene.render.image_settings)
    for layer in scene.view_layers:
        layer.objects.active = None
        for thing in layer.objects:
            thing.select_set(False, view_layer=layer)
    scene.frame_set(frame)
