"""Show another take in a strip."""

from __future__ import annotations

from pathlib import Path

from bpy.props import StringProperty
from bpy.types import Context, Operator

from ..backend.errors import DepthshotError
from ..scene.compat import sequencer_scene
from ..scene.lost_takes import lost_take, show_instead
from ..scene.strip_takes import replace_take
from ..scene.strips import active_strip
from .sequence import NO_TAKE
from .strip_shot import take_of


class DEPTHSHOT_OT_replace_take(Operator):
    """Show another take in the active strip."""

    bl_idname = "depthshot.replace_take"
    bl_label = "Replace Take"
    bl_description = (
        "Show this take in the active strip; its channel, frames, trims and effects stay as they"
        " are"
    )
    bl_options = {"REGISTER", "UNDO"}

    # No path that Blender shows or makes relative: the menu gives it.
    folder: StringProperty(
        name="Take", description="Folder of the take", options={"HIDDEN", "SKIP_SAVE"}
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Grey where the active strip shows no take or is locked."""
        strip = active_strip(sequencer_scene(context))
        reason = None
        if take_of(strip) is None and lost_take(strip) is None:
            reason = NO_TAKE
        elif strip.id_data.library is not None:
            reason = f"The strip's scene “{strip.id_data.name}” is linked; open its own file"
        elif strip.lock:
            reason = f"“{strip.name}” is locked; unlock it"
        if reason is not None:
            cls.poll_message_set(reason)
        return reason is None

    def execute(self, context: Context) -> set[str]:
        """Replace it."""
        strip = active_strip(sequencer_scene(context))
        folder = Path(self.folder)
        try:
            if lost_take(strip) is None:
                _, notes = replace_take(strip, folder)
            else:
                show_instead(strip, folder)
                notes = []
        except DepthshotError as reason:
            self.report({"ERROR"}, str(reason))
            return {"CANCELLED"}
        for sentence in notes:
            self.report({"WARNING"}, sentence)
        self.report({"INFO"}, f"“{strip.name}” shows the take '{folder.name}'.")
        return {"FINISHED"}


CLASSES = (DEPTHSHOT_OT_replace_take,)
