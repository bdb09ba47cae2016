"""What a picture can depend on that nobody can list: then no capture is used a second time.

Every check here errs on one side. To refuse what would have been harmless costs a render; to miss
something gives the artist a picture of a scene that is no longer there.

Runs in the second Blender, on the copy: bpy and the standard library alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bpy

from . import compat
from .drivers import scripted_drivers
from .simulations import simulated

# Lists of `bpy.app.handlers` whose functions can change the scene between opening and picture.
_HANDLERS = (
    "frame_change_pre",
    "frame_change_post",
    "depsgraph_update_pre",
    "depsgraph_update_post",
    "render_init",
    "render_pre",
    "render_post",
    "render_write",
    "composite_pre",
    "composite_post",
)
_ENGINES = {"CYCLES", "BLENDER_EEVEE", "BLENDER_EEVEE_NEXT", "BLENDER_WORKBENCH"}


def unknowable_input() -> str | None:
    """Return what in the open file cannot be looked into, in words; None when there is nothing."""
    return next(_inputs(), None)


def _inputs() -> Iterator[str]:
    for driven, expression in scripted_drivers():
        # What is no simple expression is Python, which can read any data without a pointer to it.
        yield f"the scripted driver of {driven} ({expression})"
    for text in bpy.data.texts:
        if text.use_module:
            yield f"the registered text '{text.name}'"
    yield from _handlers()
    for scene in bpy.data.scenes:
        if scene.render.engine not in _ENGINES:
            yield f"the render engine {scene.render.engine} of an add-on"
        if scene.render.use_freestyle and any(
            layer.freestyle_settings.mode == "SCRIPT" for layer in scene.view_layers
        ):
            yield f"the Freestyle scripts of scene '{scene.name}'"
    for name in simulated(bpy.data.objects, bpy.data.scenes):
        yield f"the simulation of object '{name}'"
    for cache in bpy.data.cache_files:
        if Path(cache.filepath).suffix.lower().startswith(".usd"):
            yield f"cache file '{cache.name}', which can name other files"
    for owner in (*bpy.data.materials, *bpy.data.lights, *bpy.data.worlds, *bpy.data.node_groups):
        tree = owner if isinstance(owner, bpy.types.NodeTree) else compat.embedded_tree(owner)
        for node in tree.nodes if tree else ():
            if node.bl_idname == "ShaderNodeScript" and node.mode == "EXTERNAL":
                yield f"script node '{node.name}' in '{owner.name}'"
            if node.bl_idname.startswith("GeometryNodeImport"):
                yield f"node '{node.name}' in '{owner.name}', which reads a file"


def _handlers() -> Iterator[str]:
    own = Path(bpy.utils.system_resource("SCRIPTS"))
    for kind in _HANDLERS:
        for handler in getattr(bpy.app.handlers, kind):
            code = getattr(handler, "__code__", None)
            if code is None or not Path(code.co_filename).is_relative_to(own):
                yield f"the handler {getattr(handler, '__qualname__', handler)!s} in {kind}"
