"""Single frames of a movie file, read by Blender itself: its Python has no other decoder.

An image of Blender's shows the frame that was read last, and a texture reads the one that its
`image_user` names; nothing is rendered, so the artist's last render stays where it is.
"""

from __future__ import annotations

import contextlib
import filecmp
import itertools
import uuid
from pathlib import Path

import bpy
import numpy as np

from ..backend.errors import CaptureError, StorageError


class Movie:
    """A movie file, open while a `with` block lasts.

    Attributes:
        frames: How many it has.
    """

    def __init__(self, path: Path, *, deinterlace: bool = False) -> None:
        """Open it.

        Raises:
            CaptureError: Blender cannot read it.
        """
        self._path = path
        try:
            self._image = bpy.data.images.load(str(path), check_existing=False)
        except RuntimeError as reason:
            raise self._unreadable() from reason
        # Code values as they are in the file.
        self._image.colorspace_settings.name = "Non-Color"
        self._image.use_deinterlace = deinterlace
        self.frames = self._image.frame_duration
        if self._image.source != "MOVIE" or self.frames < 1 or 0 in self._image.size[:]:
            self.close()
            raise self._unreadable()

    def __enter__(self) -> Movie:
        """Return the movie."""
        return self

    def __exit__(self, *reason: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Take it out of Blender's data again."""
        bpy.data.images.remove(self._image)

    def read(self, index: int) -> np.ndarray:
        """Return a frame.

        Args:
            index: Which, from 0.

        Returns:
            (H, W, 4) float32 code values, 1 = white, the first row at the bottom.

        Raises:
            CaptureError: Blender cannot read that frame.
        """
        texture = bpy.data.textures.new("Depthshot", "IMAGE")
        try:
            texture.image = self._image
            texture.use_interpolation = False
            user = texture.image_user
            user.use_auto_refresh = False
            user.frame_duration = self.frames
            user.frame_start, user.frame_offset = 1, 0
            user.frame_current = index + 1
            texture.evaluate((0.0, 0.0, 0.0))
        finally:
            bpy.data.textures.remove(texture)
        width, height = self._image.size
        values = np.empty(width * height * 4, np.float32)
        if len(self._image.pixels) != len(values):
            raise self._unreadable()
        self._image.pixels.foreach_get(values)
        return values.reshape(height, width, 4)

    def save(self, index: int, folder: Path, *, name: str) -> Path:
        """Write a frame as a PNG, with 16 bits a value where the movie has more than 8.

        Args:
            index: Which, from 0.
            folder: Folder that gets the file; made if it is missing.
            name: The file's name without its ending. Where there is one of that name with other
                pixels, a number is added; nothing is written over.

        Returns:
            The file.

        Raises:
            CaptureError: Blender cannot read the frame.
            StorageError: the file cannot be written.
        """
        values = self.read(index)
        height, width, _ = values.shape
        image = bpy.data.images.new(
            "Depthshot", width, height, alpha=True, float_buffer=self._image.is_float
        )
        fresh = folder / f".{uuid.uuid4().hex}.png"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            image.colorspace_settings.name = "Non-Color"
            image.pixels.foreach_set(values.ravel())
            image.file_format = "PNG"
            image.save(filepath=str(fresh))
            return _keep(fresh, folder, name)
        except (OSError, RuntimeError) as reason:
            raise StorageError(
                f"The folder for takes '{folder}' cannot be written; free some space or choose"
                " another one in the preferences."
            ) from reason
        finally:
            bpy.data.images.remove(image)
            with contextlib.suppress(OSError):  # it could not be made, or its disk is gone
                fresh.unlink(missing_ok=True)

    def _unreadable(self) -> CaptureError:
        return CaptureError(
            f"The movie '{self._path}' cannot be read; render the frame to an image."
        )


def _keep(fresh: Path, folder: Path, name: str) -> Path:
    """Give a new file the first name that is free, or return the one that has the same bytes."""
    names = (
        f"{name}-{number}.png" if number > 1 else f"{name}.png" for number in itertools.count(1)
    )
    paths = (folder / each for each in names)
    kept = next(p for p in paths if not p.exists() or filecmp.cmp(fresh, p, shallow=False))
    return kept if kept.exists() else fresh.rename(kept)
