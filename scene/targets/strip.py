"""A take as an image strip: one image a frame, at its own frames, looking as it was made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy
from bpy.types import Scene, SequenceEditor

from ...backend.errors import TakeError, TargetError
from ...backend.take import FRAMES, Take, frame_name
from ..color import ViewInverse, display_note, view_inverse
from ..compat import strips
from .edit_scene import Place, choose_scene, frame_rate

ID = "STRIP"
LABEL = "Image Strip"
HELP = "An image strip in the Video Sequencer, at the shot's own frames"

MOST_CHANNELS = 128


@dataclass(frozen=True, slots=True)
class Landed:
    """Where a take landed.

    Attributes:
        scene: Name of the scene whose sequencer has it.
        strip: Name of the strip.
        channel: The strip's channel.
        notes: What the artist should know, a sentence each.
    """

    scene: str
    strip: str
    channel: int
    notes: tuple[str, ...]


def land(scene: Scene, folder: Path, take: Take, *, place: Place = "AUTO") -> Landed:
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
    names = [frame_name(take.frame_start + index) for index in range(take.frames)]
    for name in names:
        if not (folder / FRAMES / name).is_file():
            raise TakeError(f"The take has lost '{FRAMES}/{name}'; generate it again.")
    choice = choose_scene(scene, take, place=place)
    host = choice.scene
    editor = host.sequence_editor or host.sequence_editor_create()
    channel = free_channel(editor, take.frame_start, take.frame_start + take.frames)
    first = str(folder / FRAMES / names[0])
    strip = strips(editor).new_image(
        name=folder.name,
        filepath=bpy.path.relpath(first) if bpy.data.filepath else first,
        channel=channel,
        frame_start=take.frame_start,
        fit_method="FIT",
    )
    for name in names[1:]:
        strip.elements.append(name)
    inverse = view_inverse(host)
    strip.colorspace_settings.name = inverse.color_space
    notes = [*choice.notes, *_color_notes(scene, host, inverse), *_timing_notes(host, take)]
    return Landed(host.name, strip.name, strip.channel, tuple(notes))


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


def _color_notes(scene: Scene, host: Scene, inverse: ViewInverse) -> Sequence[str]:
    display = display_note(scene)
    notes = [] if display is None else [display]
    if not inverse.exact:
        # Another display's colours are true nowhere.
        way_out = "; for its true colours let it land in an edit scene" if display is None else ""
        notes.append(
            f"“{host.name}” shows pictures through {inverse.in_words}, so the take looks"
            f" different there{way_out}."
        )
    return notes


def _timing_notes(host: Scene, take: Take) -> Sequence[str]:
    notes = []
    rate = frame_rate(host)
    if abs(rate - take.fps) > 1e-3:
        notes.append(
            f"The take was made at {take.fps:g} frames a second, but “{host.name}” plays"
            f" {rate:g}; set its frame rate to {take.fps:g} for the right speed."
        )
    last = take.frame_start + take.frames - 1
    if take.frame_start < host.frame_start or last > host.frame_end:
        notes.append(
            f"The take has frames {take.frame_start} to {last}, but “{host.name}” plays"
            f" {host.frame_start} to {host.frame_end}."
        )
    return notes
