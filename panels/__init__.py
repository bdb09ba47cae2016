"""What an artist sees. Panels draw and decide nothing."""

from __future__ import annotations

import bpy

from . import export, sequencer, sidebar

CLASSES = (*sidebar.CLASSES, *export.CLASSES, *sequencer.CLASSES)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
