"""A ring of examples on the disk: memory-mapped arrays in a folder, one row an example.

A row has one writer alone. Its stamp is odd while it is written and even once it is whole; a reader
looks at it before and after it copies (a sequence lock), so no torn example is drawn.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import StorageError
from .scenes import Example

LAYOUT = 1  # of the folder; another one is made anew
MOST_PROCESSES = 256  # that write
_LAYOUT_FILE = "layout.json"


@dataclass(frozen=True, slots=True)
class Ring:
    """The arrays of a ring, mapped.

    Attributes:
        filled: (N, 3, S, S) uint8, and so on as in `Example`.
        truth: (N, 3, S, S) uint8.
        generated: (N, S, S) uint8.
        inverse: (N, S, S) float32.
        stamps: (N,) int64: 0 for nothing yet, odd while being written, else even and growing.
        scenes: (MOST_PROCESSES,) int64: scenes each process has made.
    """

    filled: np.ndarray
    truth: np.ndarray
    generated: np.ndarray
    inverse: np.ndarray
    stamps: np.ndarray
    scenes: np.ndarray

    def put(self, row: int, example: Example) -> None:
        """Write an example; only ever called by the row's own process."""
        stamp = int(self.stamps[row])
        self.stamps[row] = stamp + 1 + stamp % 2  # an odd one is left by a process that was killed
        self.filled[row] = example.filled
        self.truth[row] = example.truth
        self.generated[row] = example.generated
        self.inverse[row] = example.inverse
        self.stamps[row] += 1

    def get(self, row: int) -> Example | None:
        """Return a copy of an example, None if it is just being written."""
        before = int(self.stamps[row])
        example = Example(
            filled=np.array(self.filled[row]),
            truth=np.array(self.truth[row]),
            generated=np.array(self.generated[row]),
            inverse=np.array(self.inverse[row]),
        )
        whole = before > 0 and before % 2 == 0 and before == int(self.stamps[row])
        return example if whole else None

    def whole(self) -> np.ndarray:
        """Return the rows that can be drawn."""
        return np.flatnonzero((self.stamps > 0) & (self.stamps % 2 == 0))


def make_folder(folder: Path) -> None:
    """Make the folder of a ring.

    Raises:
        StorageError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as reason:
        raise StorageError(
            f"{folder} cannot hold the examples: {reason.strerror or reason}; give another folder."
        ) from reason


def make_ring(folder: Path, *, examples: int, size: int) -> None:
    """Make the arrays in a folder, unless they are there, whole and with the same shape.

    Args:
        folder: Where the ring is.
        examples: Rows of the ring.
        size: Pixels a side of an example.

    Raises:
        StorageError: the folder cannot be written, or there is no room.
    """
    layout = {"layout": LAYOUT, "examples": examples, "size": size}
    note = folder / _LAYOUT_FILE
    shapes: Mapping[str, tuple[tuple[int, ...], type[np.generic]]] = {
        "filled": ((examples, 3, size, size), np.uint8),
        "truth": ((examples, 3, size, size), np.uint8),
        "generated": ((examples, size, size), np.uint8),
        "inverse": ((examples, size, size), np.float32),
        "stamps": ((examples,), np.int64),
        "scenes": ((MOST_PROCESSES,), np.int64),
    }
    if _is_written(note, layout) and all(
        _is_whole(folder / f"{name}.npy", shape, kind) for name, (shape, kind) in shapes.items()
    ):
        return
    try:
        note.unlink(missing_ok=True)
        for name in shapes:
            (folder / f"{name}.npy").unlink(missing_ok=True)
        needed = sum(int(np.prod(s)) * np.dtype(kind).itemsize for s, kind in shapes.values())
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise StorageError(
                f"{folder} has room for {free / 1e9:.1f} GB and {examples} examples need"
                f" {needed / 1e9:.1f}; ask for fewer, or give another folder."
            )
        for name, (shape, kind) in shapes.items():
            np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=kind, shape=shape)
        part = note.with_name(note.name + ".part")
        part.write_text(json.dumps(layout))
        part.replace(note)  # last: without it the arrays are made anew
    except OSError as reason:
        raise StorageError(
            f"{folder} cannot hold the examples: {reason.strerror or reason}; give another folder."
        ) from reason


def _is_written(note: Path, layout: Mapping[str, int]) -> bool:
    """Return whether a note can be read and says just that layout."""
    try:
        return json.loads(note.read_text()) == layout
    except (OSError, ValueError):
        return False


def _is_whole(path: Path, shape: tuple[int, ...], kind: type[np.generic]) -> bool:
    """Return whether a file holds such an array and no byte more or less.

    It is mapped to read: mapped to write, a file that is cut off would silently be made longer.
    """
    try:
        array = np.lib.format.open_memmap(path, mode="r")
        whole = path.stat().st_size == array.offset + array.nbytes
    except (OSError, ValueError):
        return False
    return whole and array.shape == shape and array.dtype == kind


def open_ring(folder: Path) -> Ring:
    """Map the arrays that `make_ring` made, to read and to write."""
    names = ("filled", "truth", "generated", "inverse", "stamps", "scenes")
    return Ring(*(np.load(folder / f"{name}.npy", mmap_mode="r+") for name in names))
