"""The look at what a large model is making, below the bar of a take on its way."""

from __future__ import annotations

from bpy.types import UILayout

from ..operators.look import shown

_ROWS = 8.0  # height of the picture


def draw_look(layout: UILayout) -> None:
    """Draw the look, where there is one; below all the rest, so that it moves no button."""
    icon = shown.icon
    if icon is not None:
        layout.template_icon(icon_value=icon, scale=_ROWS)
