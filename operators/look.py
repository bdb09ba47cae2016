"""A look at what a large model is making: asked for beside the job, shown as an icon in the panel.

`Look` asks in threads, which never touch bpy; `ShownLook` is what panels draw. The picture is
neither a file on the disk nor an image of the artist's file: Blender would leave a thumbnail of the
one in the user's cache, and save the other.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial

import bpy.utils.previews
import numpy as np

from ..backend import png
from ..backend.errors import DepthshotError
from ..backend.models import cards
from .task import Task

log = logging.getLogger(__name__)

PHASE = "denoising"
"""The part of a model's work that there are looks at; the backend has them for no other."""
SECONDS_BETWEEN_LOOKS = 2.0
_MOST_PIXELS = 1 << 22
_LONGEST_SIDE = 256  # of an icon, as Blender's own


def has_looks(model: str) -> bool:
    """Whether there are looks at what a model makes, by its card's id; True for an unknown one."""
    return all(card.looks is not None for card in cards() if card.id == model)


class Look:
    """The latest look at a job.

    Attributes:
        possible: Whether there are looks at what the job's model makes.
        wanted: Whether the job is where there are looks, or soon will be.
        picture: The latest, (h, w, 4) uint8 RGBA, rows from the bottom; None before the first.
            It is another object each time that it shows something else.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self.possible = True
        self.wanted = False
        self.picture: np.ndarray | None = None
        self._now = now
        self._next = now()
        self._content: bytes | None = None
        self._asking: Task[bytes | None] | None = None

    def step(self, ask: Callable[[], bytes | None]) -> None:
        """Take in what has come, and ask again in a thread if it is time to; never wait.

        Args:
            ask: Returns a PNG, None while there is none. What it raises as a `DepthshotError` is
                logged: that a look is missing keeps no take from being made.
        """
        if self._asking is not None:
            if not self._asking.done:
                return
            self.picture = self._asking.result()
            self._asking = None
        if self.possible and self.wanted and self._now() >= self._next:
            self._next = self._now() + SECONDS_BETWEEN_LOOKS
            self._asking = Task(partial(self._fetch, ask))

    def _fetch(self, ask: Callable[[], bytes | None]) -> np.ndarray | None:
        """Return the picture there is now; the one before where it is the same or cannot be had."""
        try:
            content = ask()
            if content is None or content == self._content:
                return self.picture
            self._content = content
            return _picture(content)
        except DepthshotError as reason:
            log.info("no look at what is being made: %s", reason)
            return self.picture


class ShownLook:
    """The icon that panels show of a look; there is none between two generations.

    Attributes:
        expected: Whether there will be one soon, for which panels keep room.
    """

    def __init__(self) -> None:
        self.expected = False
        self._icons: bpy.utils.previews.ImagePreviewCollection | None = None
        self._picture: np.ndarray | None = None
        self._count = 0

    @property
    def icon(self) -> int | None:
        """Blender's number of the icon; None while there is nothing to show."""
        preview = self.preview
        return None if preview is None else preview.icon_id

    @property
    def preview(self) -> bpy.types.ImagePreview | None:
        """The icon's pixels."""
        return None if self._icons is None else next(iter(self._icons.values()))

    def show(self, picture: np.ndarray) -> None:
        """Show a picture of `Look` from now on; nothing is done if it is the one that is shown."""
        if picture is self._picture:
            return
        if self._icons is None:
            self._icons = bpy.utils.previews.new()
        self._icons.clear()
        # A name of its own: what Blender has drawn of an icon it may keep.
        self._count += 1
        preview = self._icons.new(f"look-{self._count}")
        height, width, _ = picture.shape
        preview.image_size = (width, height)
        preview.image_pixels.foreach_set(picture.reshape(-1).view(np.int32))
        self._picture = picture

    def clear(self) -> None:
        """Show nothing and leave nothing with Blender."""
        self.expected = False
        if self._icons is not None:
            bpy.utils.previews.remove(self._icons)
        self._icons = self._picture = None


def _picture(content: bytes) -> np.ndarray:
    """Return a PNG's picture as `Look.picture` has it.

    Raises:
        ShotError: it is damaged, or no picture that a backend writes.
    """
    colours = png.decode(content, most_pixels=_MOST_PIXELS, place="The look")
    step = -(-max(colours.shape[:2]) // _LONGEST_SIDE)
    colours = colours[::-step, ::step]
    opaque = np.full((*colours.shape[:2], 1), 255, np.uint8)
    return np.ascontiguousarray(np.concatenate([colours, opaque], axis=2))


shown = ShownLook()
