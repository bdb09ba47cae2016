"""Depthshot, a Blender extension: a still, the scene's depth and a camera path become video.

This folder is the extension. Nothing here imports bpy before Blender registers it, because test
tools and the backend import this file as well.
"""

import sys
from types import ModuleType


def register() -> None:
    """Add Depthshot's settings, operators and panels to Blender."""
    from . import operators, panels, preferences, properties

    for module in (preferences, properties, operators, panels):
        module.register()


def unregister() -> None:
    """Remove all that `register` added, and forget the code, so that an update is really loaded."""
    from . import operators, panels, preferences, properties

    for module in (panels, operators, properties, preferences):
        module.unregister()
    _forget_submodules()


def _forget_submodules() -> None:
    inside = __name__ + "."
    for name in [name for name in sys.modules if name.startswith(inside)]:
        del sys.modules[name]
    # Importing a submodule also sets it as an attribute of this package.
    for name, value in list(globals().items()):
        if isinstance(value, ModuleType) and value.__name__.startswith(inside):
            del globals()[name]
