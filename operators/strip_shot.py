"""Which shot a strip of the sequencer belongs to."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
from bpy.types import Scene

from ..backend.errors import CaptureError, TakeError
from ..scene.strip_takes import FoundTake, shown_frame, shown_take
from ..scene.strips import check_picture
from ..scene.targets.edit_scene import edited_shot


@dataclass(frozen=True, slots=True)
class StripShot:
    """The shot of a strip.

    Attributes:
        scene: Its scene.
        frame: The frame of the shot that is at the playhead, None where the sequencer's frames
            are not the shot's.
    """

    scene: Scene
    frame: int | None


def find_shot(host: Scene, strip: bpy.types.Strip | None) -> StripShot | None:
    """Return the shot of a strip, None where it is not clear.

    What the artist chose comes first, then the scene of the take that the strip shows, the scene
    that `host` is an edit of, `host` itself, and the only scene that has a camera.

    Args:
        host: The scene that has the strip.
        strip: The strip, None for the shot of strips of `host` in general.
    """
    playhead = host.frame_current
    found = take_of(strip)
    own = None if found is None else bpy.data.scenes.get(found.take.name)
    chosen = host.depthshot.strips_shot
    edited = edited_shot(host)
    if own is not None and chosen in (None, own):
        return StripShot(own, _take_frame(strip, playhead))
    for scene in (chosen, edited, host if host.camera else None):
        if scene is not None:
            return StripShot(scene, playhead if scene in (edited, host) else None)
    others = [scene for scene in bpy.data.scenes if scene.camera and edited_shot(scene) is None]
    return StripShot(others[0], None) if len(others) == 1 else None


def take_of(strip: bpy.types.Strip | None) -> FoundTake | None:
    """Return the take that a strip shows; None too where its record is damaged."""
    try:
        return shown_take(strip)
    except TakeError:
        return None


def _take_frame(strip: bpy.types.Strip, playhead: int) -> int | None:
    """Return the take's frame at the playhead, however far its strip was moved."""
    try:
        check_picture(strip, playhead)
    except CaptureError:
        return None
    return shown_frame(strip, playhead)
