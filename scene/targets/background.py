"""A take as the background image of the shot's camera, in the viewport.

Blender draws background images past the view transform as long as "View as Render" is off, so they
are read as plain sRGB and look as they were made under any view. Of a take with scene-linear frames
it is therefore the PNG frames that are shown.
"""

from __future__ import annotations

from pathlib import Path

from bpy.types import Context, Scene

from ...backend.errors import TargetError
from ...backend.take import Take
from ..color import PLAIN, display_note
from .image import load_sequence, show_frames
from .landed import Landed, timing_notes
from .shot_camera import camera_problem, shape_notes, shot_cameras

ID = "BACKGROUND"
LABEL = "Camera Background"
HELP = (
    "A background image of the shot's camera, behind all else in the viewport; renders do not show"
    " it"
)


def why_not(context: Context) -> str | None:
    """Return why the scene's camera can have no background now, None if it can."""
    return camera_problem(context.scene)


def land(scene: Scene, folder: Path, take: Take, *, place: str = "") -> Landed:
    """Give each camera of the take in `folder` one more background image.

    Raises:
        TakeError: a frame of the take is missing; nothing was changed.
        TargetError: the scene has no camera that can be changed, or Blender cannot count the take's
            frames; nothing was changed.
    """
    cameras = shot_cameras(scene, take)
    for camera in cameras:
        if camera.data.library is not None:
            raise TargetError(
                f"“{camera.name}” is linked from another file; make its camera data local first."
            )
    image = load_sequence(
        folder, take, kind="frames", color_space=PLAIN, name=f"{folder.name} frames"
    )
    hidden = [camera.name for camera in cameras if not camera.data.show_background_images]
    # Two cameras can share what they are.
    for lens in dict.fromkeys(camera.data for camera in cameras):
        background = lens.background_images.new()
        background.source = "IMAGE"
        background.image = image
        show_frames(background.image_user, take)
        background.display_depth = "BACK"
        background.alpha = 1.0
        background.frame_method = "FIT"
        background.show_expanded = False
        lens.show_background_images = True
    return Landed(
        scene=scene.name,
        where=f"background of {' and '.join(f'“{camera.name}”' for camera in cameras)}",
        notes=(
            *((note,) if (note := display_note(scene)) else ()),
            *timing_notes(scene, take),
            *shape_notes(scene, take),
            *_others_notes(cameras, hidden),
        ),
    )


def _others_notes(cameras: list, hidden: list[str]) -> tuple[str, ...]:
    """Return what to know where showing the take shows backgrounds that were hidden."""
    names = [
        f"“{each.name}”"
        for each in cameras
        if each.name in hidden and len(each.data.background_images) > 1
    ]
    if not names:
        return ()
    return (f"The other background images of {' and '.join(names)} are shown again as well.",)
