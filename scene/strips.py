"""What a strip of the sequencer shows at a frame: which file, and of a movie which frame.

Blender tells it of image strips, retimed ones too. Of movie strips it tells what goes into the
computation, but for retiming:

    content = frames of the movie - both animation offsets      what the strip has
    length  = content / rate, rate = 1 or the movie's frames a second / the scene's
    at      = frame - first frame of the content, from the other end when reversed
    index   = first animation offset + at * rate, rounded, within the content

`rate` is a flag that scripts cannot read, but it shows in the length. (tests/blender/
test_sequencer_still.py compares it with what Blender renders.) Blender 5.0 itself shows the frame
before, where the index lies between two frames and that one is still in its cache.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import bpy
from bpy.types import Scene

from ..backend.errors import CaptureError
from ..backend.take import display_picture
from .compat import nested_strips, strip_inputs
from .movie import Movie
from .targets.landed import frame_rate

PICTURES = ("IMAGE", "MOVIE")
# What a capture takes for no finished picture, by its usual endings.
_LINEAR = {".exr", ".hdr", ".dpx", ".cin"}


@dataclass(frozen=True, slots=True)
class Picture:
    """What a strip shows at a frame.

    Attributes:
        file: The image or movie.
        index: Of a movie the frame, counted from 0; None for an image.
    """

    file: Path
    index: int | None


def active_strip(scene: Scene | None) -> bpy.types.Strip | None:
    """Return the scene's active strip, None if there is none."""
    editor = None if scene is None else scene.sequence_editor
    return None if editor is None else editor.active_strip


def check_picture(strip: bpy.types.Strip, frame: int) -> None:
    """Refuse a strip of which cannot be known what it shows at a frame.

    Raises:
        CaptureError: why, and the way out.
    """
    name = strip.name
    if strip.type not in PICTURES:
        raise CaptureError(f"“{name}” is no image or movie strip; choose one.")
    if not strip.frame_final_start <= frame < strip.frame_final_end:
        raise CaptureError(
            f"The playhead at frame {frame} is not on “{name}”, which is shown from"
            f" {strip.frame_final_start} to {strip.frame_final_end - 1}; move it there."
        )
    if strip.type == "MOVIE" and len(strip.retiming_keys):
        raise CaptureError(
            f"“{name}” is retimed, and Blender does not tell which frame it shows; remove its"
            " retiming keys (Strip > Retiming), or render the frame to an image."
        )
    for other in nested_strips(strip.id_data.sequence_editor):
        if other.type == "SPEED" and strip in strip_inputs(other):
            raise CaptureError(
                f"“{name}” is played by the speed effect “{other.name}”, and Blender does not tell"
                " which frame that shows; remove it, or render the frame to an image."
            )
    if strip.use_multiview:
        raise CaptureError(f"“{name}” is stereoscopic; choose a strip with one view.")
    if strip.type == "IMAGE" and _image(strip, frame).suffix.lower() in _LINEAR:
        raise CaptureError(
            f"“{name}” shows '{_image(strip, frame).name}', which is linear and has no view"
            " transform in it; save it as a PNG with the view transform first."
        )
    if strip.type == "MOVIE" and strip.stream_index:
        raise CaptureError(
            f"“{name}” shows a further stream of its movie, of which only the first can be read;"
            " render the frame to an image."
        )


def find_picture(strip: bpy.types.Strip, frame: int) -> Picture:
    """Return what a strip shows at a frame.

    Raises:
        CaptureError: it cannot be known, or its file is not there.
    """
    check_picture(strip, frame)
    if strip.type == "IMAGE":
        file = _image(strip, frame)
        _check_there(file)
        return Picture(file, None)
    file = _absolute(strip, strip.filepath)
    _check_there(file)
    with Movie(file) as movie:
        frames = movie.frames
    return Picture(file, _movie_index(strip, frame, frames=frames))


def strip_folder(strip: bpy.types.Strip) -> Path | None:
    """Return the folder of an image strip's files, None for other strips."""
    return _absolute(strip, strip.directory) if strip.type == "IMAGE" else None


def changes(strip: bpy.types.Strip) -> list[str]:
    """Return what a strip does to its picture before it is shown, in words."""
    place, crop = strip.transform, strip.crop
    there = {
        "a crop": any((crop.min_x, crop.max_x, crop.min_y, crop.max_y)),
        "an offset": bool(place.offset_x or place.offset_y),
        "a rotation": bool(place.rotation),
        "a flip": strip.use_flip_x or strip.use_flip_y,
        "its colours": strip.color_saturation != 1 or strip.color_multiply != 1,
        "modifiers": any(not modifier.mute for modifier in strip.modifiers),
    }
    return [words for words, is_there in there.items() if is_there]


def _image(strip: bpy.types.Strip, frame: int) -> Path:
    """Return the file that is shown; of a take's scene-linear frame the one for displays."""
    shown = _absolute(strip, strip.directory) / strip.strip_elem_from_frame(frame).filename
    return display_picture(shown) or shown


def _movie_index(strip: bpy.types.Strip, frame: int, *, frames: int) -> int:
    content = frames - strip.animation_offset_start - strip.animation_offset_end
    length = _length(strip)
    scene_rate = strip.fps / frame_rate(strip.id_data)
    rates = [1.0] if length == content else []
    if scene_rate > 0 and abs(content / scene_rate - length) < 1:
        rates.append(scene_rate)
    found = {_index(strip, frame, content=content, rate=rate) for rate in rates}
    if not found:
        raise CaptureError(
            f"“{strip.name}” has another length than its movie; choose Strip > Reload Strips and"
            " Adjust Length, or render the frame to an image."
        )
    if len(found) > 1:
        raise CaptureError(
            f"“{strip.name}” has {strip.fps:g} frames a second, “{strip.id_data.name}” nearly as"
            " many, and Blender does not tell whether it is fitted; give the scene the movie's"
            " frame rate, or render the frame to an image."
        )
    return found.pop()


def _index(strip: bpy.types.Strip, frame: int, *, content: int, rate: float) -> int:
    # With `length` frames, so that the last one of a reversed strip is the movie's first.
    length = _length(strip)
    at = frame - strip.frame_start
    if strip.use_reverse_frames:
        at = length - 1 - at
    index = min(max(at, 0.0) * rate, content - 1.0)
    if strip.strobe > 1:
        index -= math.fmod(index, strip.strobe)
    return strip.animation_offset_start + math.floor(index + 0.5)


def _length(strip: bpy.types.Strip) -> int:
    """Return the length of a strip's content; Blender 4.2's own does not know the rate."""
    handles = strip.frame_final_end - strip.frame_final_start
    return round(handles + strip.frame_offset_start + strip.frame_offset_end)


def _absolute(strip: bpy.types.Strip, path: str) -> Path:
    return Path(bpy.path.abspath(path, library=strip.id_data.library))


def _check_there(file: Path) -> None:
    if not file.is_file():
        raise CaptureError(f"The strip's file '{file}' is not there; bring it back.")
