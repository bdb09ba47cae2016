"""What an artist can do."""

from __future__ import annotations

import bpy

from . import (
    backend_elsewhere,
    backend_install,
    backend_server,
    backend_startup,
    broken_pipes,
    export,
    find,
    generate,
    model_download,
    model_folder,
    opened,
    place,
    replace,
    sequence,
    show,
)
from .attachment import attachment
from .backend_care import care
from .exporter import exporter
from .model_cost import costs
from .model_weights import shelf
from .runner import runner

CLASSES = (
    *generate.CLASSES,
    *place.CLASSES,
    *show.CLASSES,
    *sequence.CLASSES,
    *replace.CLASSES,
    *find.CLASSES,
    *export.CLASSES,
    *backend_install.CLASSES,
    *backend_elsewhere.CLASSES,
    *backend_server.CLASSES,
    *model_download.CLASSES,
    *model_folder.CLASSES,
)

_register_classes, _unregister_classes = bpy.utils.register_classes_factory(CLASSES)


def register() -> None:
    """Add the operators, and start the backend if it is to start by itself."""
    broken_pipes.survive()
    _register_classes()
    opened.register()
    backend_startup.register()


def unregister() -> None:
    """Remove the operators; a generation that runs is left to the backend."""
    backend_startup.unregister()
    opened.unregister()
    runner.abandon()
    exporter.abandon()
    care.abandon()
    costs.abandon()
    shelf.abandon()
    attachment.close()
    _unregister_classes()
