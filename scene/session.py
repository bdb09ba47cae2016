"""The artist's own Blender: what is checked in it and how it is copied, changing nothing."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..backend.errors import CaptureError
from ..backend.wire import MAX_FRAMES, MAX_PIXELS, MAX_SIDE
from .camera import Picture, check_perspective, picture_size
from .child_free import name_of
from .drivers import broken_drivers
from .settings import CaptureSettings
from .worn_takes import check_worn


def find_scene(settings: CaptureSettings) -> bpy.types.Scene:
    """Return the scene that is captured.

    Raises:
        CaptureError: there is none of that name.
    """
    scene = bpy.data.scenes.get(settings.scene)
    if scene is None:
        raise CaptureError(f"There is no scene '{settings.scene}' any more; choose another one.")
    return scene


def check_scene(scene: bpy.types.Scene, settings: CaptureSettings) -> None:
    """Refuse what can be seen to be wrong without rendering.

    Raises:
        CaptureError: no camera or no perspective one, no view layer, no frames, frame step, time
            remapping, blocked drivers, a still outside the range, a take in the still that is gone,
            or a picture beyond the limits.
    """
    frames, render = settings.frames, scene.render
    if not frames:
        raise CaptureError(
            f"The range {settings.frame_start} to {settings.frame_end} has no frames; the end"
            " has to be at or after the start."
        )
    if len(frames) > MAX_FRAMES:
        raise CaptureError(
            f"The range has {len(frames)} frames, but a shot has at most {MAX_FRAMES}; split it."
        )
    if settings.still_frame not in frames:
        raise CaptureError(
            f"The still's frame {settings.still_frame} is outside the range"
            f" {settings.frame_start} to {settings.frame_end}; choose one inside."
        )
    if scene.frame_step != 1:
        raise CaptureError(
            f"Scene '{scene.name}' has a frame step of {scene.frame_step}; set Output properties"
            " > Frame Range > Step to 1."
        )
    if render.frame_map_old != render.frame_map_new:
        raise CaptureError(
            f"Scene '{scene.name}' uses time remapping ({render.frame_map_old} to"
            f" {render.frame_map_new}); set both to 100 in Output properties > Time Stretching."
        )
    _check_scripts()
    if settings.still_source == "IMAGE" and not (
        settings.still_image and settings.still_image.is_file()
    ):
        raise CaptureError(
            f"The image for the still '{settings.still_image}' is not there; choose another one."
        )
    markers = [marker.camera for marker in scene.timeline_markers if marker.camera]
    if scene.camera is None and not markers:
        raise CaptureError(
            f"Scene '{scene.name}' has no active camera; choose one in Scene properties > Camera."
        )
    camera = scene.camera
    known = camera is not None and camera.type == "CAMERA" and not markers
    # A type that is animated may be another one in the shot.
    if known and (camera.data.animation_data is None or scene.frame_current in frames):
        check_perspective(camera.name, camera.data.type, frame=scene.frame_current)
    if not any(layer.use for layer in scene.view_layers):
        raise CaptureError(
            f"Scene '{scene.name}' has no view layer that is rendered; turn on View Layer"
            " properties > Use for Rendering."
        )
    if settings.still_source == "RENDER":
        check_worn(scene, settings.still_frame)
    width, height = picture_size(render)
    side = settings.supersample if settings.still_source == "RENDER" else 1
    _check_size(width * side, height * side)


def free_objects(collection: bpy.types.Collection) -> tuple[tuple[str, str], ...]:
    """Return the objects of a collection as `CaptureSettings.free`, in a fixed order.

    Raises:
        CaptureError: there is no object in it.
    """
    if not collection.all_objects:
        raise CaptureError(
            f"The collection “{collection.name}” that is free to move has no objects; put some in"
            " it, or empty the field Free to Move."
        )
    return tuple(sorted(map(name_of, collection.all_objects)))


def read_picture(scene: bpy.types.Scene) -> Picture:
    """Return the raster of the scene's render settings."""
    width, height = picture_size(scene.render)
    return Picture(
        width=width,
        height=height,
        aspect_x=scene.render.pixel_aspect_x,
        aspect_y=scene.render.pixel_aspect_y,
        unit_scale=scene.unit_settings.scale_length,
    )


def scripts_allowed() -> bool:
    """Return whether scripts in the open file run in this session."""
    return not (bpy.app.autoexec_fail or bpy.app.autoexec_fail_quiet)


def lost_images() -> list[str]:
    """Return the names of images whose pixels exist in this session alone, so in no copy."""
    return sorted(image.name for image in bpy.data.images if image.is_dirty)


def save_copy(preferences: bpy.types.Preferences, path: Path) -> None:
    """Save the session as it is to `path`, which must not exist, and leave no trace in it.

    Raises:
        CaptureError: Blender could not write it.
    """
    changed = preferences.is_dirty
    preview = preferences.filepaths.file_preview_type
    autopack = bpy.data.use_autopack
    # A preview takes seconds in a window; autopack would pack the session's own images.
    preferences.filepaths.file_preview_type = "NONE"
    bpy.data.use_autopack = False
    try:
        bpy.ops.wm.save_as_mainfile(
            filepath=str(path), copy=True, relative_remap=True, compress=False
        )
    except RuntimeError as reason:
        raise CaptureError(
            f"The scene could not be copied to '{path.parent}' ({str(reason).strip()}); free some"
            " space there or choose another folder in the preferences."
        ) from reason
    finally:
        bpy.data.use_autopack = autopack
        preferences.filepaths.file_preview_type = preview
        preferences.is_dirty = changed


def _check_scripts() -> None:
    if scripts_allowed():
        return
    for driven, expression in broken_drivers().items():
        raise CaptureError(
            f"Blender blocks the scripted driver of {driven} ({expression}), so the scene is not"
            " as it should be; trust the file with File > Revert and 'Trusted Source', or remove"
            " the driver."
        )


def _check_size(width: int, height: int) -> None:
    if min(width, height) < 1:
        raise CaptureError(
            f"The picture would be {width} x {height} pixels; raise the resolution or its"
            " percentage."
        )
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise CaptureError(
            f"The still would be {width} x {height} pixels, but {MAX_SIDE} a side and"
            f" {MAX_PIXELS // 1_000_000} megapixels are the most; lower the resolution."
        )
