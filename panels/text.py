"""Sentences in a panel: Blender's labels do not wrap."""

from __future__ import annotations

import textwrap

from bpy.types import Context, UILayout

# Of a letter of Blender's font at a scale of 1, a little generous.
_LETTER_PIXELS = 6.5
_MARGIN_PIXELS = 70
_LEAST_LETTERS = 20


def paragraph(
    layout: UILayout, context: Context, text: str, *, icon: str = "NONE", most: int | None = None
) -> None:
    """Draw a sentence over as many lines as the region's width asks for, the icon on the first.

    Of more lines than `most` the last one says how many words are left.
    """
    column = layout.column(align=True)
    # A command that is broken at its hyphens cannot be read.
    lines = textwrap.wrap(text, letters(context), break_on_hyphens=False)
    if most is not None and len(lines) > most:
        left = sum(len(line.split()) for line in lines[most - 1 :])
        lines[most - 1 :] = [f"… and {left} more words"]
    for number, line in enumerate(lines):
        column.label(text=line, icon=icon if number == 0 or icon == "NONE" else "BLANK1")


def letters(context: Context) -> int:
    """Return how many letters fit into a line of the region, about."""
    width = context.region.width / context.preferences.system.ui_scale
    return max(_LEAST_LETTERS, int((width - _MARGIN_PIXELS) / _LETTER_PIXELS))
