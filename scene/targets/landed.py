"""Where a take landed, and what every target has to say about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bpy
from bpy.types import Scene

from ...backend.take import Take
from ..color import display_note, in_words, shown_through


@dataclass(frozen=True, slots=True)
class Landed:
    """Where a take landed.

    Attributes:
        scene: Name of the scene in which it can be seen.
        where: The place in words, as the end of "24 frames landed as …".
        notes: What the artist should know, a sentence each.
    """

    scene: str
    where: str
    notes: tuple[str, ...]

    def in_words(self, take: Take) -> str:
        """Return one sentence that says what landed and where."""
        frames = f"{take.frames} frames" if take.frames > 1 else "1 frame"
        return f"{frames} landed as {self.where}."


def color_notes(scene: Scene, host: Scene, take: Take) -> list[str]:
    """Return what keeps a take of `scene` from looking in `host` as it was made."""
    others = shown_through(host, take)
    if take.is_linear:
        return [_linear_note(host, take, others)] if others else []
    display = display_note(scene)
    notes = [] if display is None else [display]
    if others:
        # Another display's colours are true nowhere.
        way_out = "; for its true colours place it as an image strip in an edit scene"
        notes.append(
            f"“{host.name}” shows pictures through {in_words(others)}, so the take looks"
            f" different there{way_out if display is None else ''}."
        )
    return notes


def _linear_note(host: Scene, take: Take, others: tuple[str, ...]) -> str:
    return (
        f"The take's EXR frames look as made through the view “{take.view}” alone, but"
        f" “{host.name}” shows them, as it would a render, through {in_words(others)}."
    )


def timing_notes(host: Scene, take: Take) -> list[str]:
    """Return what keeps `host` from playing a take as it was made."""
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


def frame_rate(scene: Scene) -> float:
    """Return the frames a second of a scene."""
    return scene.render.fps / scene.render.fps_base


def stored_path(path: Path) -> str:
    """Return a path as a .blend keeps it: relative to the file once that is saved."""
    if not bpy.data.filepath:
        return str(path)
    try:
        return bpy.path.relpath(str(path))
    except ValueError:  # on another drive of Windows
        return str(path)
