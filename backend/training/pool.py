"""Examples made ahead: several processes render endlessly into a ring that a trainer draws from.

The ring is a folder of memory-mapped arrays, one row an example, so that drawing costs a copy and
a training that is resumed starts with what an earlier one left. A row has one writer alone. Its
stamp is odd while it is written and even once it is whole; a reader looks at it before and after it
copies (a sequence lock), so no torn example is drawn.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import torch

from ..errors import StorageError
from ..locks import FileLock
from .scenes import Example, make_examples

LAYOUT = 1  # of the folder; another one is made anew
NICE = 5  # the trainer goes first
STRIDE = 10_000_000  # seeds between two processes: neither reaches the other's
MOST_PROCESSES = 256
LEAST_SIZE = 16  # pixels a side
_LOCK_FILE = "in-use.lock"
_LAYOUT_FILE = "layout.json"
_PAUSE = 0.05
_GOODBYE = 20.0  # seconds a process has to end its scene

_log = logging.getLogger(__name__)


class WorkerLost(RuntimeError):
    """A process that renders examples has ended by itself."""


@dataclass(frozen=True, slots=True)
class _Ring:
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


class Pool:
    """A ring and the processes that fill it; use it in a `with` statement, or close it."""

    def __init__(
        self, ring: _Ring, *, processes: Sequence[BaseProcess], stop: Event, held: ExitStack
    ) -> None:
        """Take over what `start` made.

        Args:
            ring: The examples.
            processes: What fills it, running.
            stop: Tells them to end.
            held: What is let go at the end: the folder's lock.
        """
        self._ring = ring
        self._processes = processes
        self._stop = stop
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
            StorageError: the folder cannot be written or is in use, or there is no room.
            ValueError: more processes than rows or than MOST_PROCESSES, or a number below 1.
        """
        if not 1 <= processes <= min(examples, MOST_PROCESSES) or size < LEAST_SIZE:
            raise ValueError(
                f"{processes} processes, {examples} examples of {size} pixels make no pool; give 1"
                f" to {MOST_PROCESSES} processes, at least as many examples and {LEAST_SIZE} pixels"
                " or more."
            )
        with ExitStack() as held:
            _make(folder)
            held.enter_context(FileLock(folder / _LOCK_FILE))
            _prepare(folder, examples=examples, size=size)
            context = multiprocessing.get_context("spawn")
            stop = context.Event()
            workers = [
                context.Process(
                    target=_work,
                    args=(folder, number, processes, seed, size, stop),
                    name=f"scenes-{number}",
                    daemon=True,
                )
                for number in range(processes)
            ]
            pool = cls(_open(folder), processes=workers, stop=stop, held=held.pop_all())
        for worker in workers:
            worker.start()
        _log.info("%d examples in %s, %d processes add more", pool.count, folder, processes)
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

    def wait(self, count: int) -> None:
        """Return once `count` examples can be drawn.

        Raises:
            WorkerLost: a process ended.
            ValueError: the ring has fewer rows.
        """
        if count > len(self._ring.stamps):
            raise ValueError(
                f"the pool has room for {len(self._ring.stamps)} examples, so {count} will never"
                " be there; make it larger or wait for fewer."
            )
        while self.count < count:
            self._check()
            time.sleep(_PAUSE)

    def draw(self, rng: np.random.Generator) -> Example:
        """Return a copy of an example at random, waiting for the first one; threads may call it.

        Raises:
            WorkerLost: a process ended.
        """
        self._check()
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
        self._stop.set()
        for process in self._processes:
            process.join(_GOODBYE)
            if process.is_alive():
                _log.warning("%s does not end by itself and is ended", process.name)
                process.terminate()
                process.join()
        self._held.close()

    def _check(self) -> None:
        lost = [process for process in self._processes if process.exitcode is not None]
        if lost and not self._stop.is_set():
            raise WorkerLost(_epitaph(lost[0]))


def _epitaph(process: BaseProcess) -> str:
    return (
        f"The process {process.name}, which renders examples, ended with code {process.exitcode};"
        " what it said stands above, and the examples made so far are kept for the next start."
    )


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as reason:
        raise StorageError(
            f"{folder} cannot hold the examples: {reason.strerror or reason}; give another folder."
        ) from reason


def _prepare(folder: Path, *, examples: int, size: int) -> None:
    """Make the arrays, unless they are there with the same shape."""
    layout = {"layout": LAYOUT, "examples": examples, "size": size}
    note = folder / _LAYOUT_FILE
    if note.is_file() and json.loads(note.read_text()) == layout:
        return
    shapes = {
        "filled": ((examples, 3, size, size), np.uint8),
        "truth": ((examples, 3, size, size), np.uint8),
        "generated": ((examples, size, size), np.uint8),
        "inverse": ((examples, size, size), np.float32),
        "stamps": ((examples,), np.int64),
        "scenes": ((MOST_PROCESSES,), np.int64),
    }
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
        note.write_text(json.dumps(layout))  # last: without it the arrays are made anew
    except OSError as reason:
        raise StorageError(
            f"{folder} cannot hold the examples: {reason.strerror or reason}; give another folder."
        ) from reason


def _open(folder: Path) -> _Ring:
    names = ("filled", "truth", "generated", "inverse", "stamps", "scenes")
    return _Ring(*(np.load(folder / f"{name}.npy", mmap_mode="r+") for name in names))


def _work(folder: Path, number: int, processes: int, seed: int, size: int, stop: Event) -> None:
    """Render scenes into the rows number, number + processes, ... until told to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the trainer gets it, and says stop
    if hasattr(os, "nice"):  # Windows has none
        os.nice(NICE)
    torch.set_num_threads(1)
    ring = _open(folder)
    parent = multiprocessing.parent_process()
    own = np.arange(number, len(ring.stamps), processes)
    while not stop.is_set() and (parent is None or parent.is_alive()):
        scene = seed + number * STRIDE + int(ring.scenes[number])
        for example in make_examples(scene, size=size):
            ring.put(int(own[ring.stamps[own].argmin()]), example)
        ring.scenes[number] += 1
