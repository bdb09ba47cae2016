"""A take's pictures as one image sequence that textures, cameras and the compositor share."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import bpy
from bpy.types import Image, ImageUser, Node

from ...backend.errors import TakeError, TargetError
from ...backend.take import DEPTHS, FRAMES, LINEAR, MASKS, Take, frame_name
from ..remembered import remember
from .landed import stored_path

Kind = Literal["frames", "linear", "mask", "depth"]

_FOLDERS: dict[Kind, tuple[str, str]] = {
    "frames": (FRAMES, ".png"),
    "linear": (LINEAR, ".exr"),
    "mask": (MASKS, ".png"),
    "depth": (DEPTHS, ".exr"),
}


def picture_kind(take: Take) -> Kind:
    """Return which of a take's pictures a scene's view is applied to: the scene-linear ones."""
    return "linear" if take.is_linear else "frames"


def load_sequence(folder: Path, take: Take, *, kind: Kind, color_space: str, name: str) -> Image:
    """Return the image sequence of a take's pictures of one kind.

    The same files in the same colour space are loaded once: an image that is there is returned.

    Args:
        folder: The take's folder; its path is stored relative to a saved .blend.
        take: The take's record.
        kind: Which of its pictures.
        color_space: What their values mean, `scene.color.picture_space` or "Non-Color".
        name: What a new image is called.

    Raises:
        TakeError: a picture is missing; nothing was changed.
        TargetError: Blender cannot count the take's frames; nothing was changed.
    """
    check_files(folder, take, kind=kind)
    if take.frame_start < 0:
        raise TargetError(
            f"The take begins at frame {take.frame_start}, but Blender's image sequences know no"
            " frames below 0; let it land as an image strip, or move the shot to frame 0 or later."
        )
    subfolder, suffix = _FOLDERS[kind]
    first = folder / subfolder / frame_name(take.frame_start, suffix)
    for image in bpy.data.images:
        own = image.source == "SEQUENCE" and image.library is None
        if own and image.colorspace_settings.name == color_space and _path(image) == first:
            remember(image, take)
            return image
    image = bpy.data.images.load(str(first))
    image.name = name
    image.filepath = stored_path(first)
    image.source = "SEQUENCE"
    image.colorspace_settings.name = color_space
    remember(image, take)
    return image


def show_frames(user: ImageUser | Node, take: Take) -> None:
    """Make frame f of the scene show frame f of the take, and the first and last beyond its ends.

    Args:
        user: An image's user, or a compositor node, which has the same properties.
        take: The take's record.
    """
    # Blender shows the file numbered `frame_offset` + n, n = frame - `frame_start` + 1 kept between
    # 0 and `frame_duration`. Counting from 0 keeps it from asking for a file before the first one.
    user.frame_duration = max(take.frames - 1, 1)
    user.frame_start = take.frame_start + 1
    user.frame_offset = take.frame_start
    # A single frame has nothing to count up to: going round after each frame, n is always 1.
    user.use_cyclic = take.frames == 1
    if take.frames == 1:
        user.frame_offset -= 1
    user.use_auto_refresh = True


def check_files(folder: Path, take: Take, *, kind: Kind) -> None:
    """Find out whether all of a take's pictures of one kind are there.

    Raises:
        TakeError: one is missing; the message names it.
    """
    for path in missing_files(folder, take, kind=kind):
        raise TakeError(f"The take has lost '{path}'; generate it again.")


def missing_files(folder: Path, take: Take, *, kind: Kind) -> list[str]:
    """Return the paths, in a take, of its pictures of one kind that are not there, in order.

    The folder is listed once: asking for each of thousands of files takes long on a network disk.
    """
    subfolder, suffix = _FOLDERS[kind]
    there = names_in(folder / subfolder)
    numbers = range(take.frame_start, take.frame_start + take.frames)
    names = (frame_name(number, suffix) for number in numbers)
    return [f"{subfolder}/{name}" for name in names if name not in there]


def names_in(folder: Path) -> frozenset[str]:
    """Return the names of what is in a folder; none where it is not there."""
    try:
        return frozenset(path.name for path in folder.iterdir())
    except OSError:  # what cannot be listed cannot be read either
        return frozenset()


def _path(image: Image) -> Path:
    return Path(bpy.path.abspath(image.filepath, library=image.library))
