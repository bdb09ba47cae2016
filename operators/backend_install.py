"""Install, repair and remove the backend."""

from __future__ import annotations

from bpy.types import Context, Event, Operator

from ..backend.setup.place import Kind, is_folder
from ..preferences import preferences
from .backend_care import care
from .backend_chores import installing, removing
from .backend_state import DoesChore, busy, needs, state, why_offline

_DIALOG_WIDTH = 460


class _Installs(DoesChore):
    """What installing and repairing share: both make the environment from nothing."""

    @classmethod
    def why_not(cls, context: Context) -> str | None:
        """Return why it is grey, None if it is not."""
        return busy() or why_offline()

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Grey while something else is done, without the network, or without need."""
        reason = cls.why_not(context)
        if reason is not None:
            cls.poll_message_set(reason)
        return reason is None

    def invoke(self, context: Context, event: Event) -> set[str]:
        """Say the sizes first, and ask."""
        dialog = context.window_manager.invoke_props_dialog
        return dialog(self, width=_DIALOG_WIDTH, confirm_text=self.bl_label)

    def draw(self, context: Context) -> None:
        """Draw the question."""
        column = self.layout.column(align=True)
        for line in needs(context):
            column.label(text=line)
        column.label(text="Nothing is put into Blender's own Python, and no rights are asked for")

    def execute(self, context: Context) -> set[str]:
        """Begin."""
        return self.do(installing(preferences(context)))


class DEPTHSHOT_OT_backend_install(_Installs):
    """Install the backend."""

    bl_idname = "depthshot.backend_install"
    bl_label = "Install"
    bl_description = (
        "Download the backend and install it in the data folder, in a Python environment of its own"
    )

    @classmethod
    def why_not(cls, context: Context) -> str | None:
        """Return why it is grey, None if it is not."""
        found = state(context)
        if found.kind is Kind.READY:
            return "It is installed; Repair makes it anew"
        if found.kind in (Kind.INSTALLING, Kind.BLOCKED):
            return found.words.removesuffix(".")
        return super().why_not(context)


class DEPTHSHOT_OT_backend_repair(_Installs):
    """Make the backend anew."""

    bl_idname = "depthshot.backend_repair"
    bl_label = "Repair"
    bl_description = (
        "Make the backend's environment anew; what was downloaded before is used again, takes and"
        " jobs stay"
    )

    @classmethod
    def why_not(cls, context: Context) -> str | None:
        """Return why it is grey, None if it is not."""
        found = state(context)
        if found.kind in (Kind.MISSING, Kind.INSTALLING, Kind.BLOCKED):
            return found.words.removesuffix(".")
        return super().why_not(context)


class DEPTHSHOT_OT_backend_cancel(Operator):
    """Stop the installation, or the download of weights."""

    bl_idname = "depthshot.backend_cancel"
    bl_label = "Cancel"
    bl_description = "Stop what is being done; what was downloaded is kept for the next time"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Grey while nothing is being done that can be stopped."""
        can = care.chore is not None and care.chore.progress is not None
        if not can:
            cls.poll_message_set("Nothing is being installed or downloaded")
        return can

    def execute(self, context: Context) -> set[str]:
        """Ask it to end."""
        care.cancel()
        return {"FINISHED"}


def what_is_lost(waiting: int) -> str:
    """Return what becomes of takes that wait to be fetched when everything is removed."""
    if waiting == 1:
        return "1 take that was not fetched yet is lost"
    return f"{waiting} takes that were not fetched yet are lost"


class DEPTHSHOT_OT_backend_remove(DoesChore):
    """Remove the backend and all its data."""

    bl_idname = "depthshot.backend_remove"
    bl_label = "Remove Everything"
    bl_description = (
        "Stop the backend and remove all that Depthshot has put into the data folder, downloads and"
        " jobs too; takes stay"
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Grey while something else is done, or when there is nothing."""
        reason = busy()
        data = preferences(context).data
        # A folder without anything, or in which nothing of ours was found when it was last counted.
        if reason is None and (not is_folder(data) or care.found_nothing(data)):
            reason = "There is nothing to remove"
        if reason is not None:
            cls.poll_message_set(reason)
        return reason is None

    def invoke(self, context: Context, event: Event) -> set[str]:
        """Name folder and size, and ask."""
        dialog = context.window_manager.invoke_props_dialog
        return dialog(self, width=_DIALOG_WIDTH, confirm_text="Remove")

    def draw(self, context: Context) -> None:
        """Draw the question."""
        data = preferences(context).data
        size = (
            "its size is being counted" if care.seen is None else f"{care.seen.size / 1e9:.1f} GB"
        )
        waiting = len(list((data / "pending").glob("*.json")))
        column = self.layout.column(align=True)
        column.label(text=f"{data} ({size})", icon="TRASH")
        column.label(text="The backend, downloads, jobs, captures and logs are removed")
        column.label(text="Takes stay, and so does all that Depthshot has not made there")
        if waiting:
            column.label(text=what_is_lost(waiting), icon="ERROR")

    def execute(self, context: Context) -> set[str]:
        """Begin."""
        return self.do(removing(preferences(context)))


CLASSES = (
    DEPTHSHOT_OT_backend_install,
    DEPTHSHOT_OT_backend_repair,
    DEPTHSHOT_OT_backend_cancel,
    DEPTHSHOT_OT_backend_remove,
)
