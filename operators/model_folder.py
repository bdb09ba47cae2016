"""Use a folder of the artist's own as a large model's weights, and let go of it.

Blender reads an operator's properties from its annotations as they stand, so they are evaluated
(no `from __future__ import annotations`).
"""

from pathlib import Path

import bpy
from bpy.props import BoolProperty, StringProperty
from bpy.types import Context, Event

from ..backend.errors import DepthshotError, ModelError
from ..preferences import preferences
from ..scene.compat import RELATIVE_PATH
from .backend_state import busy
from .model_chores import choosing, letting_go
from .model_download import AboutWeights, why_not_now

_ELSEWHERE = (
    "Takes are made on another computer, whose folders Blender does not see; choose one there, with"
    " `models use`"
)


class DEPTHSHOT_OT_use_folder(AboutWeights):
    """Use a folder that has the weights of a large model."""

    bl_idname = "depthshot.use_folder"
    bl_label = "Use a Folder"
    bl_description = (
        "Choose a folder that has the model's weights already, on this computer or on a disk in the"
        " network; it is used as it is, and nothing in it is changed or removed"
    )

    directory: StringProperty(
        name="Folder",
        description="The folder with the weights: with model_index.json in it, or with the one file"
        " that the model needs",
        subtype="DIR_PATH",
        options={"SKIP_SAVE"} | RELATIVE_PATH,
    )
    filter_folder: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Grey while something else is done, and where another computer's folders are meant."""
        reason = _why_not(context)
        if reason is not None:
            cls.poll_message_set(reason)
        return reason is None

    def invoke(self, context: Context, event: Event) -> set[str]:
        """Let the artist look for the folder."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: Context) -> set[str]:
        """Look whether it has all, and remember it."""
        try:
            card = self.card(context)
            if not self.directory:
                raise ModelError("No folder was named; choose the one that has the weights.")
        except DepthshotError as reason:
            self.report({"ERROR"}, str(reason))
            return {"CANCELLED"}
        folder = Path(bpy.path.abspath(self.directory))
        return self.do(choosing(preferences(context).data, card, folder))


class DEPTHSHOT_OT_let_go_of_folder(AboutWeights):
    """Let go of the folder that was chosen for a large model."""

    bl_idname = "depthshot.let_go_of_folder"
    bl_label = "Let Go of the Folder"
    bl_description = (
        "Do not use this folder for the model any longer; the folder stays as it is, and weights"
        " that Depthshot has downloaded, if there are any, are used again"
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Grey while something else is done, or while a take may need it."""
        reason = busy() or _why_not(context)
        if reason is not None:
            cls.poll_message_set(reason)
        return reason is None

    def execute(self, context: Context) -> set[str]:
        """Begin."""
        try:
            card = self.card(context)
        except DepthshotError as reason:
            self.report({"ERROR"}, str(reason))
            return {"CANCELLED"}
        return self.do(letting_go(preferences(context).data, card))


def _why_not(context: Context) -> str | None:
    """Return why no folder can be chosen or let go of now, None if one can."""
    if preferences(context).elsewhere is not None:
        return _ELSEWHERE
    return why_not_now(context)


CLASSES = (DEPTHSHOT_OT_use_folder, DEPTHSHOT_OT_let_go_of_folder)
