"""Place a take that is there already: the last one, or any folder of one.

Blender reads an operator's properties from its annotations as they stand, so they are evaluated
(no `from __future__ import annotations`).
"""

from pathlib import Path
from statistics import fmean

import bpy
from bpy.props import EnumProperty
from bpy.types import Context, Event, Operator, OperatorProperties

from ..backend.errors import DepthshotError
from ..backend.take import Take, read_take
from ..preferences import preferences
from ..properties import target_items
from ..scene.targets import chosen_place, find_target
from ..scene.targets.landed import Landed
from .generate import RUNNING
from .interface import know_last_take, name_landing, open_file
from .pending import settle
from .runner import runner
from .take_folder import AsksForTake, file_notes


class DEPTHSHOT_OT_place_take(AsksForTake, Operator):
    """Place a take that was made before."""

    bl_idname = "depthshot.place_take"
    bl_label = "Place Take"
    bl_description = "Let a finished take land in this scene, whenever and wherever it was made"
    bl_options = {"REGISTER", "UNDO"}

    target: EnumProperty(
        name="As",
        description="What the take becomes in this file",
        items=target_items(),
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Grey while a take is on its way: what the panel says is about that one."""
        if runner.running:
            cls.poll_message_set(RUNNING)
        return not runner.running

    @classmethod
    def description(cls, context: Context, properties: OperatorProperties) -> str:
        """Return what the button does, and why it is grey if it is."""
        if not properties.directory:
            return cls.bl_description
        target = find_target(properties.target)
        folder = Path(bpy.path.abspath(properties.directory))
        reason = target.why_not(context) if folder.is_dir() else "The take's folder is gone"
        return f"{target.HELP}.\nNot now: {reason}" if reason else target.HELP

    def invoke(self, context: Context, event: Event) -> set[str]:
        """Place the take that is named; without a name let the artist look for one."""
        if self.directory:
            return self.execute(context)
        return self.ask(context)

    def execute(self, context: Context) -> set[str]:
        """Place it and say where it is."""
        try:
            folder = Path(bpy.path.abspath(self.directory))
            take = read_take(folder)
            notes = file_notes(folder, take)
            landed = _land(context, self.target, folder, take)
            settle(preferences(context).data, open_file(), folder)
        except DepthshotError as reason:
            self.report({"ERROR"}, str(reason))
            return {"CANCELLED"}
        notes += landed.notes
        for sentence in notes:
            self.report({"WARNING"}, sentence)
        message = landed.in_words(take)
        self.report({"INFO"}, message)
        status = context.window_manager.depthshot
        status.message, status.failed = message, False
        status.warnings = "\n".join(notes)
        status.scene, status.take = landed.scene, str(folder)
        know_last_take(folder, take)
        status.landing = name_landing(landed.scene)
        status.generated = fmean(take.generated)
        return {"FINISHED"}


def _land(context: Context, identifier: str, folder: Path, take: Take) -> Landed:
    place = chosen_place(identifier, context)
    return find_target(identifier).land(context.scene, folder, take, place=place)


CLASSES = (DEPTHSHOT_OT_place_take,)
