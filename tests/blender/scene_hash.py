"""Everything an artist could notice a change in, as plain values and as one hash.

Walks all properties that Blender exposes of all data-blocks but windows and workspaces, plus what
belongs to the session: dirty flags, preferences, handlers, the active scene.
"""

import hashlib
import json
import warnings

import bpy
import numpy as np

_UI = {"window_managers", "screens", "workspaces"}
_AGAIN = {"all_ids"}  # 5.2 has all data-blocks once more in one collection
# Time stamps, counters and ways of storing (5.2) that Blender changes by itself.
_VOLATILE = {
    "rna_type",
    "session_uid",
    "original",
    "bl_rna",
    "depsgraph",
    "preview",
    "storage_type",
}
# Blender 4.2 crashes on reading what is in it.
_UNREADABLE = {("ToolSettings", "uv_sculpt")} if bpy.app.version < (4, 3) else set()
_DEEPEST = 12
_LONG = 64  # an array with more values, as an image's pixels, goes in as a hash


def session_state() -> dict[str, object]:
    """Return all of it; two dicts can be compared to see what changed."""
    filepaths = bpy.context.preferences.filepaths
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # reads old names as well
        blocks = {
            collection.identifier: {
                _name(block): _describe(block, depth=0)
                for block in getattr(bpy.data, collection.identifier)
            }
            for collection in bpy.data.bl_rna.properties
            if collection.type == "COLLECTION" and collection.identifier not in _UI | _AGAIN
        }
    return {
        "data": blocks,
        "dirty": bpy.data.is_dirty,
        "saved": bpy.data.is_saved,
        "filepath": bpy.data.filepath,
        "autopack": bpy.data.use_autopack,
        "preferences dirty": bpy.context.preferences.is_dirty,
        "preview": filepaths.file_preview_type,
        "scene": bpy.context.scene.name,
        "view layer": bpy.context.view_layer.name,
        "mode": bpy.context.mode,
        "selection": {
            f"{scene.name} {layer.name}": [
                thing.name for thing in layer.objects if thing.select_get(view_layer=layer)
            ]
            for scene in bpy.data.scenes
            for layer in scene.view_layers
        },
        "handlers": {
            name: [repr(handler) for handler in getattr(bpy.app.handlers, name)]
            for name in dir(bpy.app.handlers)
            if isinstance(getattr(bpy.app.handlers, name), list)
        },
    }


def scene_hash() -> str:
    """Return the SHA-256 of `session_state()`."""
    return hashlib.sha256(json.dumps(session_state(), sort_keys=True).encode()).hexdigest()


def _name(block: bpy.types.ID) -> str:
    library = block.library.filepath if block.library else ""
    return f"{block.bl_rna.identifier} {block.name} {library}"


def _describe(value: object, *, depth: int) -> object:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    if isinstance(value, bpy.types.ID) and depth > 0 and not value.is_embedded_data:
        return _name(value)
    if isinstance(value, bpy.types.bpy_prop_array) and len(value) > _LONG:
        # Blender's own floats are of single precision, and 4.5 fills no others.
        kind = type(value[0])
        numbers = np.empty(len(value), np.float32 if kind is float else kind)
        value.foreach_get(numbers)
        return hashlib.sha256(numbers.tobytes()).hexdigest()
    if isinstance(value, bpy.types.bpy_struct):
        return _describe_struct(value, depth=depth)
    if hasattr(value, "__iter__"):
        return [_describe(item, depth=depth + 1) for item in value]
    return repr(value)


def _describe_struct(value: bpy.types.bpy_struct, *, depth: int) -> object:
    if depth > _DEEPEST:
        return value.bl_rna.identifier
    described = {
        prop.identifier: _describe_property(value, prop, depth=depth + 1)
        for prop in value.bl_rna.properties
        if prop.identifier not in _VOLATILE
        and (value.bl_rna.identifier, prop.identifier) not in _UNREADABLE
    }
    if isinstance(value, bpy.types.ID):
        described["ID properties"] = {
            key: str(entry.to_dict() if hasattr(entry, "to_dict") else entry)
            for key, entry in value.items()
        }
    return described


def _describe_property(
    owner: bpy.types.bpy_struct, prop: bpy.types.Property, *, depth: int
) -> object:
    value = getattr(owner, prop.identifier, None)
    # A link leads to sockets, a socket back to its node: round and round through a node tree.
    if prop.type == "POINTER" and isinstance(value, bpy.types.Node | bpy.types.NodeSocket):
        return f"{value.name} {getattr(value, 'identifier', '')}"
    return _describe(value, depth=depth)


def differences(before: object, after: object, place: str = "") -> list[str]:
    """Return the places at which two states differ, for the message of a failing test."""
    if isinstance(before, dict) and isinstance(after, dict):
        names = sorted(before.keys() | after.keys())
        pairs = [(before.get(name), after.get(name), f"{place}/{name}") for name in names]
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = [(*pair, f"{place}[{n}]") for n, pair in enumerate(zip(before, after, strict=True))]
    else:
        return [] if before == after else [f"{place}: {before!r} -> {after!r}"]
    return [line for pair in pairs for line in differences(*pair)]
