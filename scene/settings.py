"""What an artist asks a capture for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureSettings:
    """A capture, frozen at the moment it is asked for.

    Attributes:
        scene: name of the scene.
        frame_start, frame_end: Blender frames, both included.
        still_source: 'RENDER' renders the still with the artist's settings, 'IMAGE' takes a file.
        still_image: that file, absolute; None with 'RENDER'.
        still_frame: the Blender frame that the still shows, within the range.
        supersample: 1, or 2 to render the still at twice the width and height.
        with_flow: whether the flow guide goes along.
        free: the objects that may move, each by its name and its library's file ("" for none);
            None where the shot need not say what is kept.
        prompt, negative_prompt, seed, name: go into the shot as they are.
    """

    scene: str
    frame_start: int
    frame_end: int
    still_source: str = "RENDER"
    still_image: Path | None = None
    still_frame: int
    supersample: int = 1
    with_flow: bool = True
    free: tuple[tuple[str, str], ...] | None = None
    prompt: str = ""
    negative_prompt: str = ""
    seed: int = 0
    name: str = "shot"

    @property
    def frames(self) -> range:
        """The Blender frames of the shot."""
        return range(self.frame_start, self.frame_end + 1)
