"""All of Blender that an add-on can leave something in, as plain values, for a script of its own.

Run in a Blender that has just been started, before the extension is enabled and after it is gone.
"""

import logging
import os
import signal
import sys
import threading

import addon_utils
import bpy

_TIMERS = []
# Blender's own interface, and in 5.2 everything once more.
_NO_DATA = ("window_managers", "screens", "workspaces", "all_ids")
_KEPT_BY_BLENDER = "bl_ext.devrepo.depthshot"  # the module itself stays, as every add-on's


def watch_timers():
    """Notes every timer from now on: Blender tells of one only to who has its function."""
    register = bpy.app.timers.register

    def noting(function, **options):
        _TIMERS.append(function)
        register(function, **options)

    bpy.app.timers.register = noting


def traces():
    """Returns everything, by name."""
    types = [getattr(bpy.types, name) for name in dir(bpy.types)]
    types = [each for each in types if hasattr(each, "bl_rna")]
    configurations = bpy.context.window_manager.keyconfigs
    return {
        "types": set(dir(bpy.types)),
        "registered": {
            f"{each.__module__}.{each.__name__}" for each in _below(*_bases()) if _is_known(each)
        },
        "properties": {
            f"{each.bl_rna.identifier}.{prop}"
            for each in types
            for prop in each.bl_rna.properties.keys()  # noqa: SIM118 - RNA
        },
        "attributes": {
            f"{each.__name__}.{name}"
            for each in types
            for name in vars(each)
            if "depthshot" in name.lower()
        },
        "operators": {
            f"{module}.{name}" for module in dir(bpy.ops) for name in dir(getattr(bpy.ops, module))
        },
        "menu entries": {
            f"{each.__name__}: {function.__module__}.{function.__qualname__}"
            for each in types
            for function in getattr(getattr(each, "draw", None), "_draw_funcs", ())
        },
        "handlers": {
            f"{name}: {handler.__module__}.{handler.__qualname__}"
            for name in dir(bpy.app.handlers)
            if isinstance(handlers := getattr(bpy.app.handlers, name), list)
            for handler in handlers
        },
        "timers": {repr(each) for each in _TIMERS if bpy.app.timers.is_registered(each)},
        "keys": {
            f"{configuration.name}/{keys.name}/{item.idname}"
            for configuration in configurations
            for keys in configuration.keymaps
            for item in keys.keymap_items
        },
        "driver functions": set(bpy.app.driver_namespace),
        "add-ons": {each.module for each in bpy.context.preferences.addons},
        "modules": {name for name in sys.modules if name.startswith(f"{_KEPT_BY_BLENDER}.")},
        "threads": {each.name for each in threading.enumerate()},
        "children": _children(),
        "search path": set(sys.path),
        "finders": {repr(each) for each in sys.meta_path},
        "environment": set(os.environ.items()),
        "signals": {f"{each.name}: {signal.getsignal(each)}" for each in signal.Signals},
        "log handlers": {repr(each) for each in logging.root.handlers},
        "hooks": {repr(sys.excepthook), repr(threading.excepthook)},
        "loaded": set(_enabled()),
    }


def data():
    """Returns the names of all data-blocks but those of Blender's own interface."""
    return {
        f"{collection.identifier}/{block.name}"
        for collection in bpy.data.bl_rna.properties
        if collection.type == "COLLECTION" and collection.identifier not in _NO_DATA
        for block in getattr(bpy.data, collection.identifier)
    }


def own_properties():
    """Returns the custom properties of Depthshot's that a file keeps, as "type: name"."""
    found = set()
    for collection in bpy.data.bl_rna.properties:
        if collection.type == "COLLECTION" and collection.identifier not in _NO_DATA:
            for block in getattr(bpy.data, collection.identifier):
                keys = set(block.keys())
                if hasattr(block, "bl_system_properties_get"):
                    system = block.bl_system_properties_get()
                    keys |= set() if system is None else set(system.keys())
                found |= {f"{block.id_type}: {key}" for key in keys if "depthshot" in key.lower()}
    return found


def _bases():
    names = ("Panel", "Menu", "Header", "Operator", "PropertyGroup", "AddonPreferences", "UIList")
    names += ("Gizmo", "GizmoGroup", "KeyingSetInfo", "Node", "NodeSocket", "RenderEngine")
    return [getattr(bpy.types, name) for name in (*names, "FileHandler", "AssetShelf")]


def _below(*kinds):
    for kind in kinds:
        for each in kind.__subclasses__():
            yield each
            yield from _below(each)


def _is_known(kind):
    return "depthshot" in kind.__module__ and getattr(kind, "is_registered", False)


def _enabled():
    return [
        module.__name__
        for module in addon_utils.modules(refresh=False)
        if addon_utils.check(module.__name__)[1]
    ]


def _children():
    """Returns the processes that this one has started and that run still; on Linux alone."""
    folder = f"/proc/{os.getpid()}/task/{os.getpid()}/children"
    if not os.path.exists(folder):  # noqa: PTH110 - nothing here needs pathlib
        return set()
    with open(folder) as file:  # noqa: PTH123
        return set(file.read().split())
