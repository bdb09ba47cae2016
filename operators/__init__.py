"""What an artist can do."""

from __future__ import annotations

import bpy

CLASSES = ()

register, unregister = bpy.utils.register_classes_factory(CLASSES)
