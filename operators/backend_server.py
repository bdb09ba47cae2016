"""Start, stop and look into the backend that is installed."""

from __future__ import annotations

import bpy
from bpy.types import Context, Operator

from ..backend.rendezvous import read_server
from ..preferences import EXTENSION, preferences
from .attachment import attachment
from .backend_chores import examining, newest_log, starting, stopping
from .backend_state import DoesChore, busy, why_no_backend


class DEPTHSHOT_OT_backend_start(DoesChore):
    """Start the backend."""

    bl_idname = "depthshot.backend_start"
    bl_label = "Start"
    bl_description = "Start the backend now and keep it; Generate starts it too, when it needs it"

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Grey while something else is done, without a backend, or when it is kept already."""
        reason = busy() or why_no_backend(context)
        if reason is None and attachment.keeps(preferences(context)):
            reason = "It was started already"
        if reason is not None:
            cls.poll_message_set(reason)
        return reason is None

    def execute(self, context: Context) -> set[str]:
        """Begin."""
        return self.do(starting(preferences(context)))


class DEPTHSHOT_OT_backend_stop(DoesChore):
    """End the backend."""

    bl_idname = "depthshot.backend_stop"
    bl_label = "Stop"
    bl_description = (
        "End the backend and free its memory; a job that runs goes on from its finished frames when"
        " the backend starts again"
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Grey while something else is done, or when none runs."""
        reason = busy()
        if reason is None and read_server(preferences(context).data) is None:
            reason = "No backend is running"
        if reason is not None:
            cls.poll_message_set(reason)
        return reason is None

    def execute(self, context: Context) -> set[str]:
        """Begin."""
        return self.do(stopping(preferences(context)))


class DEPTHSHOT_OT_backend_doctor(DoesChore):
    """Check what the backend needs."""

    bl_idname = "depthshot.backend_doctor"
    bl_label = "Doctor"
    bl_description = "Check everything that the backend needs, and list what was found"

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Grey while something else is done, or without a backend."""
        reason = busy()
        if reason is None and not preferences(context).backend_python.is_file():
            reason = why_no_backend(context)
        if reason is not None:
            cls.poll_message_set(reason)
        return reason is None

    def execute(self, context: Context) -> set[str]:
        """Begin."""
        return self.do(examining(preferences(context)))


class DEPTHSHOT_OT_backend_log(Operator):
    """Show the newest log."""

    bl_idname = "depthshot.backend_log"
    bl_label = "Open Log"
    bl_description = "Open the log of what the backend, or its installation, has done last"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Grey before there is one."""
        there = newest_log(preferences(context).data) is not None
        if not there:
            cls.poll_message_set("There is no log yet")
        return there

    def execute(self, context: Context) -> set[str]:
        """Open it with the system's program for text."""
        return bpy.ops.wm.path_open(filepath=str(newest_log(preferences(context).data)))


class DEPTHSHOT_OT_backend_settings(Operator):
    """Open the page of the preferences where the backend is installed."""

    bl_idname = "depthshot.backend_settings"
    bl_label = "Set Up the Backend…"
    bl_description = "Open Depthshot's page in the preferences, where the backend is installed"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Grey where no window can be opened."""
        if bpy.app.background:
            cls.poll_message_set("Blender runs without windows")
        return not bpy.app.background

    def execute(self, context: Context) -> set[str]:
        """Open it."""
        return bpy.ops.preferences.addon_show(module=EXTENSION)


CLASSES = (
    DEPTHSHOT_OT_backend_start,
    DEPTHSHOT_OT_backend_stop,
    DEPTHSHOT_OT_backend_doctor,
    DEPTHSHOT_OT_backend_log,
    DEPTHSHOT_OT_backend_settings,
)
