"""The backend that starts with Blender, where the preferences ask for it."""

from __future__ import annotations

import bpy

from ..preferences import preferences
from .backend_care import care
from .backend_chores import starting
from .backend_state import busy, why_no_backend

# While extensions register, Blender's context holds nothing yet.
_FIRST_SECONDS = 1.0


def register() -> None:
    """Start the backend a moment after Blender; without a window nothing does."""
    if not bpy.app.background:
        bpy.app.timers.register(start, first_interval=_FIRST_SECONDS, persistent=True)


def unregister() -> None:
    """Forget it."""
    if bpy.app.timers.is_registered(start):
        bpy.app.timers.unregister(start)


def start() -> None:
    """Start the backend if it is to start by itself and can."""
    stored = preferences(bpy.context)
    here = stored.elsewhere is None
    if stored.starts_itself and here and not (busy() or why_no_backend(bpy.context)):
        care.start(starting(stored))
