"""The look at what a large model is making, below the bar of a take on its way."""

from __future__ import annotations

from bpy.types import UILayout

from ..operators.look import shown

_ROWS = 8.0  # height of the picture
_NOTHING = 0  # an icon that Blender leaves room for and does not draw


def draw_look(layout: UILayout) -> None:
    """Draw the look, or keep its room from where one is expected: nothing moves when it comes."""
    if shown.icon is not None:
        layout.template_icon(icon_value=shown.icon, scale=_ROWS)
    elif shown.expected:
        layout.template_icon(icon_value=_NOTHING, scale=_ROWS)
