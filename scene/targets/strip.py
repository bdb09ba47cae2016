"""A take as an image strip: one image a frame, at its own frames, looking as it was made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bpy.types import Context, Scene, SequenceEditor

from ...backend.errors import TargetError
from ...backend.take import Take
from ..color import picture_space
from ..compat import strips
from ..remembered import remember
from .edit_scene import Place, choose_scene
from .image import check_files, picture_kind
from .landed import Landed, color_notes, stored_path, timing_notes

ID = "STRIP"
LABEL = "Image Strip"
HELP = "An image strip in the Video Sequencer, at the shot's own frames"

MOST_CHANNELS = 128


@dataclass(frozen=True, slots=True)
class LandedStrip(Landed):
    """Where a take landed as a strip.

    Attributes:
        strip: Name of the strip.
        channel: The strip's channel.
    """

    strip: str
    channel: int


def why_not(context: Context) -> str | None:
    """Return why no strip can be added now: a scene can always be made for one."""
    return None


def land(scene: Scene, folder: Path, take: Take, *, place: Place = "AUTO") -> LandedStrip:
    """Add the take in `folder` as an image strip; nothing that is there is moved.

    Args:
        scene: The shot's scene.
        folder: The take's folder; its path is stored relative to a saved .blend.
        take: The take's record.
        place: Its scene's sequencer, an edit scene's, or whichever leaves F12 as it is.

    Raises:
        TakeError: a frame of the take is missing; nothing was changed.
        TargetError: every channel is in use at these frames.
    """
    check_files(folder, take, kind=picture_kind(take))
    pictures = [folder / take.picture(take.frame_start + index) for index in range(take.frames)]
    choice = choose_scene(scene, take, place=place)
    host = choice.scene
    editor = host.sequence_editor or host.sequence_editor_create()
    channel = free_channel(editor, take.frame_start, take.frame_start + take.frames)
    strip = strips(editor).new_image(
        name=folder.name,
        filepath=stored_path(pictures[0]),
        channel=channel,
        frame_start=take.frame_start,
        fit_method="FIT",
    )
    for picture in pictures[1:]:
        strip.elements.append(picture.name)
    strip.colorspace_settings.name = picture_space(host, take)
    remember(strip, take)
    # As Blender does with a strip that is added: the sidebars show the active one.
    for other in strips(editor):
        other.select = other == strip
    editor.active_strip = strip
    return LandedStrip(
        scene=host.name,
        where=f"strip “{strip.name}” in the sequencer of “{host.name}”{choice.aside}",
        notes=(*choice.notes, *color_notes(scene, host, take), *timing_notes(host, take)),
        strip=strip.name,
        channel=strip.channel,
    )


def free_channel(editor: SequenceEditor, start: int, end: int) -> int:
    """Return a visible channel with nothing in frames `start` to `end` - 1, above all others.

    Raises:
        TargetError: there is none.
    """
    there = strips(editor)
    top = max((strip.channel for strip in there), default=0)
    taken = {
        strip.channel
        for strip in there
        if strip.frame_final_start < end and strip.frame_final_end > start
    }
    # Below the top only when there is no room above it.
    for channel in [*range(top + 1, MOST_CHANNELS + 1), *range(top, 0, -1)]:
        settings = editor.channels[channel]
        if channel not in taken and not settings.mute and not settings.lock:
            return channel
    raise TargetError(
        f"The sequencer has no free channel from frame {start} to {end - 1}; remove a strip there"
        " or unlock a channel."
    )
