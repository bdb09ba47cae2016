"""The tab "Depthshot" in the sidebar of the Video Sequencer, and its menu of takes."""

from __future__ import annotations

import bpy
from bpy.types import Context, Menu, Panel, UILayout

from ..backend.errors import SettingError, TakeError
from ..backend.models import find_card
from ..backend.take import Take
from ..operators.find import gone
from ..operators.request import still_frame
from ..operators.runner import runner
from ..operators.sequence import (
    NO_SCENE,
    NO_SHOT,
    NO_TAKE,
    UNKNOWN_FRAME,
    why_no_still,
)
from ..operators.strip_shot import find_shot, take_of
from ..preferences import preferences
from ..scene.compat import sequencer_scene
from ..scene.lost_takes import fitting_takes, lost_take
from ..scene.strip_takes import other_takes, shown_take
from ..scene.strips import active_strip
from ..scene.targets.edit_scene import edited_shot
from .look import draw_look
from .tab import Tab
from .text import paragraph

# A longer menu leaves the screen.
MOST_TAKES = 30


class _Tab(Tab):
    bl_space_type = "SEQUENCE_EDITOR"


class DEPTHSHOT_PT_strip_shot(_Tab, Panel):
    """The shot of the active strip: its still from the strip, and generating it."""

    bl_label = "Shot from Strip"

    def draw(self, context: Context) -> None:
        """Draw the panel."""
        column = self.column()
        host = sequencer_scene(context)
        if host is None:
            paragraph(column, context, f"{NO_SCENE}.", icon="INFO")
            return
        # An edit scene that Depthshot made knows its shot.
        if edited_shot(host) is None:
            column.prop(host.depthshot, "strips_shot")
        shot = find_shot(host, active_strip(host))
        if shot is None:
            paragraph(column, context, f"{NO_SHOT}.", icon="INFO")
        else:
            column.label(text=f"Shot: {shot.scene.name}", icon="SCENE_DATA")
        column.operator("depthshot.still_from_strip", icon="IMAGE_DATA")
        reason = why_no_still(context)
        if shot is not None and reason is not None:
            paragraph(column, context, _sentence(reason), icon="INFO")
        column.operator("depthshot.go_to_shot", icon="CAMERA_DATA")
        if shot is None:
            return
        settings = shot.scene.depthshot
        if settings.still_source == "IMAGE" and settings.still_image:
            row = column.row()
            row.enabled = False
            row.prop(settings, "still_image", text="Still")
            column.prop(settings, "still_choice")
            if settings.still_choice == "CHOSEN":
                column.prop(settings, "still_frame")
            if shot.frame is None:
                paragraph(
                    column,
                    context,
                    f"{UNKNOWN_FRAME}. Now it is frame {still_frame(shot.scene)}.",
                    icon="ERROR",
                )
        if runner.running:
            status = context.window_manager.depthshot
            column.progress(factor=status.progress, text=status.phase)
            column.operator("depthshot.cancel", icon="X")
            draw_look(column)
            return
        row = column.row()
        row.scale_y = 1.5
        # The sequencer's scene is an edit's: what is generated is the shot's.
        row.context_pointer_set("scene", shot.scene)
        row.operator("depthshot.generate", icon="RENDER_ANIMATION")


class DEPTHSHOT_PT_strip_take(_Tab, Panel):
    """What the active strip's take is, and the others of its shot."""

    bl_label = "Take of Strip"

    def draw(self, context: Context) -> None:
        """Draw the panel."""
        column = self.column()
        strip = active_strip(sequencer_scene(context))
        try:
            found = shown_take(strip)
        except TakeError as reason:
            paragraph(column, context, str(reason), icon="ERROR")
            return
        lost = lost_take(strip)
        if lost is not None:
            paragraph(column, context, gone(lost), icon="ERROR")
            column.operator("depthshot.find_take", icon="VIEWZOOM").lost = str(lost)
            _draw_replace(column, context, strip)
            return
        if found is None:
            column.label(text=NO_TAKE, icon="INFO")
            return
        column.label(text=found.folder.name, icon="SEQUENCE")
        for line in describe(found.take):
            paragraph(column, context, line)
        _draw_replace(column, context, strip)
        column.operator("depthshot.open_strip_folder", icon="FILE_FOLDER")


class DEPTHSHOT_MT_takes(Menu):
    """The other takes of the active strip's shot."""

    bl_idname = "DEPTHSHOT_MT_takes"
    bl_label = "Replace Take"
    bl_description = "Show another take of the same shot in this strip"

    def draw(self, context: Context) -> None:
        """Draw the menu, the newest take first."""
        layout = self.layout
        strip = active_strip(sequencer_scene(context))
        found = take_of(strip)
        folders = (preferences(context).takes,)
        if found is not None:
            takes = other_takes(strip, found, folders)
        else:
            takes = [] if lost_take(strip) is None else fitting_takes(strip, folders)
        for other in takes[:MOST_TAKES]:
            text = f"{other.folder.name}: {', '.join(describe(other.take)[:2])}"
            button = layout.operator("depthshot.replace_take", text=text)
            button.folder = str(other.folder)
        if not takes:
            layout.label(text="There is no other take that fits this strip")
        if len(takes) > MOST_TAKES:
            layout.label(text=f"{len(takes) - MOST_TAKES} older ones are not listed")


def _draw_replace(column: UILayout, context: Context, strip: bpy.types.Strip) -> None:
    row = column.row()
    row.enabled = not strip.lock and strip.id_data.library is None
    row.menu("DEPTHSHOT_MT_takes", icon="FILE_REFRESH")
    if strip.lock:
        paragraph(column, context, f"“{strip.name}” is locked; unlock it.", icon="INFO")


def describe(take: Take) -> list[str]:
    """Return what made a take, from what, and how much of it is generated: a line each.

    Of the advanced settings those are named that were changed.
    """
    try:
        card = find_card(take.model)
    except SettingError:  # of a version that had another model
        label, named, takes_seed = take.model, {}, True
    else:
        named = {setting.name: setting for setting in card.settings}
        label, takes_seed = card.label, card.takes_seed
    made = f"{label}, seed {take.seed}" if takes_seed else label
    settings = ", ".join(
        f"{named[name].label if name in named else name} {_in_words(value)}"
        for name, value in take.settings.items()
        if name not in named or not named[name].advanced or value != named[name].default
    )
    share = sum(take.generated) / len(take.generated)
    last = take.frame_start + take.frames - 1
    lines = [made, settings, f"{share:.0%} generated, frames {take.frame_start} to {last}"]
    stills = take.details.get("stills")
    if isinstance(stills, list) and stills:
        lines[-1] += f", from the still at frame {', '.join(map(str, stills))}"
    return [line for line in lines if line]


def _in_words(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _sentence(reason: str) -> str:
    return reason if reason.endswith(".") else f"{reason}."


CLASSES = (DEPTHSHOT_PT_strip_shot, DEPTHSHOT_PT_strip_take, DEPTHSHOT_MT_takes)
