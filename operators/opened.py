"""What happens when another file is opened."""

from __future__ import annotations

import bpy
from bpy.app.handlers import persistent

from .runner import runner


@persistent
def _forget_last_take(*_: object) -> None:
    """Before a file is read: the status that it was saved with, if any, comes with it."""
    runner.forget()


def register() -> None:
    """Be told of files that are opened."""
    bpy.app.handlers.load_pre.append(_forget_last_take)


def unregister() -> None:
    """Be told no longer."""
    bpy.app.handlers.load_pre.remove(_forget_last_take)
