"""Which parts of a frame the network has to look at: rectangles around what may be changed.

Work is in proportion to the area that may be changed. Each rectangle owns its inner part, and what
the network says of the margin around it is not used: the network looks about 100 px far, but what
it says hardly depends on more than `MARGIN`. Where the margin would leave the frame the rectangle
ends at the frame's border, as the crops did that the network was trained on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np

MARGIN = 48  # pixels
MOST_PIXELS = 256 * 1024  # of one rectangle with its margin, where the shape allows it
_MOST_CELLS = 1024  # of the grid on which rectangles are found; larger frames have larger cells

_Box = tuple[int, int, int, int]  # top, bottom, left, right; the second and last not included


@dataclass(frozen=True, slots=True)
class Tile:
    """One rectangle: pixels `inner` are its own, pixels `outer` are what the network is given.

    Both are (top, bottom, left, right) with bottom and right not included.
    """

    inner: _Box
    outer: _Box

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of what the network is given."""
        top, bottom, left, right = self.outer
        return bottom - top, right - left

    @property
    def pixels(self) -> int:
        """How many pixels the network is given."""
        height, width = self.shape
        return height * width


def cover(
    editable: np.ndarray, *, multiple: int, margin: int = MARGIN, most: int = MOST_PIXELS
) -> list[Tile]:
    """Return tiles of which each editable pixel belongs to exactly one.

    Args:
        editable: (H, W) bool; H and W are multiples of `multiple`.
        multiple: Every edge of every tile is a multiple of this.
        margin: Pixels around a tile's own, at least.
        most: Pixels of one tile with its margin; only a tile that has the size of one cell of the
            grid may have more.
    """
    cell = multiple
    while ceil(editable.shape[0] / cell) * ceil(editable.shape[1] / cell) > _MOST_CELLS:
        cell *= 2
    margin = ceil(margin / multiple) * multiple
    finder = _Finder(editable, cell, margin, most)
    return [Tile(finder.pixels(box, 0), finder.pixels(box, margin)) for box in finder.find()]


def batch(tiles: list[Tile], *, most: int = MOST_PIXELS) -> Iterator[list[Tile]]:
    """Yield all tiles, of equal shape together up to `most` pixels (but at least one tile)."""
    shapes: dict[tuple[int, int], list[Tile]] = {}
    for tile in tiles:
        shapes.setdefault(tile.shape, []).append(tile)
    for alike in shapes.values():
        count = max(1, most // alike[0].pixels)
        for start in range(0, len(alike), count):
            yield alike[start : start + count]


class _Finder:
    """Cuts the cells that hold editable pixels into boxes, with edges in cells.

    A box is cut where that leaves fewer pixels to look at, margins included, or where it is too
    large. Each cut goes from edge to edge, and each part is shrunk to what it holds.
    """

    def __init__(self, editable: np.ndarray, cell: int, margin: int, most: int) -> None:
        self.size = editable.shape
        self.cell, self.margin, self.most = cell, margin, most
        below, right = (-length % cell for length in self.size)
        padded = np.pad(editable, ((0, below), (0, right)))
        rows, columns = (length // cell for length in padded.shape)
        self.grid = padded.reshape(rows, cell, columns, cell).any(axis=(1, 3))

    def find(self) -> list[_Box]:
        """Return boxes that hold every cell with editable pixels, and hardly any others."""
        if not self.grid.any():
            return []
        return self._split(self._shrink((0, self.grid.shape[0], 0, self.grid.shape[1])))[1]

    def pixels(self, box: _Box, margin: int) -> _Box:
        """Return the pixels of a box widened by a margin, but not beyond the frame."""
        return tuple(int(edge) for edge in self._edges(box, margin))

    def _split(self, box: _Box) -> tuple[int, list[_Box]]:
        """Return how many pixels the parts of a box take, and the parts."""
        top, bottom, left, right = box
        cells = self.grid[top:bottom, left:right]
        cost = int(self._cost(box))
        fits = cost <= self.most or cells.size == 1
        if fits and cells.all():
            return cost, [box]
        near, far = _cuts(cells, top, left)
        costs = self._cost(near) + self._cost(far)
        best = int(costs.argmin())
        if fits or costs[best] < cost:
            halves = [tuple(int(edge[best]) for edge in part) for part in (near, far)]
        else:
            halves = self._halves(box)
        parts = [self._split(half) for half in halves]
        total = sum(part[0] for part in parts)
        if fits and total >= cost:
            return cost, [box]
        return total, [small for part in parts for small in part[1]]

    def _halves(self, box: _Box) -> list[_Box]:
        """Return both halves of a box, cut across its longer side."""
        top, bottom, left, right = box
        if bottom - top > right - left:
            middle = (top + bottom) // 2
            halves = ((top, middle, left, right), (middle, bottom, left, right))
        else:
            middle = (left + right) // 2
            halves = ((top, bottom, left, middle), (top, bottom, middle, right))
        return [self._shrink(half) for half in halves if self._holds(half)]

    def _holds(self, box: _Box) -> bool:
        top, bottom, left, right = box
        return bool(self.grid[top:bottom, left:right].any())

    def _shrink(self, box: _Box) -> _Box:
        """Return the smallest box around what a box holds; it holds something."""
        top, bottom, left, right = box
        cells = self.grid[top:bottom, left:right]
        rows, columns = (np.flatnonzero(cells.any(axis=axis)) for axis in (1, 0))
        return (
            top + int(rows[0]),
            top + int(rows[-1]) + 1,
            left + int(columns[0]),
            left + int(columns[-1]) + 1,
        )

    def _edges(self, box: _Box | np.ndarray, margin: int) -> tuple[np.ndarray, ...]:
        height, width = self.size
        top, bottom, left, right = (edge * self.cell for edge in box)
        return (
            np.maximum(top - margin, 0),
            np.minimum(bottom + margin, height),
            np.maximum(left - margin, 0),
            np.minimum(right + margin, width),
        )

    def _cost(self, box: _Box | np.ndarray) -> np.ndarray:
        """Return how many pixels a box, or each of (4, n) boxes, takes with its margin."""
        top, bottom, left, right = self._edges(box, self.margin)
        return (bottom - top) * (right - left)


def _cuts(cells: np.ndarray, top: int, left: int) -> tuple[np.ndarray, np.ndarray]:
    """Return every cut of a box that is no larger than what it holds: both parts, shrunk.

    Args:
        cells: (rows, columns) bool, those of the box.
        top: Its first row in the grid.
        left: Its first column.

    Returns:
        Two arrays (4, n) with the edges of the part before and the part after each cut.
    """
    before, after = zip(_column_cuts(cells), _column_cuts(cells.T)[:, [2, 3, 0, 1]], strict=True)
    offset = np.array([[top], [top], [left], [left]])
    return np.concatenate(before, axis=1) + offset, np.concatenate(after, axis=1) + offset


def _column_cuts(cells: np.ndarray) -> np.ndarray:
    """Return (2, 4, columns - 1): the edges of both parts of each cut between two columns."""
    rows, columns = cells.shape
    filled = cells.any(axis=0)
    number = np.arange(columns)
    first = np.where(filled, cells.argmax(axis=0), rows)
    last = np.where(filled, rows - cells[::-1].argmax(axis=0), 0)
    end = np.where(filled, number + 1, 0)
    start = np.where(filled, number, columns)
    lowest, highest = np.minimum.accumulate, np.maximum.accumulate
    before = [lowest(first), highest(last), np.zeros_like(end), highest(end)]
    after = [lowest(first[::-1])[::-1], highest(last[::-1])[::-1], lowest(start[::-1])[::-1]]
    after.append(np.full_like(start, columns))
    return np.stack([np.stack(before)[:, :-1], np.stack(after)[:, 1:]])
