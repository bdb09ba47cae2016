"""The part of the tab "Depthshot" that exports the last take."""

from __future__ import annotations

from bpy.types import Context, Panel

from ..operators.exporter import exporter
from .tab import Tab
from .text import paragraph


class DEPTHSHOT_PT_export(Tab, Panel):
    """The last take for other programs, and how far an export is."""

    bl_label = "Export"
    bl_parent_id = "DEPTHSHOT_PT_take"
    bl_space_type = "VIEW_3D"

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Shown once there is a take, and while there is something to say."""
        return bool(context.window_manager.depthshot.take or exporter.running or exporter.message)

    def draw(self, context: Context) -> None:
        """Draw the panel."""
        column = self.column()
        if exporter.running:
            column.progress(factor=exporter.share, text=exporter.phase)
            column.operator("depthshot.cancel_export", icon="X")
        else:
            buttons = column.column(align=True)
            buttons.operator("depthshot.export_movie", text="Movie…", icon="FILE_MOVIE")
            buttons.operator("depthshot.export_dataset", text="Dataset…", icon="POINTCLOUD_DATA")
        if exporter.message:
            icon = "ERROR" if exporter.failed else "INFO"
            paragraph(column, context, exporter.message, icon=icon)
        for sentence in exporter.warnings:
            paragraph(column, context, sentence, icon="DOT")


CLASSES = (DEPTHSHOT_PT_export,)
