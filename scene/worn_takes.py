"""Takes that surfaces of a scene wear: they are part of its next still.

Planes, backgrounds and compositor nodes of takes are left out of a capture (`leave_out`). What else
shows a take, a projected material or its texture, shows it in the still as well: magenta or black
where its pictures are gone, generated pixels where they are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bpy
from bpy.types import ID, Image, Object, Scene

from ..backend.errors import CaptureError
from ..backend.marks import Mark, read_mark
from ..backend.take import DEPTHS, FRAMES, LINEAR, MASKS, TAKE_FILE
from .leave_out import PLANE
from .lost_frame import lost_file
from .remembered import SHOT
from .simulations import shown_objects
from .targets.image import names_in

_PICTURES = (FRAMES, LINEAR)


@dataclass(frozen=True, slots=True)
class WornTake:
    """A take that a scene shows.

    Attributes:
        folder: The take's folder.
        first: The picture that the image names, which is the take's first.
        image: Name of the image.
        on: What wears it, in words.
    """

    folder: Path
    first: Path
    image: str
    on: str


def take_image(image: Image) -> Path | None:
    """Return the first file of the take that an image shows, None for any other image.

    Sequences of an artist's own are in folders "mask" and "depth" too, so images of masks and
    depths have to know their shot.
    """
    if image.source != "SEQUENCE" or not image.filepath:
        return None
    first = Path(bpy.path.abspath(image.filepath, library=image.library))
    kinds = (*_PICTURES, MASKS, DEPTHS) if SHOT in image else _PICTURES
    return first if first.parent.name in kinds else None


def lost_images() -> dict[Image, Path]:
    """Return the images of takes whose first file is gone, and where it should be.

    Cheap enough for a panel: it looks at the files of takes alone.
    """
    images = {image: take_image(image) for image in bpy.data.images}
    return {image: first for image, first in images.items() if first and not first.is_file()}


def worn_takes(scene: Scene, images: dict[Image, Path] | None = None) -> list[WornTake]:
    """Return the takes that renders of a scene show, sorted by their images' names.

    Args:
        scene: The scene.
        images: The images to look for, with their first files; when None, those of all pictures
            of takes.
    """
    if images is None:
        found = {image: take_image(image) for image in bpy.data.images}
        images = {image: first for image, first in found.items() if _is_picture(first)}
    if not images:
        return []
    users = bpy.data.user_map()
    shown = {each for each in shown_objects(scene) if _rendered(scene, each)}
    worn = []
    for image, first in sorted(images.items(), key=lambda item: item[0].name):
        wearers = _wearers(image, users)
        names = sorted(each.name for each in wearers & shown if PLANE not in each)
        if scene.world in wearers:
            names.append(scene.world.name)
        if names:
            worn.append(WornTake(first.parent.parent, first, image.name, _in_words(names)))
    return worn


def check_worn(scene: Scene, frame: int) -> None:
    """Refuse a scene whose still would show a take that is not there any more.

    Args:
        scene: The scene.
        frame: The still's: the guides of other frames show no colours.

    Raises:
        CaptureError: it names the take, what wears it, what is gone, and the ways out.
    """
    shown = ((image, take_image(image)) for image in bpy.data.images)
    images = {image: first for image, first in shown if first and _is_take(image, first)}
    lost = {first: gone for first in images.values() if (gone := lost_file(first, frame))}
    for worn in worn_takes(scene, {image: f for image, f in images.items() if f in lost}):
        pictures = worn.first.parent
        if not names_in(pictures):
            raise CaptureError(
                f"{worn.on} shows the take '{worn.folder.name}' (image “{worn.image}”), whose"
                f" pictures are gone from '{pictures}', so the still would be magenta or"
                " black there; bring the folder back, show where it is with Find Take, or give the"
                " object another material."
            )
        raise CaptureError(
            f"{worn.on} shows the take '{worn.folder.name}' (image “{worn.image}”), of which the"
            f" still needs '{lost[worn.first]}', which is gone from '{pictures}', so it would be"
            " magenta or black there; bring it back from a backup, choose another frame for the"
            " still, or give the object another material."
        )


def _is_take(image: Image, first: Path) -> bool:
    """Return whether an image is surely of a take: folders of other pictures are called the same.

    What an earlier version has placed knows nothing, but where all is gone nothing else is known.
    """
    return SHOT in image or (first.parent.parent / TAKE_FILE).is_file() or not first.is_file()


def worn_notes(worn: list[WornTake]) -> list[str]:
    """Return what to know of a still that shows takes."""
    return [
        f"The still shows the take '{each.folder.name}' on {each.on}: what was generated in it"
        " counts as seen; for a still without it give the object its own material back."
        for each in worn
    ]


def worn_marks(worn: list[WornTake]) -> list[Mark]:
    """Return what the pictures of takes say that made them.

    Raises:
        ShotError: one cannot be read.
    """
    marks = [read_mark(each.first) for each in worn]
    return [mark for mark in marks if mark is not None]


def _is_picture(first: Path | None) -> bool:
    return first is not None and first.parent.name in _PICTURES


def _wearers(image: Image, users: dict[ID, set[ID]]) -> set[ID]:
    """Return the objects and worlds that use an image, through whatever lies between."""
    found: set[ID] = set()
    met, waiting = {image}, [image]
    while waiting:
        for user in users.get(waiting.pop(), ()):
            if user in met:
                continue
            met.add(user)
            if isinstance(user, Object | bpy.types.World):
                found.add(user)
            # No render shows a camera's backgrounds.
            elif not isinstance(user, Scene | bpy.types.Collection | bpy.types.Camera):
                waiting.append(user)
    return found


def _rendered(scene: Scene, item: Object) -> bool:
    """Return whether a render can show an object that the scene uses."""
    if item.hide_render:
        return False
    if scene.objects.get(item.name) != item:  # it comes with an instance of its collection
        return True
    # Not `layer.objects`: since Blender 5.2 what was excluded or unlinked is in it for a while.
    return any(_shows(layer.layer_collection, item) for layer in scene.view_layers if layer.use)


def _shows(branch: bpy.types.LayerCollection, item: Object) -> bool:
    """Return whether a render of a layer can show an object by this collection or one within."""
    if branch.collection.hide_render:
        return False
    own = not branch.exclude and branch.collection.objects.get(item.name) == item
    return own or any(_shows(child, item) for child in branch.children)


def _in_words(names: list[str]) -> str:
    first = f"“{names[0]}”"
    return f"{first} and {len(names) - 1} more" if len(names) > 1 else first
