"""Marks what is free to move with an object index, so that the guides tell it from all else.

Runs in the second Blender, on the copy: bpy and the standard library alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import bpy

from . import compat
from .guides.lock import FREE

# What a ray can hit. Fog and smoke are no surface, and are taken away before guides are rendered.
_SURFACES = {"MESH", "CURVE", "SURFACE", "META", "FONT", "CURVES", "POINTCLOUD"}


def name_of(thing: bpy.types.Object) -> tuple[str, str]:
    """Return an object's name and its library's file, "" where it is in the open one.

    The file by its real path: a copy of the file elsewhere names it in another way.
    """
    if thing.library is None:
        return thing.name, ""
    return thing.name, os.path.realpath(bpy.path.abspath(thing.library.filepath))


class Marks:
    """The marks of one capture. An index of the artist's own is taken away."""

    def __init__(self, free: list[list[str]]) -> None:
        """Mark the objects themselves.

        Args:
            free: Name and library of each, as `CaptureSettings.free`.
        """
        wanted = {tuple(each) for each in free}
        self._free = {thing for thing in bpy.data.objects if name_of(thing) in wanted}
        self._marked = set(self._free)
        for thing in bpy.data.objects:
            thing.pass_index = FREE if thing in self._free else 0

    def mark_instances(self, depsgraph: bpy.types.Depsgraph) -> None:
        """Mark what the objects are instances of, or scatter, at the frame that is evaluated."""
        found = {
            instance.object.original
            for instance in depsgraph.object_instances
            if instance.is_instance and instance.parent.original in self._free
        }
        for thing in found - self._marked:
            thing.pass_index = FREE
        self._marked |= found

    def warn(self, say: Callable[..., None]) -> None:
        """Tell what the artist should know, as `capture_child.Job.say` takes it."""
        if not any(thing.type in _SURFACES and not thing.hide_render for thing in self._marked):
            say(
                "warning",
                message="Nothing in the collection that is free to move has a surface that is"
                " rendered, so all of the still is kept.",
            )
        readers = sorted(name for name, tree in _shaders() if _reads_index(tree))
        if readers:
            say(
                "warning",
                message=f"Free to Move sets the object index, which {', '.join(readers)} reads;"
                " where it makes a surface transparent, depth may be another one there.",
            )


def _shaders() -> list[tuple[str, bpy.types.NodeTree | None]]:
    materials = [(each.name, compat.embedded_tree(each)) for each in bpy.data.materials]
    return [*materials, *((group.name, group) for group in bpy.data.node_groups)]


def _reads_index(tree: bpy.types.NodeTree | None) -> bool:
    return any(
        node.bl_idname == "ShaderNodeObjectInfo" and node.outputs["Object Index"].is_linked
        for node in (tree.nodes if tree else ())
    )
