"""The tab "Depthshot" in the sidebar of the 3D viewport."""

from __future__ import annotations

from pathlib import Path

from bpy.types import Context, Panel

from ..backend.models import cards
from ..operators.find import GONE
from ..operators.interface import landing_undone
from ..operators.request import why_not
from ..operators.runner import runner
from ..operators.show import UNDONE
from ..scene.lost_takes import lost_in_file
from ..scene.targets import TARGETS, strip
from .look import draw_look
from .model_card import draw_card
from .tab import Tab, shot_scene
from .text import paragraph


class _Tab(Tab):
    bl_space_type = "VIEW_3D"


class DEPTHSHOT_PT_shot(_Tab, Panel):
    """What is captured: the still and the frames."""

    bl_label = "Shot"

    def draw(self, context: Context) -> None:
        """Draw the panel."""
        shot = shot_scene(context)
        settings = shot.depthshot
        column = self.column()
        column.active = not runner.running
        if shot != context.scene:
            paragraph(
                column,
                context,
                f"“{context.scene.name}” is the edit of “{shot.name}”, whose shot this is.",
                icon="SCENE_DATA",
            )
        column.prop(settings, "still_source")
        if settings.still_source == "IMAGE":
            column.prop(settings, "still_image")
        else:
            column.prop(settings, "supersample")
        column.prop(settings, "still_choice")
        if settings.still_choice == "CHOSEN":
            column.prop(settings, "still_frame")
        column.separator()
        column.prop(settings, "range_source")
        if settings.range_source == "OWN":
            pair = column.column(align=True)
            pair.prop(settings, "frame_start")
            pair.prop(settings, "frame_end")
        frames = settings.frames
        row = column.split(factor=0.4)
        row.label()
        row.label(text=f"{len(frames)} frames, {frames.start} to {frames.stop - 1}")


class DEPTHSHOT_PT_model(_Tab, Panel):
    """What makes the frames: the model, and what it can be told."""

    bl_label = "Model"

    def draw(self, context: Context) -> None:
        """Draw the panel."""
        settings = shot_scene(context).depthshot
        column = self.column()
        column.active = not runner.running
        column.prop(settings, "model")
        for card in cards():
            if card.id == settings.model:
                draw_card(column, context, card)


class DEPTHSHOT_PT_take(_Tab, Panel):
    """What comes of it: generating, how far it is, and the last take."""

    bl_label = "Take"

    def draw(self, context: Context) -> None:
        """Draw the panel."""
        shot = shot_scene(context)
        settings = shot.depthshot
        status = context.window_manager.depthshot
        column = self.column()
        if not runner.running:
            # While a take is made nothing of it can be changed: the room is the look's.
            column.prop(settings, "target")
            if settings.target == strip.ID:
                column.prop(settings, "landing")
            column.prop(settings, "format")
            column.separator()
            row = column.row()
            row.scale_y = 1.5
            if shot != context.scene:
                row.context_pointer_set("scene", shot)
            row.operator("depthshot.generate", icon="RENDER_ANIMATION")
            for folder in lost_in_file():
                find = column.operator(
                    "depthshot.find_take", text=f"Find Take “{folder.name}”…", icon="VIEWZOOM"
                )
                find.lost = str(folder)
            column.operator("depthshot.fetch", icon="IMPORT")
            column.operator("depthshot.place_take", text="Place a Take…", icon="FILE_FOLDER")
        elsewhere = runner.running or shot != context.scene
        refused = None if elsewhere else why_not(context)
        if landing_undone(status):
            paragraph(column, context, f"{UNDONE}.", icon="INFO")
            if status.landing != status.earlier_landing:
                return  # the message says where it landed
        if status.failed and refused not in (None, status.message):
            return  # the last run's error is no reason why there can be no other now
        if status.message:
            icon = "ERROR" if status.failed else "INFO"
            paragraph(column, context, status.message, icon=icon)
        for sentence in status.warnings.splitlines():
            paragraph(column, context, sentence, icon="DOT")


class DEPTHSHOT_PT_progress(_Tab, Panel):
    """How far a take is.

    A panel of its own, because the mouse rests where Generate was: Blender keeps what is under the
    mouse, and would draw the label that comes in the bar's place as a full bar.
    """

    bl_label = "Progress"
    bl_parent_id = "DEPTHSHOT_PT_take"
    bl_options = {"HIDE_HEADER"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Shown while a take is on its way."""
        return runner.running

    def draw(self, context: Context) -> None:
        """Draw the panel."""
        status = context.window_manager.depthshot
        column = self.column()
        column.progress(factor=status.progress, text=status.phase)
        row = column.row()
        row.label(text=f"{status.time_left} left" if status.time_left else "")
        row.operator("depthshot.cancel", icon="X")
        draw_look(column)
        if status.held_up:
            column.label(text=f"Copying the file held Blender up for {status.held_up:.2f} s")


class DEPTHSHOT_PT_last_take(_Tab, Panel):
    """The last take of this session."""

    bl_label = "Last Take"
    bl_parent_id = "DEPTHSHOT_PT_take"

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Shown once there is a take."""
        return bool(context.window_manager.depthshot.take)

    def draw(self, context: Context) -> None:
        """Draw the panel."""
        shot = shot_scene(context)
        status = context.window_manager.depthshot
        column = self.column()
        there = Path(status.take).is_dir()
        if there:
            column.label(text=f"{status.generated:.0%} of the pixels are generated")
        else:
            paragraph(column, context, GONE.format(status.take), icon="ERROR")
            find = column.operator("depthshot.find_take", icon="VIEWZOOM")
            find.lost = status.take
        column.label(text="Place it as")
        places = column.column(align=True)
        for target in TARGETS:
            row = places.row(align=True)
            if shot != context.scene:
                row.context_pointer_set("scene", shot)
            possible = shot != context.scene or target.why_not(context) is None
            row.enabled = possible and there and not runner.running
            button = row.operator("depthshot.place_take", text=target.LABEL)
            button.target = target.ID
            button.directory = status.take
        buttons = column.column(align=True)
        buttons.operator("depthshot.show_take", icon="SEQUENCE")
        buttons.operator("depthshot.open_folder", icon="FILE_FOLDER")


CLASSES = (
    DEPTHSHOT_PT_shot,
    DEPTHSHOT_PT_model,
    DEPTHSHOT_PT_take,
    DEPTHSHOT_PT_progress,
    DEPTHSHOT_PT_last_take,
)
