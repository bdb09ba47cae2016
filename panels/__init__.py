"""What an artist sees. Panels draw and decide nothing."""

from __future__ import annotations

import bpy

from . import sequencer, sidebar

CLASSES = (*sidebar.CLASSES, *sequencer.CLASSES)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
