"""The part of the preferences' page with a backend on another machine."""

from __future__ import annotations

from bpy.types import Context

from ..backend.errors import AddressRefused
from ..operators.backend_care import care
from ..operators.backend_place import check_elsewhere
from ..preferences import DepthshotPreferences, preferences
from .text import paragraph


def draw(page: DepthshotPreferences, context: Context) -> None:
    """Draw the switch, and below it what has to be known of the other machine."""
    box = page.layout.box()
    box.prop(page, "use_elsewhere")
    if not page.use_elsewhere:
        return
    column = box.column()
    for name in ("elsewhere_address", "elsewhere_token", "elsewhere_fingerprint"):
        column.prop(page, name)
    try:
        check_elsewhere(preferences(context))
    except AddressRefused as reason:
        paragraph(box, context, str(reason), icon="ERROR")
        return
    box.operator("depthshot.backend_ask", icon="QUESTION")
    if care.chore is not None:
        box.label(text=f"{care.chore.label}…", icon="TIME")
    elif care.message:
        paragraph(box, context, care.message, icon="ERROR" if care.failed else "CHECKMARK")
