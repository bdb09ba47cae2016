"""Strips of pictures of random code values, and movies of them that Blender writes itself."""

import bpy
from bl_ext.devrepo.depthshot.scene import compat

from tests.blender import takes

SIZE = (32, 18)


def plain(scene):
    """Makes a scene show pictures as they are, at their size."""
    scene.view_settings.view_transform = "Standard"
    scene.render.resolution_x, scene.render.resolution_y = SIZE
    scene.render.resolution_percentage = 100
    return scene


def strips(scene):
    editor = scene.sequence_editor or scene.sequence_editor_create()
    return compat.strips(editor)


def write_pictures(folder, pictures):
    """Writes pictures as PNG files; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"picture{index:02d}.png" for index in range(len(pictures))]
    for path, pixels in zip(paths, pictures, strict=True):
        path.write_bytes(takes.png(pixels))
    return paths


def add_images(scene, paths, *, start=1, channel=1):
    """Adds an image strip and makes it the active one."""
    strip = strips(scene).new_image(
        name="Pictures", filepath=str(paths[0]), channel=channel, frame_start=start
    )
    for path in paths[1:]:
        strip.elements.append(path.name)
    scene.sequence_editor.active_strip = strip
    return strip


def add_movie(scene, path, *, start=1):
    """Adds a movie strip, its frames one to one, and makes it the active one."""
    strip = strips(scene).new_movie(name="Movie", filepath=str(path), channel=1, frame_start=start)
    scene.sequence_editor.active_strip = strip
    return strip


def write_movie(path, pictures, *, fps=24, depth="8"):
    """Writes a lossless movie of pictures with a scene of its own, which is gone afterwards."""
    scene = plain(bpy.data.scenes.new("Movie"))
    add_images(scene, write_pictures(path.parent / f"{path.stem}-pictures", pictures))
    scene.frame_start, scene.frame_end = 1, len(pictures)
    render = scene.render
    render.fps, render.dither_intensity, render.filepath = fps, 0, str(path)
    settings = render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "VIDEO"
    settings.file_format = "FFMPEG"
    settings.color_mode = "RGB"
    render.ffmpeg.format, render.ffmpeg.codec = "MKV", "FFV1"
    settings.color_depth = depth
    shown = bpy.context.window.scene
    bpy.context.window.scene = scene
    bpy.ops.render.render(animation=True)
    bpy.context.window.scene = shown
    bpy.data.scenes.remove(scene)
    return path


def fit_movie(scene, path, *, start=1):
    """Adds a movie as the sequencer's own menu does, at its own speed whatever the scene's."""
    window = bpy.context.window
    area = window.screen.areas[0]
    before, area.type = area.type, "SEQUENCE_EDITOR"
    compat.show_in_sequencer(window, scene)
    region = next(region for region in area.regions if region.type == "WINDOW")
    # Dragging it along with the mouse needs one.
    still = {"move_strips": False} if bpy.app.version >= (5, 0) else {}
    with bpy.context.temp_override(window=window, area=area, region=region):
        bpy.ops.sequencer.movie_strip_add(
            filepath=str(path), frame_start=start, channel=1, fit_method="ORIGINAL",
            use_framerate=False, adjust_playback_rate=True, sound=False, **still,
        )  # fmt: skip
    area.type = before
    (strip,) = strips(scene)
    scene.sequence_editor.active_strip = strip
    return strip
