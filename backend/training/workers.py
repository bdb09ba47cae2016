"""Processes that render examples into a ring, started again where they end by themselves.

The system kills a process when memory runs out, and people do: what it was at is lost, and the next
one goes on with the same scene. Only one that ends again and again before it has made any scene is
given up.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from contextlib import ExitStack
from ctypes import c_bool
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import torch

from ..errors import DepthshotError, StorageError
from .ring import Ring, open_ring
from .scenes import make_examples

NICE = 5  # the trainer goes first
STRIDE = 10_000_000  # seeds between two processes: neither reaches the other's
_GOODBYE = 20.0  # seconds a process has to end its scene
_TRIES = 3  # starts in a row that led to no scene
_CAUSES = {  # of signals that nobody sends on purpose; Windows has neither
    "SIGKILL": ", as the system does when memory runs out",
    "SIGBUS": ", as the system does when the disk of the examples is full or fails",
}

_log = logging.getLogger(__name__)


class WorkerLost(DepthshotError):
    """A process that renders examples ends by itself, however often it is started."""


class Workers:
    """The processes that fill a ring; threads may share it.

    They are told to stop through one shared byte. The lock of a `multiprocessing.Event` would stay
    locked for ever if a process were killed while it holds it.
    """

    def __init__(self, ring: Ring, folder: Path, *, count: int, size: int, seed: int) -> None:
        """Start them.

        Args:
            ring: What they fill.
            folder: Where it is.
            count: How many.
            size: Pixels a side of an example.
            seed: Where their seeds start.

        Raises:
            StorageError: the system starts no more; those that were started are ended.
        """
        self._ring, self._folder = ring, folder
        self._size, self._seed = size, seed
        self._context = multiprocessing.get_context("spawn")
        self._stop = self._context.RawValue(c_bool, False)
        self._looking = threading.Lock()
        self._scenes = [int(made) for made in ring.scenes[:count]]  # at the last start
        self._fruitless = [0] * count
        self._processes: list[BaseProcess] = []
        with ExitStack() as undo:
            undo.callback(self.close)
            for number in range(count):
                self._processes.append(self._start(number, count))
            undo.pop_all()

    def check(self) -> None:
        """Start processes again that have ended.

        Raises:
            WorkerLost: one has ended several times in a row without a scene.
            StorageError: the system starts no more.
        """
        with self._looking:
            if self._stop.value:
                return
            for number, process in enumerate(self._processes):
                if process.exitcode is not None:
                    self._start_again(number, process)

    def close(self) -> None:
        """End the processes after the scene each is at."""
        with self._looking:
            self._stop.value = True
        for process in self._processes:
            process.join(_GOODBYE)
            if process.is_alive():
                _log.warning("%s does not end by itself and is ended", process.name)
                process.terminate()
                process.join()

    def _start(self, number: int, count: int) -> BaseProcess:
        process = self._context.Process(
            target=_work,
            args=(self._folder, number, count, self._seed, self._size, self._stop),
            name=f"scenes-{number}",
            daemon=True,
        )
        try:
            process.start()
        except OSError as reason:
            raise StorageError(
                f"The process {process.name}, which renders examples, cannot be started"
                f" ({reason.strerror or reason}); give fewer --processes, or close other programs."
            ) from reason
        return process

    def _start_again(self, number: int, process: BaseProcess) -> None:
        made = int(self._ring.scenes[number])
        fruitless = made == self._scenes[number]
        self._fruitless[number] = self._fruitless[number] + 1 if fruitless else 0
        if self._fruitless[number] >= _TRIES:
            raise WorkerLost(
                f"{_epitaph(process)}, {_TRIES} times in a row before it had made a scene; the"
                " examples made so far are kept, so give the same command again when that is"
                " mended, with fewer processes if memory ran out."
            )
        _log.warning("%s; it is started again", _epitaph(process))
        self._scenes[number] = made
        self._processes[number] = self._start(number, len(self._processes))


def _epitaph(process: BaseProcess) -> str:
    """Return how a process ended, without a full stop."""
    what, code = f"The process {process.name}, which renders examples,", process.exitcode
    if code is not None and code < 0:
        how = signal.strsignal(-code) or "unknown"
        causes = (cause for name, cause in _CAUSES.items() if getattr(signal, name, None) == -code)
        return f"{what} was ended by signal {-code} ({how}){next(causes, '')}"
    return f"{what} ended with code {code} (what it said stands above)"


def _work(folder: Path, number: int, processes: int, seed: int, size: int, stop: c_bool) -> None:
    """Render scenes into the rows number, number + processes, ... until told to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the trainer gets it, and says stop
    if hasattr(os, "nice"):  # Windows has none
        os.nice(NICE)
    torch.set_num_threads(1)
    ring = open_ring(folder)
    trainer = multiprocessing.parent_process()
    own = np.arange(number, len(ring.stamps), processes)
    while not stop.value and trainer.is_alive():
        scene = seed + number * STRIDE + int(ring.scenes[number])
        for example in make_examples(scene, size=size):
            if not trainer.is_alive():
                return  # it was killed: the rows may be the next one's already
            ring.put(int(own[ring.stamps[own].argmin()]), example)
        ring.scenes[number] += 1
