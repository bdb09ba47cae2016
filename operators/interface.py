"""What the artist has open and is doing right now, and undo."""

from __future__ import annotations

import json
import uuid
from contextlib import nullcontext
from pathlib import Path

import bpy

from ..backend.take import Take
from ..properties import DepthshotStatus
from ..scene.remembered import traits
from .pending import OpenFile


def open_file() -> OpenFile:
    """Return which file is open."""
    scenes = tuple(scene.session_uid for scene in bpy.data.scenes)
    return OpenFile(blend=bpy.data.filepath, scenes=scenes)


def modal_operators() -> frozenset[str]:
    """Return the names of the tools that hold the mouse in some window, a dragged move say."""
    return frozenset(
        operator.name
        for window in bpy.context.window_manager.windows
        for operator in window.modal_operators
    )


def occupied(ignored: frozenset[str]) -> str | None:
    """Return what Blender is in the middle of, so that its data had better wait; None if nothing.

    Args:
        ignored: Tools that don't count: those that ran before are there to stay, like one that
            shows the keys pressed.
    """
    if bpy.app.is_job_running("RENDER"):
        return "the render"
    tools = modal_operators() - ignored
    return f"the tool “{min(tools)}”" if tools else None


def redraw_sidebars(*kinds: str, whole: bool = False) -> None:
    """Draw the sidebars of these kinds of editors anew.

    Args:
        kinds: Types of areas.
        whole: Draw all of the editors: what is beside their sidebars has changed as well.
    """
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            for region in area.regions if area.type in kinds else ():
                if whole or region.type == "UI":
                    region.tag_redraw()


def push_undo(message: str) -> None:
    """Make one undo step of what was changed since the last one."""
    windows = bpy.context.window_manager.windows
    # A timer runs without a window, and the operator looks for one.
    with bpy.context.temp_override(window=windows[0]) if windows else nullcontext():
        bpy.ops.ed.undo_push(message=message)


def name_landing(scene: str) -> str:
    """Give the landing of a take in a scene a name that undo takes back; return it.

    "" where the scene cannot be changed.
    """
    landed_in = bpy.data.scenes[scene]
    if landed_in.library is not None:
        return ""
    landed_in.depthshot.last_landing = uuid.uuid4().hex
    return landed_in.depthshot.last_landing


def know_last_take(folder: Path, take: Take) -> None:
    """Note which take the last one is or is about to be, to know it again when it is lost."""
    status = bpy.context.window_manager.depthshot
    # The take before it stays known: it stays the last one where this one is cancelled.
    status.known = json.dumps({status.take: known_last_take(status), str(folder): traits(take)})


def known_last_take(status: DepthshotStatus) -> dict[str, str]:
    """Return the traits of the last take (`remembered.traits`), none where they were not noted."""
    return json.loads(status.known or "{}").get(status.take, {})


def landing_undone(status: DepthshotStatus) -> bool:
    """Return whether the last take's landing was undone (or the scene it landed in removed)."""
    if not status.landing:
        return False
    scene = bpy.data.scenes.get(status.scene)
    return scene is None or scene.depthshot.last_landing != status.landing
