"""A shot with its pixels, decoded as they are asked for."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import numpy as np

from . import media
from .errors import ShotError
from .marks import Mark, read_mark
from .wire import Camera, read_shot

_KEPT_BYTES = 1024**3  # of decoded stills


class ShotReader:
    """Reads one shot; every method may be called from several threads.

    Attributes:
        folder: The shot's folder.
        shot: Its description.
    """

    def __init__(self, folder: Path, **words: str) -> None:
        """Read and check `shot.json`; pixels are read later.

        Args:
            folder: The shot's folder.
            **words: `prompt` or `negative_prompt` in place of the shot's own.

        Raises:
            ShotError: the shot is not usable, or names a file that is missing.
        """
        self.folder = folder
        self.shot = replace(read_shot(folder), **words)
        self._lock = threading.Lock()
        self._stills: OrderedDict[int, media.StillPixels] = OrderedDict()
        self._warnings: dict[str, None] = {}

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about what was read so far that do not stop a job, each once."""
        with self._lock:
            return tuple(self._warnings)

    def still(self, position: int) -> media.StillPixels:
        """Return the pixels of `shot.stills[position]` in its own resolution.

        The same arrays are handed out again: do not write into them.

        Raises:
            ShotError: the file is no PNG, is damaged, or has another aspect than the shot.
        """
        with self._lock:
            if position in self._stills:
                self._stills.move_to_end(position)
                return self._stills[position]
            still = self._decode_still(position)
            self._stills[position] = still
            kept = sum(entry.pixels.nbytes for entry in self._stills.values())
            while kept > _KEPT_BYTES and len(self._stills) > 1:
                kept -= self._stills.popitem(last=False)[1].pixels.nbytes
            return still

    def still_marks(self) -> tuple[Mark, ...]:
        """Return what the stills say that generated them or a part of them; it is warned of.

        Raises:
            ShotError: a still cannot be read.
        """
        marks = []
        for still in self.shot.stills:
            mark = read_mark(self.folder / still.image)
            if mark is not None and mark.generated:
                marks.append(mark)
                self._warn(
                    f"The still '{still.image}' is generated in part already, {_made_by(mark)}; all"
                    " of it counts as seen, so the mask shows only what is generated anew."
                )
        return tuple(marks)

    def still_camera(self, position: int) -> Camera:
        """Return the camera that `shot.stills[position]` was taken with, in pixels of `size`."""
        still = self.shot.stills[position]
        return still.camera or self.shot.cameras[still.index]

    def still_depth(self, position: int) -> np.ndarray:
        """Return the depth seen from the camera of `shot.stills[position]`, as `depth` does.

        Raises:
            ShotError: the shot does not know it: no depth at the still's frame, or the still has
                a camera of its own, which no guide is seen from.
        """
        still = self.shot.stills[position]
        if still.camera is not None:
            raise ShotError(
                f"The still '{still.image}' has its own camera, and guides are seen from the"
                " frames' cameras alone; put the still at one of the frames."
            )
        depth = self.depth(still.index)
        if depth is None:
            raise ShotError(
                f"The still '{still.image}' stands at frame {self.shot.frame(still.index)}, which"
                " has no depth; capture the shot with depth at that frame."
            )
        return depth

    def depth(self, index: int) -> np.ndarray | None:
        """Return the depth of a frame: (H, W) float32, metres, +inf where nothing is hit.

        None where the shot does not know it. The array is the caller's own.

        Raises:
            ShotError: the file is not usable; the message names the frame.
        """
        path = self.shot.guide("depth")[index]
        if path is None:
            return None
        place = self._place("depth", index, path)
        return media.read_depth(self.folder / path, size=self.shot.size, place=place)

    def flow(self, index: int) -> np.ndarray | None:
        """Return the flow of a frame: (H, W, 4) float32, prev_u prev_v next_u next_v in pixels.

        None where the shot does not know it. The array is the caller's own.

        Raises:
            ShotError: the file is not usable; the message names the frame.
        """
        path = self.shot.guide("flow")[index]
        if path is None:
            return None
        place = self._place("flow", index, path)
        return media.read_flow(self.folder / path, size=self.shot.size, place=place)

    def lock(self, index: int) -> np.ndarray | None:
        """Return how much of what stills show is to be kept: (H, W) float32, 0 to 1.

        None where the shot does not say. The array is the caller's own.

        Raises:
            ShotError: the file is not usable; the message names the frame.
        """
        path = self.shot.guide("lock")[index]
        if path is None:
            return None
        place = self._place("lock", index, path)
        return media.read_share(self.folder / path, size=self.shot.size, place=place)

    def depth_and_flow(self, index: int) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Return `depth` and `flow` of a frame; a file that holds both is decoded once.

        Raises:
            ShotError: the file is not usable; the message names the frame.
        """
        path = self.shot.guide("depth")[index]
        if path is None or path != self.shot.guide("flow")[index]:
            return self.depth(index), self.flow(index)
        return media.read_depth_and_flow(
            self.folder / path,
            size=self.shot.size,
            depth_place=self._place("depth", index, path),
            flow_place=self._place("flow", index, path),
        )

    def _place(self, guide: str, index: int, path: str) -> str:
        return f"Frame {self.shot.frame(index)}, guides.{guide}[{index}] '{path}'"

    def _decode_still(self, position: int) -> media.StillPixels:
        entry = self.shot.stills[position]
        place = f"stills[{position}] '{entry.image}'"
        still = media.read_still(self.folder / entry.image, place=place)
        height, width = still.pixels.shape[:2]
        wanted_width, wanted_height = self.shot.size
        aspect = wanted_height / wanted_width
        # Either side may have been rounded down by up to a pixel when the still was scaled.
        if abs(width * aspect - height) > max(1.0, aspect):
            raise ShotError(
                f"{place} is {width} x {height}, another aspect than the shot's"
                f" {wanted_width} x {wanted_height}; render or crop it to the shot's aspect."
            )
        if width < wanted_width:
            self._warn(
                f"The still '{entry.image}' is {width} x {height}, smaller than the shot, and was"
                " enlarged; a still of the shot's size is sharper."
            )
        if still.had_alpha:
            self._warn(f"The still '{entry.image}' is partly transparent; it was put over black.")
        return still

    def _warn(self, message: str) -> None:
        self._warnings[message] = None


def _made_by(mark: Mark) -> str:
    """Return what generated a picture, in words; its mark names models with their revisions."""
    if not mark.model:
        return "as its own mark says"
    models = [each.rpartition(" ")[0] or each for each in mark.model.split(", ")]
    return f"by the model{'s' if len(models) > 1 else ''} {', '.join(models)}"
