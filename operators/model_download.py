"""Download the weights of a large model, and remove them.

Blender reads an operator's properties from its annotations as they stand, so they are evaluated
(no `from __future__ import annotations`).
"""

from bpy.props import BoolProperty, StringProperty
from bpy.types import Context, Event, Operator

from ..backend.errors import DepthshotError, ModelError
from ..backend.models import find_download, hub, licences, removal
from ..backend.models.card import Card
from ..backend.models.preflight import to_arrive
from ..backend.setup.place import free_bytes
from ..preferences import preferences
from .backend_care import care
from .backend_state import DoesChore, busy, why_no_backend, why_offline
from .model_chores import deleting, downloading
from .model_weights import shelf

_DIALOG_WIDTH = 460
ELSEWHERE = "Takes are made on another computer, which needs the weights; download them there"


class AboutWeights(DoesChore):
    """What all that is done about weights shares: the model whose weights are meant."""

    model: StringProperty(
        name="Model",
        description="Id of the model whose weights are meant, or of what makes it need few steps."
        " Empty: the model that the scene has chosen",
        options={"SKIP_SAVE"},
    )

    def card(self, context: Context) -> Card:
        """Return the card of the model.

        Raises:
            SettingError: there is no such model.
            ModelError: it comes with Depthshot.
        """
        card = find_download(self.model or context.scene.depthshot.model)
        if card.hub is None:
            raise ModelError(f"The model “{card.label}” comes with Depthshot, without a download.")
        return card


class DEPTHSHOT_OT_download_weights(AboutWeights):
    """Download the weights of a large model."""

    bl_idname = "depthshot.download_weights"
    bl_label = "Download"
    bl_description = (
        "Download the model's weights once, after showing where from, how much and under which"
        " licence; what has arrived before is used"
    )

    accept: BoolProperty(
        name="I accept the licence",
        description="You have read the licence of these weights and keep to it",
        default=False,
        options={"SKIP_SAVE"},
    )

    def checked(self, context: Context) -> Card:
        """Return the card of a model that can be downloaded.

        Raises:
            SettingError: there is no such model.
            ModelError: it comes with Depthshot, or none of its revisions was checked.
        """
        card = self.card(context)
        if not card.revision:
            raise hub.unpinned(card)
        return card

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Grey while something else is done, without the network, or without a backend here."""
        reason = _why_not(context) or why_offline()
        if reason is not None:
            cls.poll_message_set(reason)
        return reason is None

    def invoke(self, context: Context, event: Event) -> set[str]:
        """Say what comes from where, under which licence, and ask."""
        try:
            card, data = self.checked(context), preferences(context).data
            self.accept = licences.is_accepted(card, data=data)
        except DepthshotError as reason:
            self.report({"ERROR"}, str(reason))
            return {"CANCELLED"}
        dialog = context.window_manager.invoke_props_dialog
        return dialog(self, width=_DIALOG_WIDTH, confirm_text=self.bl_label)

    def draw(self, context: Context) -> None:
        """Draw the question."""
        card, data = self.card(context), preferences(context).data
        column = self.layout.column(align=True)
        column.label(text=f"From: huggingface.co, {card.hub.repository}", icon="INTERNET")
        left = to_arrive(card, data)
        more = "" if left == card.hub.bytes else f", {left / 1e9:.1f} GB still to come"
        column.label(text=f"{gigabytes(card)} to download{more}", icon="IMPORT")
        free = free_bytes(data)
        lacks = free < left
        icon = "ERROR" if lacks else "DISK_DRIVE"
        column.label(text=f"Into: {hub.home(data)} ({free / 1e9:.1f} GB are free)", icon=icon)
        column.label(text="Blender can be used meanwhile; Cancel keeps what has arrived")
        if card.hub.gated:
            column.separator()
            column.label(text="Given only to accounts that asked: ask on the page below, then set")
            column.label(text="HF_TOKEN or sign in with `hf auth login`, and start Blender anew")
        column.separator()
        row = column.row()
        row.label(text=f"Licence: {card.licence}", icon="TEXT")
        row.operator("wm.url_open", text="Read the Licence", icon="URL").url = card.hub.licence_url
        column.prop(self, "accept")

    def execute(self, context: Context) -> set[str]:
        """Begin."""
        try:
            card = self.checked(context)
            if not self.accept:
                raise ModelError(
                    "Nothing is downloaded without its licence; read it, and tick that you accept"
                    " it."
                )
        except DepthshotError as reason:
            self.report({"ERROR"}, str(reason))
            return {"CANCELLED"}
        return self.do(downloading(preferences(context), card))


class DEPTHSHOT_OT_remove_weights(AboutWeights):
    """Remove the weights of a large model."""

    bl_idname = "depthshot.remove_weights"
    bl_label = "Remove Weights"
    bl_description = (
        "Remove the model's weights from this computer; to use the model again they have to be"
        " downloaded again"
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Grey while something else is done, or while a take may need them."""
        reason = busy() or _why_not(context)
        if reason is not None:
            cls.poll_message_set(reason)
        return reason is None

    def invoke(self, context: Context, event: Event) -> set[str]:
        """Say what goes, and ask."""
        dialog = context.window_manager.invoke_props_dialog
        return dialog(self, width=_DIALOG_WIDTH, confirm_text="Remove")

    def draw(self, context: Context) -> None:
        """Draw the question."""
        card, data = self.card(context), preferences(context).data
        column = self.layout.column(align=True)
        column.label(text=f"The weights of “{card.label}”, {gigabytes(card)}", icon="TRASH")
        column.label(text=f"In: {hub.home(data)}")
        column.label(text="Takes stay; to use the model again it is downloaded again")
        if (folder := shelf.look(card, data).chosen) is not None:
            column.label(text=f"Let go of, and not removed: {folder}", icon="FILE_FOLDER")

    def execute(self, context: Context) -> set[str]:
        """Begin."""
        stored = preferences(context)
        try:
            card = self.card(context)
            if not removal.is_kept(hub.home(stored.data), card):
                raise removal.nothing_kept(card)
        except DepthshotError as reason:
            self.report({"ERROR"}, str(reason))
            return {"CANCELLED"}
        return self.do(deleting(stored, card))


class DEPTHSHOT_OT_copy_command(Operator):
    """Copy the command that fetches the weights of a model."""

    bl_idname = "depthshot.copy_command"
    bl_label = "Copy Command"
    bl_description = (
        "Put the command that fetches these weights with the hub's own tools on the clipboard, to"
        " be pasted into a terminal"
    )
    bl_options = {"INTERNAL"}

    model: StringProperty(
        name="Model",
        description="Id of the model whose weights are meant, or of what makes it need few steps",
        options={"SKIP_SAVE"},
    )

    def execute(self, context: Context) -> set[str]:
        """Copy."""
        try:
            context.window_manager.clipboard = hub.command(find_download(self.model))
        except DepthshotError as reason:
            self.report({"ERROR"}, str(reason))
            return {"CANCELLED"}
        return {"FINISHED"}


def gigabytes(card: Card) -> str:
    """Return how much the weights of a card are."""
    return f"{card.hub.bytes / 1e9:.1f} GB"


def why_not_now(context: Context) -> str | None:
    """Return why nothing can be done about this computer's weights now, None if something can."""
    if care.chore is not None:
        return f"{care.chore.words}; wait for it or cancel it"
    refused = preferences(context).refused
    return refused["data_folder"].removesuffix(".") if "data_folder" in refused else None


def _why_not(context: Context) -> str | None:
    """Return why nothing can be downloaded or removed now, None if something can."""
    if preferences(context).elsewhere is not None:
        return ELSEWHERE
    return why_not_now(context) or why_no_backend(context)


CLASSES = (
    DEPTHSHOT_OT_download_weights,
    DEPTHSHOT_OT_remove_weights,
    DEPTHSHOT_OT_copy_command,
)
