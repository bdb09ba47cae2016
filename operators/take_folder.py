"""A take's folder as the artist chooses it in the file browser.

Blender reads an operator's properties from its annotations as they stand, so they are evaluated
(no `from __future__ import annotations`).
"""

from bpy.props import BoolProperty, StringProperty
from bpy.types import Context

from ..scene.compat import RELATIVE_PATH


class AsksForTake:
    """Beside `Operator`: the properties that the file browser fills in."""

    directory: StringProperty(
        name="Take",
        description="The take's folder, the one with take.json in it",
        subtype="DIR_PATH",
        options={"SKIP_SAVE"} | RELATIVE_PATH,
    )
    filter_folder: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})

    def ask(self, context: Context) -> set[str]:
        """Let the artist look for the folder."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}
