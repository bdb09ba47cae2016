"""The part of the preferences' page that looks after the backend."""

from __future__ import annotations

import bpy
from bpy.types import Context, UILayout

from ..backend.setup import place, torch_build
from ..backend.setup.place import Kind
from ..operators.backend_care import care
from ..operators.backend_state import needs, state
from ..preferences import DepthshotPreferences, preferences
from .chore import draw_chore
from .text import paragraph

_ICONS = {
    Kind.MISSING: "INFO",
    Kind.INSTALLING: "TIME",
    Kind.BLOCKED: "ERROR",
    Kind.BROKEN: "ERROR",
    Kind.OLD: "ERROR",
    Kind.READY: "CHECKMARK",
}
_CHECKS = {True: "CHECKMARK", False: "ERROR", None: "BLANK1"}


def draw(page: DepthshotPreferences, context: Context) -> None:
    """Draw the state of the backend in words and what can be done about it."""
    stored = preferences(context)
    care.look(stored.data)
    box = page.layout.box()
    box.label(text="Backend on this computer")
    found = state(context)
    if not stored.own_environment:
        paragraph(box, context, f"Backend Python is used: {stored.backend_python}", icon="INFO")
    else:
        paragraph(box, context, found.words, icon=_ICONS[found.kind])
    if care.chore is not None:
        draw_chore(box, context, care.chore)
        if care.chore.progress is not None:
            box.operator("depthshot.backend_cancel", icon="X")
        return
    if care.message:
        paragraph(box, context, care.message, icon="ERROR" if care.failed else "INFO")
    for sentence in care.notes:
        paragraph(box, context, sentence, icon="DOT")
    _draw_installation(box, context, page, found.kind)
    startable = not stored.own_environment or found.kind in (Kind.READY, Kind.OLD)
    _draw_server(box, page, startable=startable)
    for name, good, what in care.checks or ():
        paragraph(box, context, f"{name}: {what}", icon=_CHECKS[good])


def _draw_installation(
    layout: UILayout, context: Context, page: DepthshotPreferences, kind: Kind
) -> None:
    if kind is not Kind.READY and not bpy.app.online_access:
        _draw_offline(layout, context)
    row = layout.row()
    row.operator("depthshot.backend_install", icon="IMPORT")
    row.operator("depthshot.backend_repair", icon="FILE_REFRESH")
    row.operator("depthshot.backend_remove", icon="TRASH")
    layout.prop(page, "device")
    lines = layout.column(align=True)
    if page.device == place.AUTO:
        lines.label(text=f"Found: {torch_build.LABELS[torch_build.detect()]}", icon="BLANK1")
    if kind is not Kind.READY:
        for line in needs(context)[1:]:
            paragraph(lines, context, line, icon="BLANK1")


def _draw_offline(layout: UILayout, context: Context) -> None:
    paragraph(
        layout,
        context,
        "Installing downloads packages. That needs the network, as nothing else here does but the"
        " weights of large models; Blender does not allow it now:",
        icon="INTERNET_OFFLINE",
    )
    if bpy.app.online_access_override:
        paragraph(layout, context, "it was started with --offline-mode.", icon="BLANK1")
    else:
        layout.prop(context.preferences.system, "use_online_access")


def _draw_server(layout: UILayout, page: DepthshotPreferences, *, startable: bool) -> None:
    seen = care.seen
    if seen is None:
        words = care.trouble or "…"
    elif seen.server is None:
        words = "Stopped; Generate starts it" if startable else "Stopped"
    else:
        words = seen.server.in_words()
    layout.label(text=words, icon="PLAY" if seen is not None and seen.server else "PAUSE")
    row = layout.row()
    row.operator("depthshot.backend_start", icon="PLAY")
    row.operator("depthshot.backend_stop", icon="PAUSE")
    row.operator("depthshot.backend_doctor", icon="VIEWZOOM")
    row.operator("depthshot.backend_log", icon="TEXT")
    layout.prop(page, "starts_itself")
