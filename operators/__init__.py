"""What an artist can do."""

from __future__ import annotations

import bpy

from . import generate, place, replace, sequence, show
from .attachment import attachment
from .runner import runner

CLASSES = (*generate.CLASSES, *place.CLASSES, *show.CLASSES, *sequence.CLASSES, *replace.CLASSES)

register, _unregister_classes = bpy.utils.register_classes_factory(CLASSES)


def unregister() -> None:
    """Remove the operators; a generation that runs is left to the backend."""
    runner.abandon()
    attachment.close()
    _unregister_classes()
