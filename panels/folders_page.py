"""The part of the preferences' page with paths."""

from __future__ import annotations

from bpy.types import Context

from ..preferences import DepthshotPreferences, preferences
from .text import paragraph


def draw(page: DepthshotPreferences, context: Context) -> None:
    """Draw each path, and below each empty field what is used instead."""
    current = preferences(context)
    column = page.layout.column()
    for name, value in (
        ("takes_folder", current.takes),
        ("backend_python", current.backend_python),
        ("data_folder", current.data),
    ):
        column.prop(page, name)
        if name in current.refused:
            paragraph(column, context, current.refused[name], icon="ERROR")
        if not getattr(page, name):
            column.label(text=str(value), icon="BLANK1")
