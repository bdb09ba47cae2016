"""Show where a take is that is gone from where the open file looks for it.

Blender reads an operator's properties from its annotations as they stand, so they are evaluated
(no `from __future__ import annotations`).
"""

from pathlib import Path
from statistics import fmean

import bpy
from bpy.props import StringProperty
from bpy.types import Context, Event, Operator

from ..backend.errors import DepthshotError
from ..backend.take import read_take
from ..scene.lost_takes import find_again
from .interface import know_last_take, known_last_take
from .take_folder import AsksForTake, file_notes

GONE = "The last take's folder is gone: '{}'. Bring it back, or show where it is now"


def gone(folder: Path) -> str:
    """Return what a strip says whose take is gone."""
    return (
        f"The folder of this strip's take is gone: '{folder}'. Bring it back, show where it is now,"
        " or show another take in its place."
    )


class DEPTHSHOT_OT_find_take(AsksForTake, Operator):
    """Show where a take is now."""

    bl_idname = "depthshot.find_take"
    bl_label = "Find Take…"
    bl_description = (
        "Show where the folder of a take is now. All strips and images of this file that look for"
        " it in its old place then look there"
    )
    bl_options = {"REGISTER", "UNDO"}

    lost: StringProperty(
        name="Lost", description="Where the take was", options={"HIDDEN", "SKIP_SAVE"}
    )

    def invoke(self, context: Context, event: Event) -> set[str]:
        """Let the artist look for it."""
        return self.ask(context)

    def execute(self, context: Context) -> set[str]:
        """Let all that showed it look there."""
        folder = Path(bpy.path.abspath(self.directory))
        status = context.window_manager.depthshot
        last = bool(status.take) and Path(status.take) == Path(self.lost)
        known = known_last_take(status) if last else None
        try:
            found = find_again(Path(self.lost), folder, known=known)
        except DepthshotError as reason:
            self.report({"ERROR"}, str(reason))
            return {"CANCELLED"}
        take = read_take(folder)
        if last:
            status.take = str(folder)
            status.generated = fmean(take.generated)
            know_last_take(folder, take)
        self.report({"INFO"}, f"{found.count} strips and images show the take in '{folder}' now.")
        # Blender's status bar shows what is reported last.
        if found.count and not found.sure:
            self.report(
                {"WARNING"},
                f"This file notes which shot “{Path(self.lost).name}” is of, but not which take of"
                f" it; look whether '{folder}' is the right one, or undo.",
            )
        for sentence in file_notes(folder, take):
            self.report({"WARNING"}, sentence)
        return {"FINISHED"}


CLASSES = (DEPTHSHOT_OT_find_take,)
