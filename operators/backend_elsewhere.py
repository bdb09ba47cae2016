"""Ask the backend on another machine how it is."""

from __future__ import annotations

from functools import partial

from bpy.types import Context

from ..backend.errors import AddressRefused
from ..preferences import Preferences, preferences
from .attachment import attachment
from .backend_care import Chore
from .backend_place import check_elsewhere
from .backend_state import DoesChore, busy


class DEPTHSHOT_OT_backend_ask(DoesChore):
    """Ask the backend on the other machine how it is."""

    bl_idname = "depthshot.backend_ask"
    bl_label = "Ask"
    bl_description = "Ask the backend on the other machine for its name, its devices and its jobs"

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Grey while something else is done, or while the other machine cannot be asked."""
        reason = busy() or _why_not(preferences(context))
        if reason is not None:
            cls.poll_message_set(reason)
        return reason is None

    def execute(self, context: Context) -> set[str]:
        """Begin."""
        stored = preferences(context)
        return self.do(Chore("Asking", partial(_ask, stored), stored.data))


def _why_not(stored: Preferences) -> str | None:
    if stored.elsewhere is None:
        return "The backend of this machine is used"
    try:
        check_elsewhere(stored)
    except AddressRefused as reason:
        return str(reason).removesuffix(".")
    return None


def _ask(stored: Preferences) -> str:
    backend = attachment.take(stored)
    try:
        return f"{backend.in_words()}."
    finally:
        attachment.give_back()


CLASSES = (DEPTHSHOT_OT_backend_ask,)
