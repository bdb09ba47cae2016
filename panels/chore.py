"""What is being done about the backend, and how far it is."""

from __future__ import annotations

from bpy.types import Context, UILayout

from ..operators.backend_care import Chore
from .text import paragraph


def draw_chore(layout: UILayout, context: Context, chore: Chore) -> None:
    """Draw what is being done in words, above it a bar where it is known how much is done.

    The bar is a property, not `UILayout.progress`: while the mouse rests on one, Blender up to 4.5
    takes any label that comes in its place for it, and draws that as a full bar.
    """
    progress = chore.progress
    if progress is None or not progress.text:
        layout.label(text=f"{chore.words}…", icon="TIME")
        return
    bar = layout.row()
    bar.enabled = False
    bar.prop(context.window_manager.depthshot, "chore", text=chore.label, slider=True)
    paragraph(layout, context, progress.text)
