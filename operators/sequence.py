"""From a strip of the sequencer to its shot: a frame as the still, the shot's scene, the folder."""

from __future__ import annotations

import re

import bpy
from bpy.types import Context, Operator

from ..backend.errors import CaptureError, DepthshotError
from ..preferences import preferences
from ..scene.color import INVERSES, PLAIN
from ..scene.compat import sequencer_scene
from ..scene.movie import Movie
from ..scene.strips import Picture, active_strip, changes, check_picture, find_picture
from ..scene.targets.landed import stored_path
from .strip_shot import StripShot, find_shot, take_of

NO_SCENE = "The sequencer shows no scene; choose one in its header"
NO_STRIP = "No strip is active; click one"
NO_SHOT = "It is not clear which scene is the shot; choose it under Shot"
NO_TAKE = "The active strip shows no take"
UNKNOWN_FRAME = (
    "Blender cannot know which frame of the shot's camera this picture shows; choose it under At"
)


class DEPTHSHOT_OT_still_from_strip(Operator):
    """Make the active strip's frame at the playhead the still of its shot."""

    bl_idname = "depthshot.still_from_strip"
    bl_label = "Use Frame as Still"
    bl_description = (
        "Make the picture that the active strip shows at the playhead the still of the shot. An"
        " image strip's file is used as it is, a movie's frame is written into the folder for takes"
    )
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Grey where there is no such frame or no shot; the tooltip says which."""
        reason = why_no_still(context)
        if reason is not None:
            cls.poll_message_set(reason)
        return reason is None

    def execute(self, context: Context) -> set[str]:
        """Write the frame if need be, and the shot's settings."""
        host = sequencer_scene(context)
        strip = active_strip(host)
        shot = find_shot(host, strip)
        try:
            picture = find_picture(strip, host.frame_current)
            if picture.index is not None:
                picture = _write(picture, context, deinterlace=strip.use_deinterlace)
        except DepthshotError as reason:
            self.report({"ERROR"}, str(reason))
            return {"CANCELLED"}
        settings = shot.scene.depthshot
        settings.still_source = "IMAGE"
        settings.still_image = stored_path(picture.file)
        if shot.frame is None:
            settings.still_choice = "FIRST"
        else:
            settings.still_choice = "CHOSEN"
            settings.still_frame = shot.frame
        for sentence in _notes(strip, shot):
            self.report({"WARNING"}, sentence)
        if shot.frame is None:
            self.report({"WARNING"}, f"{UNKNOWN_FRAME}.")
        at = "its first frame" if shot.frame is None else f"frame {shot.frame}"
        self.report({"INFO"}, f"“{picture.file.name}” is the still of “{shot.scene.name}” at {at}.")
        return {"FINISHED"}


class DEPTHSHOT_OT_go_to_shot(Operator):
    """Show the scene of the active strip's shot."""

    bl_idname = "depthshot.go_to_shot"
    bl_label = "Go to Shot"
    bl_description = (
        "Show the shot's scene in this window, through its camera and at the frame that the strip"
        " shows at the playhead"
    )
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Grey where there is no shot; the tooltip says why."""
        host = sequencer_scene(context)
        reason = NO_SCENE if host is None else None
        if reason is None and find_shot(host, active_strip(host)) is None:
            reason = NO_SHOT
        if reason is not None:
            cls.poll_message_set(reason)
        return reason is None

    def execute(self, context: Context) -> set[str]:
        """Change the window's scene, the frame, and the 3D viewports on the screen."""
        host = sequencer_scene(context)
        shot = find_shot(host, active_strip(host))
        context.window.scene = shot.scene
        if shot.frame is not None:
            shot.scene.frame_set(shot.frame)
        views = [area for area in context.window.screen.areas if area.type == "VIEW_3D"]
        if shot.scene.camera is not None:
            for area in views:
                area.spaces.active.region_3d.view_perspective = "CAMERA"
        frame = shot.scene.frame_current
        where = "" if views else "; a workspace with a 3D viewport shows it"
        self.report(
            {"INFO"}, f"This window's scene is “{shot.scene.name}” at frame {frame}{where}."
        )
        return {"FINISHED"}


class DEPTHSHOT_OT_open_strip_folder(Operator):
    """Open the folder of the take that the active strip shows."""

    bl_idname = "depthshot.open_strip_folder"
    bl_label = "Open Folder"
    bl_description = "Open the folder of the strip's take in the system's file browser"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Grey where the strip shows no take, or its folder is gone."""
        there = take_of(active_strip(sequencer_scene(context))) is not None
        if not there:
            cls.poll_message_set(NO_TAKE)
        return there

    def execute(self, context: Context) -> set[str]:
        """Open it."""
        found = take_of(active_strip(sequencer_scene(context)))
        return bpy.ops.wm.path_open(filepath=str(found.folder))


def why_no_still(context: Context) -> str | None:
    """Return why the active strip's frame cannot become a still, None if it can."""
    host = sequencer_scene(context)
    if host is None:
        return NO_SCENE
    strip = active_strip(host)
    if strip is None:
        return NO_STRIP
    try:
        check_picture(strip, host.frame_current)
    except CaptureError as reason:
        return str(reason)
    shot = find_shot(host, strip)
    if shot is None:
        return NO_SHOT
    if shot.scene.library is not None:
        return f"The shot's scene “{shot.scene.name}” is linked; open its own file"
    return None


def _write(picture: Picture, context: Context, *, deinterlace: bool) -> Picture:
    """Write a movie's frame into the folder for takes; return that file."""
    name = re.sub(r"[^\w-]+", "_", picture.file.stem)[:80]
    with Movie(picture.file, deinterlace=deinterlace) as movie:
        file = movie.save(
            picture.index, preferences(context).takes, name=f"{name}-{picture.index + 1:04d}"
        )
    return Picture(file, None)


def _notes(strip: bpy.types.Strip, shot: StripShot) -> list[str]:
    notes = []
    if changed := changes(strip):
        notes.append(
            f"The still is the file's own picture, without what the strip adds: "
            f"{', '.join(changed)}."
        )
    space = strip.colorspace_settings.name
    if space not in {PLAIN, *INVERSES.values()}:
        notes.append(
            f"The strip reads its file as “{space}”; the still's values are taken as {PLAIN}."
        )
    if shot.frame is not None and shot.frame not in shot.scene.depthshot.frames:
        frames = shot.scene.depthshot.frames
        notes.append(
            f"Frame {shot.frame} is outside the shot's frames {frames.start} to {frames.stop - 1};"
            " choose others under Frames before you generate."
        )
    return notes


CLASSES = (
    DEPTHSHOT_OT_still_from_strip,
    DEPTHSHOT_OT_go_to_shot,
    DEPTHSHOT_OT_open_strip_folder,
)
