"""The three folders that are scored together: shot, take and truth, read frame by frame."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..bundle import shot_hash
from ..errors import ShotError, TakeError
from ..media import read_still
from ..reader import ShotReader
from ..take import FRAMES, MASKS, TAKE_FILE, Take, frame_name, read_take
from ..wire import Camera
from .regions import StillView, label, moving_pixels
from .visibility import Surface


class Footage:
    """Pictures, masks, depth and labels of the frames of a shot, a take and the truth.

    Frames are named by their 0-based index in the shot.
    """

    def __init__(self, shot: Path, take: Path, *, truth: Path) -> None:
        """Find out which frames there are.

        Raises:
            ShotError: the shot is not usable.
            TakeError: a folder is missing, or take and truth have no frame in common.
        """
        self.reader = ShotReader(shot)
        self.shot = self.reader.shot
        self._take, self._truth = take, truth
        self._labels: dict[int, np.ndarray | None] = {}
        _need_frames(
            take, "The take", "give the folder that holds the take's frames, mask and take.json."
        )
        _need_frames(
            truth,
            "The truth",
            f"render the shot's true frames to {FRAMES}/{frame_name(self.shot.frame_start)} and"
            " so on.",
        )
        self.in_take = self._present(take)
        self.in_truth = self._present(truth)
        common = [index for index in self.in_take if index in set(self.in_truth)]
        if not common:
            first, last = self.shot.frame(0), self.shot.frame(self.shot.frames - 1)
            raise TakeError(
                f"The take and the truth have none of the shot's frames {first} to {last} in"
                f" common ({len(self.in_take)} in the take, {len(self.in_truth)} in the truth);"
                " name the files by their Blender frame."
            )
        self.scored = tuple(index for index in common if index not in self.still_frames)
        if not self.scored:
            raise TakeError(
                "The only true frames are the stills themselves, which say nothing about the take;"
                " render others."
            )

    @cached_property
    def still_frames(self) -> frozenset[int]:
        """Indices of the frames that are stills."""
        return frozenset(still.index for still in self.shot.stills if still.camera is None)

    @cached_property
    def record(self) -> Take | None:
        """The take's record, None when it has none (frames of another tool)."""
        return read_take(self._take) if (self._take / TAKE_FILE).is_file() else None

    @cached_property
    def is_of_this_shot(self) -> bool:
        """Whether the take's record names this shot, or it has no record."""
        return self.record is None or self.record.shot_sha256 == shot_hash(self.reader.folder)

    @cached_property
    def windows(self) -> tuple[int, ...]:
        """Indices of the first new frame of each window, as the take's record has them.

        Empty for a take that was not made in windows, or whose record says nothing usable of them:
        a record's details are for people, and a take of another tool may have any.
        """
        noted = None if self.record is None else self.record.details.get("windows")
        if not isinstance(noted, list) or not all(type(index) is int for index in noted):
            return ()
        rising = all(before < after for before, after in pairwise(noted))
        inside = noted[:1] == [0] and noted[-1] < self.shot.frames
        return tuple(noted) if rising and inside else ()

    @property
    def unexpected(self) -> tuple[str, ...]:
        """Pictures in the take that are no frame of the shot."""
        expected = {frame_name(self.shot.frame(index)) for index in range(self.shot.frames)}
        present = (file.name for file in (self._take / FRAMES).glob("*.png"))
        return tuple(sorted(set(present) - expected))

    def camera(self, index: int) -> Camera:
        """Return the camera of a frame."""
        return self.shot.cameras[index]

    def take_picture(self, index: int) -> np.ndarray:
        """Return a frame of the take (H, W, 3) float32, 0 to 1."""
        return self._picture(self._take, FRAMES, index, place="The take's frame")

    def true_picture(self, index: int) -> np.ndarray:
        """Return a true frame (H, W, 3) float32, 0 to 1."""
        return self._picture(self._truth, FRAMES, index, place="The true frame")

    def mask(self, index: int) -> np.ndarray | None:
        """Return the take's mask (H, W) float32, 1 = generated, None when there is none."""
        if not self._file(self._take, MASKS, index).is_file():
            return None
        return self._picture(self._take, MASKS, index, place="The take's mask")[..., 0]

    def has_depth(self, index: int) -> bool:
        """Return whether the true depth of a frame is known."""
        return self.shot.guide("depth")[index] is not None

    def depth(self, index: int) -> np.ndarray | None:
        """Return the true depth (H, W) of a frame, None where it is not known."""
        return self.reader.depth(index)

    def labels(self, index: int) -> np.ndarray | None:
        """Return the labels (H, W) of a frame (`regions`), None where they cannot be had."""
        if index not in self._labels:
            self._labels[index] = self._label(index)
        return self._labels[index]

    @cached_property
    def stills(self) -> tuple[StillView, ...] | None:
        """What the stills show, None when that of one is not known.

        It is not without depth at the still's frame, nor for a still with a camera of its own,
        which no guide is seen from.
        """
        views = []
        for position, still in enumerate(self.shot.stills):
            if still.camera is not None or not self.has_depth(still.index):
                return None
            depth = self.reader.still_depth(position)
            moving = self._moving(still.index, depth)
            views.append(StillView(self.camera(still.index), Surface.of(depth), moving))
        return tuple(views)

    def _label(self, index: int) -> np.ndarray | None:
        depth = self.depth(index)
        if depth is None or self.stills is None:
            return None
        moving = self._moving(index, depth)
        return label(depth, self.camera(index), self.stills, moving=moving)

    def _moving(self, index: int, depth: np.ndarray) -> np.ndarray | None:
        flow = self.reader.flow(index)
        return None if flow is None else moving_pixels(flow, depth, self.shot.cameras, index)

    def _file(self, folder: Path, kind: str, index: int) -> Path:
        return folder / kind / frame_name(self.shot.frame(index))

    def _present(self, folder: Path) -> tuple[int, ...]:
        indices = range(self.shot.frames)
        return tuple(index for index in indices if self._file(folder, FRAMES, index).is_file())

    def _picture(self, folder: Path, kind: str, index: int, *, place: str) -> np.ndarray:
        place = f"{place} {self.shot.frame(index)}"
        try:
            pixels = read_still(self._file(folder, kind, index), place=place).pixels
        except ShotError as reason:
            raise TakeError(str(reason)) from reason
        height, width = pixels.shape[:2]
        if (width, height) != self.shot.size:
            raise TakeError(
                f"{place} is {width} x {height}, but the shot is"
                f" {self.shot.size[0]} x {self.shot.size[1]}; only pictures of the same size can"
                " be compared."
            )
        return pixels


def _need_frames(folder: Path, what: str, way_out: str) -> None:
    if not folder.is_dir():
        raise TakeError(f"{what} '{folder}' is no folder; {way_out}")
    if not (folder / FRAMES).is_dir():
        raise TakeError(f"{what} '{folder}' has no folder '{FRAMES}'; {way_out}")
