"""Takes whose folder is gone from where strips and images look for it, and finding it again."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import bpy
from bpy.types import Image

from ..backend.errors import TakeError, TargetError
from ..backend.take import FRAMES, LINEAR, Take, frame_name, read_take
from .compat import nested_strips
from .remembered import knows_take, remember, why_other
from .strip_takes import FoundTake
from .strips import strip_folder
from .targets.image import names_in
from .targets.landed import stored_path
from .worn_takes import lost_images, take_image


@dataclass(frozen=True, slots=True)
class Found:
    """What was found again.

    Attributes:
        count: How many strips and images look for their take in the new folder now.
        sure: Whether all of them knew which take it was; those of files that an earlier version
            of Depthshot saved know its shot alone.
    """

    count: int
    sure: bool


def lost_take(strip: bpy.types.Strip | None) -> Path | None:
    """Return the folder of the take that a strip showed, where it is gone; None for any other."""
    return None if strip is None else _lost(strip_folder(strip))


def _lost(pictures: Path | None) -> Path | None:
    """Return the folder of the take whose pictures should be in `pictures`, where it is gone."""
    return None if pictures is None or pictures.is_dir() else _take_of(pictures)


def _take_of(pictures: Path | None) -> Path | None:
    """Return the folder of the take that has `pictures`; None where that is no folder of a take."""
    named = pictures is not None and pictures.name in (FRAMES, LINEAR)
    return pictures.parent if named else None


def lost_in_file() -> list[Path]:
    """Return the folders of lost takes that strips and images of the open file look for."""
    lost = {first.parent.parent for first in _own_images().values()}
    folders = {strip_folder(strip) for strip in _strips()}
    lost |= {take for folder in folders if (take := _lost(folder)) is not None}
    return sorted({Path(os.path.normpath(take)) for take in lost})


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
    remember(strip, take)


def find_again(lost: Path, folder: Path, *, known: Mapping[str, str] | None = None) -> Found:
    """Let every strip and image of the open file that shows a lost take look in another folder.

    A strip or image that knows which take it shows goes along even if its own files are still in
    the old folder: all pictures, masks and depths of a take come from one place.

    Args:
        lost: Where the take was.
        folder: Where it is now.
        known: Its traits (`remembered.traits`), where more is known than the file notes.

    Raises:
        TakeError: there is no finished take in `folder`.
        TargetError: it is another take, or does not have what they name; nothing was changed.
    """
    take = read_take(folder)
    gone = _own_images()
    images = {
        image: first
        for image, first in _local_images().items()
        if _same(first.parent.parent, lost) and (image in gone or knows_take(image))
    }
    strips = [
        strip
        for strip in _strips()
        if _same(lost_take(strip), lost)
        or (knows_take(strip) and _same(_take_of(strip_folder(strip)), lost))
    ]
    reasons = (
        *(why_other(each, take) for each in (known or {}, *images, *strips)),
        *(_why_image_unfit(image, first, folder, take) for image, first in images.items()),
        *(_why_unfit(strip, folder) for strip in strips),
    )
    for unfit in filter(None, reasons):
        raise TargetError(
            f"'{folder.name}' is not the take '{lost.name}': {unfit}; choose the folder that it was"
            " moved to."
        )
    sure = all(knows_take(each) for each in (*images, *strips))
    for image, first in images.items():
        image.filepath = stored_path(folder / first.parent.name / first.name)
        image.reload()
    for strip in strips:
        strip.directory = f"{stored_path(folder / strip_folder(strip).name)}/"
    for each in (*images, *strips):
        remember(each, take)
    return Found(len(images) + len(strips), sure)


def _same(one: Path | None, other: Path) -> bool:
    """Return whether two paths are one; a file keeps its own with the way up ("..") in them."""
    return one is not None and os.path.normpath(one) == os.path.normpath(other)


def _why_image_unfit(image: Image, first: Path, folder: Path, take: Take) -> str | None:
    there = names_in(folder / first.parent.name)
    for number in range(take.frame_start, take.frame_start + take.frames):
        if (name := frame_name(number, first.suffix)) not in there:
            return f"it has no '{first.parent.name}/{name}'"
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


def _local_images() -> dict[Image, Path]:
    """Return the images of takes that can be changed, with the first file of each."""
    local = ((image, take_image(image)) for image in bpy.data.images if image.library is None)
    return {image: first for image, first in local if first is not None}


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
