"""Takes whose folder is gone from where strips and images look for it, and finding it again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bpy
from bpy.types import Image

from ..backend.errors import TakeError, TargetError
from ..backend.take import FRAMES, LINEAR, Take, read_take
from .compat import nested_strips
from .strip_takes import FoundTake
from .strips import strip_folder
from .targets.landed import SHOT, stored_path
from .worn_takes import lost_images


def lost_take(strip: bpy.types.Strip | None) -> Path | None:
    """Return the folder of the take that a strip showed, where it is gone; None for any other."""
    return None if strip is None else _lost(strip_folder(strip))


def _lost(pictures: Path | None) -> Path | None:
    """Return the folder of the take whose pictures should be in `pictures`, where it is gone."""
    if pictures is None or pictures.name not in (FRAMES, LINEAR) or pictures.is_dir():
        return None
    return pictures.parent


def lost_in_file() -> list[Path]:
    """Return the folders of lost takes that strips and images of the open file look for."""
    lost = {first.parent.parent for first in _own_images().values()}
    folders = {strip_folder(strip) for strip in _strips()}
    return sorted(lost | {take for folder in folders if (take := _lost(folder)) is not None})


def fitting_takes(strip: bpy.types.Strip, folders: tuple[Path, ...]) -> list[FoundTake]:
    """Return the takes that have what a strip of a lost take names, the newest first.

    Args:
        strip: The strip.
        folders: Folders to look in, beside the one that had the lost take.
    """
    lost = lost_take(strip)
    parents = folders if lost is None else (lost.parent, *folders)
    found = []
    for folder in {path.resolve(): path for parent in parents for path in _inside(parent)}.values():
        try:
            take = read_take(folder)
        except TakeError:
            continue
        if _why_unfit(strip, folder) is None:
            found.append(FoundTake(folder, take))
    return sorted(found, key=lambda each: each.folder.stat().st_mtime_ns, reverse=True)


def show_instead(strip: bpy.types.Strip, folder: Path) -> None:
    """Let a strip of a lost take show the take in `folder`.

    Raises:
        TakeError: there is no finished take in `folder`.
        TargetError: it does not have what the strip names.
    """
    take = read_take(folder)
    unfit = _why_unfit(strip, folder)
    if unfit is not None:
        raise TargetError(
            f"The take '{folder.name}' cannot take the strip's place: {unfit}; choose another one."
        )
    strip.directory = f"{stored_path(folder / strip_folder(strip).name)}/"
    strip[SHOT] = take.shot_sha256


def find_again(lost: Path, folder: Path) -> int:
    """Let every strip and image of the open file that shows a lost take look in another folder.

    Args:
        lost: Where the take was.
        folder: Where it is now.

    Returns:
        How many strips and images there were.

    Raises:
        TakeError: there is no finished take in `folder`.
        TargetError: it does not have what they name; nothing was changed.
    """
    take = read_take(folder)
    images = {image: first for image, first in _own_images().items() if first.parent.parent == lost}
    strips = [strip for strip in _strips() if lost_take(strip) == lost]
    reasons = (
        *(_why_other(each, take) for each in (*images, *strips)),
        *(_why_image_unfit(image, first, folder, take) for image, first in images.items()),
        *(_why_unfit(strip, folder) for strip in strips),
    )
    for unfit in filter(None, reasons):
        raise TargetError(
            f"'{folder.name}' is not the take '{lost.name}': {unfit}; choose the folder that it was"
            " moved to."
        )
    for image, first in images.items():
        image.filepath = stored_path(folder / first.parent.name / first.name)
        image.reload()
    for strip in strips:
        strip.directory = f"{stored_path(folder / strip_folder(strip).name)}/"
    return len(images) + len(strips)


def _why_other(shows: bpy.types.Strip | Image, take: Take) -> str | None:
    """Return why a take is not the one that was shown, where what showed it knows its shot."""
    known = shows.get(SHOT, take.shot_sha256)
    return "it is of another shot" if known != take.shot_sha256 else None


def _why_image_unfit(image: Image, first: Path, folder: Path, take: Take) -> str | None:
    if not (folder / first.parent.name / first.name).is_file():
        return f"it has no '{first.parent.name}/{first.name}'"
    # Blender knows it only while it has read the pictures.
    known = tuple(image.size)
    if 0 not in known and known != take.size:
        return "it has {} x {} pixels, the image's {} x {}".format(*take.size, *known)
    return None


def _why_unfit(strip: bpy.types.Strip, folder: Path) -> str | None:
    pictures = folder / strip_folder(strip).name
    for element in strip.elements:
        if not (pictures / element.filename).is_file():
            return f"it has no '{pictures.name}/{element.filename}'"
    size = read_take(folder).size
    first = strip.elements[0]
    known = (first.orig_width, first.orig_height)
    if 0 not in known and known != size:
        return "it has {} x {} pixels, the strip's {} x {}".format(*size, *known)
    return None


def _own_images() -> dict[Image, Path]:
    """Return the images that show lost takes and can be changed: those of linked files cannot."""
    return {image: first for image, first in lost_images().items() if image.library is None}


def _strips() -> Iterator[bpy.types.Strip]:
    for scene in bpy.data.scenes:
        if scene.sequence_editor is not None and scene.library is None:
            yield from nested_strips(scene.sequence_editor)


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:  # a folder that is not there has no takes
        return []
