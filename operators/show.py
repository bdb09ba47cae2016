"""Show the last take: in the sequencer, or its folder."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.types import Context, Operator

from ..scene.compat import show_in_sequencer, strips
from .interface import landing_undone

UNDONE = "The landing of the last take was undone; place it again with a button of Last Take"


class DEPTHSHOT_OT_show_take(Operator):
    """Show the last take in the sequencer."""

    bl_idname = "depthshot.show_take"
    bl_label = "Show in Sequencer"
    bl_description = "Let this workspace's sequencer show the scene that the last take lies in"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Grey without a take, when its scene is gone, or when it is no strip."""
        scene = bpy.data.scenes.get(context.window_manager.depthshot.scene)
        editor = None if scene is None else scene.sequence_editor
        if landing_undone(context.window_manager.depthshot):
            cls.poll_message_set(UNDONE)
        elif scene is None:
            cls.poll_message_set("No take has landed in this file since it was opened")
        elif editor is None or not strips(editor):
            cls.poll_message_set("The last take did not land in a sequencer")
        else:
            return True
        return False

    def execute(self, context: Context) -> set[str]:
        """Choose the scene."""
        scene = bpy.data.scenes[context.window_manager.depthshot.scene]
        show_in_sequencer(context.window, scene)
        return {"FINISHED"}


class DEPTHSHOT_OT_open_folder(Operator):
    """Open the folder of the last take."""

    bl_idname = "depthshot.open_folder"
    bl_label = "Open Folder"
    bl_description = "Open the folder of the last take in the system's file browser"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Grey without a take, or when its folder is gone."""
        take = context.window_manager.depthshot.take
        there = bool(take) and Path(take).is_dir()
        if not there:
            cls.poll_message_set("There is no folder of a last take")
        return there

    def execute(self, context: Context) -> set[str]:
        """Open it."""
        return bpy.ops.wm.path_open(filepath=context.window_manager.depthshot.take)


CLASSES = (DEPTHSHOT_OT_show_take, DEPTHSHOT_OT_open_folder)
