"""Takes that image strips show: which one, the others of its shot, and putting one in its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import bpy

from ..backend.errors import TakeError, TargetError
from ..backend.take import FRAMES, LINEAR, TAKE_FILE, Take, read_take
from .color import in_words, picture_space, shown_through
from .remembered import remember
from .strips import strip_folder
from .targets.landed import frame_rate, stored_path

_NUMBER = re.compile(r"-?[0-9]{1,8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class FoundTake:
    """A finished take on disk: its folder and its record."""

    folder: Path
    take: Take


def shown_take(strip: bpy.types.Strip | None) -> FoundTake | None:
    """Return the take whose frames a strip shows; None where it shows anything else.

    Cheap enough for a panel: a record is read again only when it has changed.

    Raises:
        TakeError: the take's record is damaged.
    """
    frames = None if strip is None else strip_folder(strip)
    return (
        None if frames is None or frames.name not in (FRAMES, LINEAR) else find_take(frames.parent)
    )


def shown_frame(strip: bpy.types.Strip, frame: int) -> int | None:
    """Return the frame of its shot that a take's strip shows at `frame`, None if it has none."""
    element = strip.strip_elem_from_frame(frame)
    try:
        return None if element is None else int(Path(element.filename).stem)
    except ValueError:
        return None


def other_takes(
    strip: bpy.types.Strip, found: FoundTake, folders: tuple[Path, ...]
) -> list[FoundTake]:
    """Return the takes that can be shown in a strip in place of its own, the newest first.

    They are of the same shot or scene, have the same size and all frames that the strip names. A
    folder whose record is damaged is no take.

    Args:
        strip: The strip.
        found: The take it shows.
        folders: Folders to look in, beside the one that has the strip's own take.
    """
    there = {path.resolve(): path for path in _subfolders(found.folder.parent, *folders)}
    there.pop(found.folder.resolve(), None)
    others = []
    for path in there.values():
        try:
            other = find_take(path)
        except TakeError:
            continue
        if other is not None and _why_unfit(strip, found.take, other.take) is None:
            others.append(other)
    return sorted(others, key=lambda other: _age(other.folder), reverse=True)


def replace_take(strip: bpy.types.Strip, folder: Path) -> tuple[FoundTake, list[str]]:
    """Show another take in a strip; its place, length, trims and effects stay.

    Args:
        strip: A strip that shows a take.
        folder: The folder of the other take.

    Returns:
        The take that is shown now, and what the artist should know about it.

    Raises:
        TakeError: there is no finished take in `folder`, or a frame of it is missing.
        TargetError: the strip shows no take, or the take does not fit it.
    """
    before = shown_take(strip)
    if before is None:
        raise TargetError(f"“{strip.name}” shows no take; choose the strip of one.")
    after = FoundTake(folder, read_take(folder))
    unfit = _why_unfit(strip, before.take, after.take)
    if unfit is not None:
        raise TargetError(f"The take '{folder.name}' cannot take the strip's place: {unfit}.")
    pictures = _pictures(strip, after.take)
    for picture in pictures:
        if not (folder / picture).is_file():
            raise TakeError(f"The take has lost '{picture}'; generate it again.")
    scene = strip.id_data
    color_space = picture_space(scene, after.take)
    notes = []
    if strip.colorspace_settings.name != color_space and before.take.view == after.take.view:
        notes.append(
            f"The strip's colour space was “{strip.colorspace_settings.name}” and is"
            f" “{color_space}” now, which fits the view of “{scene.name}”."
        )
    if others := shown_through(scene, after.take):
        notes.append(
            f"“{scene.name}” shows pictures through {in_words(others)}, so the take looks different"
            " there; set that back under Render properties > Color Management, or place the take as"
            " an image strip in an edit scene."
        )
    if abs(frame_rate(scene) - after.take.fps) > 1e-3:
        notes.append(
            f"The take was made at {after.take.fps:g} frames a second, but “{scene.name}” plays"
            f" {frame_rate(scene):g}."
        )
    # A name of the artist's own stays; Blender adds a number to one in use.
    if re.fullmatch(rf"{re.escape(before.folder.name)}(\.\d+)?", strip.name):
        strip.name = folder.name
    strip.directory = f"{stored_path((folder / pictures[0]).parent)}/"
    for element, picture in zip(strip.elements, pictures, strict=True):
        element.filename = Path(picture).name
    strip.colorspace_settings.name = color_space
    remember(strip, after.take)
    return after, notes


def _why_unfit(strip: bpy.types.Strip, take: Take, other: Take) -> str | None:
    if take.shot_sha256 != other.shot_sha256 and take.name != other.name:
        return f"it is of another scene, “{other.name}”"
    if take.size != other.size:
        return "it has {} x {} pixels, the strip's {} x {}".format(*other.size, *take.size)
    for element, picture in zip(strip.elements, _pictures(strip, other), strict=True):
        if picture not in other.files:
            return f"it has no frame '{element.filename}'"
    return None


def _pictures(strip: bpy.types.Strip, take: Take) -> list[str]:
    """Return the paths, in a take, of the frames that a strip names, whatever their format."""
    names = (Path(element.filename).stem for element in strip.elements)
    return [take.picture(int(name)) if _NUMBER.fullmatch(name) else name for name in names]


def find_take(folder: Path) -> FoundTake | None:
    """Return the take in a folder, None where there is none; read again only when it has changed.

    Raises:
        TakeError: its record is damaged.
    """
    try:
        status = (folder / TAKE_FILE).stat()
    except OSError:
        return None
    return FoundTake(folder, _read(folder, status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=256)
def _read(folder: Path, _changed: int, _size: int) -> Take:
    return read_take(folder)


def _age(folder: Path) -> int:
    try:
        return (folder / TAKE_FILE).stat().st_mtime_ns
    except OSError:  # removed since it was read
        return 0


def _subfolders(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        try:
            yield from sorted(path for path in folder.iterdir() if path.is_dir())
        except OSError:  # a folder that is not there has no takes
            continue
