"""The frames of a finished take, one after another, as they are on disk now."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from .. import media
from ..errors import ShotError, TakeError
from ..take import FRAMES, MASKS, frame_name, read_take


class TakeFrames:
    """Reads a take's frames and masks and notes which are not as they were made.

    Retouched frames are an artist's right, so they are read all the same.

    Attributes:
        folder: The take's folder.
        take: Its record.
    """

    def __init__(self, folder: Path) -> None:
        """Read the record.

        Raises:
            TakeError: there is no finished take in `folder`, or a frame of it is missing.
        """
        if not folder.is_dir():
            raise TakeError(f"There is no take '{folder}'; choose the folder with take.json in it.")
        self.folder = folder
        self.take = read_take(folder)
        self._changed: list[str] = []
        for index in range(self.take.frames):
            self.path(index)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to know about the files read so far, a sentence each."""
        if not self._changed:
            return ()
        return (
            f"{len(self._changed)} of the take's files are not as they were made,"
            f" '{self._changed[0]}' first; they were exported as they are now.",
        )

    def name(self, index: int) -> str:
        """Return the file name of a frame without its suffix, from the Blender frame number."""
        return frame_name(self.take.frame_start + index, "")

    def path(self, index: int) -> Path:
        """Return the file of a frame.

        Raises:
            TakeError: it is gone.
        """
        return self._find(f"{FRAMES}/{self.name(index)}.png")

    def pixels(self, index: int) -> np.ndarray:
        """Return a frame's (H, W, 3) float32 display values, 0 to 1.

        Raises:
            TakeError: the file is gone, damaged, or of another size than the take.
        """
        return self._read(self.path(index))

    def mask(self, index: int) -> np.ndarray:
        """Return the (H, W) float32 share of what was generated in each pixel, 0 to 1.

        Raises:
            TakeError: the file is gone, damaged, or of another size than the take.
        """
        return self._read(self._find(f"{MASKS}/{self.name(index)}.png"))[..., 0]

    def _find(self, name: str) -> Path:
        path = self.folder / name
        if not path.is_file():
            raise TakeError(f"The take has lost '{name}'; generate it again.")
        return path

    def _read(self, path: Path) -> np.ndarray:
        """Return a picture's (H, W, 3) values, and note whether it is as it was made."""
        self._compare(path)
        try:
            pixels = media.read_still(path, place=self._place(path)).pixels
        except ShotError as reason:
            raise TakeError(str(reason)) from reason
        self._check_size(path, pixels)
        return pixels

    def _compare(self, path: Path) -> None:
        name = path.relative_to(self.folder).as_posix()
        try:
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as reason:
            raise TakeError(
                f"The take's '{name}' cannot be read: {reason.strerror or reason}."
            ) from reason
        if digest != self.take.files.get(name) and name not in self._changed:
            self._changed.append(name)

    def _check_size(self, path: Path, pixels: np.ndarray) -> None:
        height, width = pixels.shape[:2]
        if (width, height) != self.take.size:
            raise TakeError(
                f"{self._place(path)} is {width} x {height}, the take"
                f" {self.take.size[0]} x {self.take.size[1]}; put the frame back in its own size."
            )

    def _place(self, path: Path) -> str:
        return f"The take's '{path.relative_to(self.folder).as_posix()}'"
