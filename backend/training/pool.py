"""Examples made ahead: several processes render endlessly into a ring that a trainer draws from.

The ring is a folder of memory-mapped arrays (`ring.py`), so that drawing costs a copy and a
training that is resumed starts with what an earlier one left. The processes (`workers.py`) are
started again where they end by themselves.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from ..errors import SettingError
from ..locks import FileLock
from .ring import MOST_PROCESSES, Ring, make_folder, make_ring, open_ring
from .scenes import Example
from .workers import Workers

LEAST_SIZE = 16  # pixels a side
_LOCK_FILE = "in-use.lock"
_PAUSE = 0.05

_log = logging.getLogger(__name__)


class Pool:
    """A ring and the processes that fill it; use it in a `with` statement, or close it."""

    def __init__(self, ring: Ring, *, workers: Workers, held: ExitStack) -> None:
        """Take over what `start` made.

        Args:
            ring: The examples.
            workers: What fills it.
            held: What is let go at the end: the folder's lock.
        """
        self._ring = ring
        self._workers = workers
        self._held = held

    @classmethod
    def start(cls, folder: Path, *, examples: int, size: int, processes: int, seed: int) -> Pool:
        """Open the ring, or make it, and start the processes.

        A ring of the same shape that is there already is used on, with its examples.

        Args:
            folder: Where the ring is; nothing else should be in it.
            examples: Rows of the ring.
            size: Pixels a side of an example.
            processes: How many render, each on one thread.
            seed: Where their seeds start.

        Raises:
            StorageError: the folder cannot be written or is in use, there is no room, or the
                system starts no more processes.
            SettingError: as of `check_pool`.
        """
        check_pool(examples=examples, size=size, processes=processes)
        with ExitStack() as held:
            make_folder(folder)
            held.enter_context(FileLock(folder / _LOCK_FILE))
            make_ring(folder, examples=examples, size=size)
            ring = open_ring(folder)
            workers = Workers(ring, folder, count=processes, size=size, seed=seed)
            pool = cls(ring, workers=workers, held=held.pop_all())
        _log.info("%d examples in %s, processes that add more: %d", pool.count, folder, processes)
        return pool

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    @property
    def count(self) -> int:
        """Examples that can be drawn now."""
        return len(self._ring.whole())

    @property
    def made(self) -> int:
        """Examples written since the ring was made, those overwritten since included."""
        return int((self._ring.stamps // 2).sum())

    def wait(self, count: int, *, until: Callable[[], bool] = lambda: False) -> None:
        """Return once `count` examples can be drawn, or `until` says so.

        Raises:
            WorkerLost: a process ends again and again.
            StorageError: one has ended, and the system starts no more.
            ValueError: the ring has fewer rows.
        """
        if count > len(self._ring.stamps):
            raise ValueError(
                f"the pool has room for {len(self._ring.stamps)} examples, so {count} will never"
                " be there; make it larger or wait for fewer."
            )
        if self.count < count:
            _log.info("Waiting for the first %d examples", count)
        while self.count < count and not until():
            self._workers.check()
            time.sleep(_PAUSE)

    def draw(self, rng: np.random.Generator) -> Example:
        """Return a copy of an example at random, waiting for the first one; threads may call it.

        Raises:
            WorkerLost: a process ends again and again.
            StorageError: one has ended, and the system starts no more.
        """
        self._workers.check()
        while True:
            rows = self._ring.whole()
            if len(rows):
                example = self._ring.get(int(rng.choice(rows)))
                if example is not None:
                    return example
            else:
                self.wait(1)

    def close(self) -> None:
        """End the processes after the scene each is at; the ring stays."""
        self._workers.close()
        self._held.close()


def check_pool(*, examples: int, size: int, processes: int) -> None:
    """Refuse what makes no pool.

    Raises:
        SettingError: more processes than rows or than MOST_PROCESSES, or a number too small.
    """
    if size < LEAST_SIZE:
        raise SettingError(
            f"An example cannot have {size} pixels a side; give {LEAST_SIZE} or more."
        )
    if examples < 1:
        raise SettingError(f"A pool cannot hold {examples} examples; give 1 or more.")
    if not 1 <= processes <= min(examples, MOST_PROCESSES):
        raise SettingError(
            f"{processes} processes cannot fill a pool of {examples} examples; give 1 to"
            f" {min(examples, MOST_PROCESSES)}."
        )
