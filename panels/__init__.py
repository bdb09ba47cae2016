"""What an artist sees. Panels draw and decide nothing."""

from __future__ import annotations

import bpy

from . import backend_missing, export, model_card, model_cost, sequencer, sidebar

CLASSES = (
    *backend_missing.CLASSES,
    *sidebar.CLASSES,
    *model_cost.CLASSES,
    *model_card.CLASSES,
    *export.CLASSES,
    *sequencer.CLASSES,
)

register, unregister = bpy.utils.register_classes_factory(CLASSES)
