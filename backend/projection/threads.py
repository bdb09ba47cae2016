"""Frames are made several at a time and come back in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

_LOOK_SECONDS = 0.25  # between two calls of `waiting`

T = TypeVar("T")


def in_order(
    tasks: Iterable[Callable[[], T]], *, device: torch.device, waiting: Callable[[], None]
) -> Iterator[T]:
    """Run tasks side by side and yield what they return, in their order.

    To be closed (`contextlib.closing`) by whoever may leave it early: only then are torch's
    threads as before.

    Args:
        tasks: Taken one by one in the caller's thread, a few ahead of what is yielded.
        device: Where they compute.
        waiting: Called a few times a second while a result is waited for; what it raises ends
            everything, after the tasks that are running.
    """
    with _frame_threads(device) as (pool, most):
        pending: deque[Future[T]] = deque()
        try:
            for task in tasks:
                pending.append(pool.submit(torch.inference_mode()(task)))
                while len(pending) > most:
                    yield _result(pending.popleft(), waiting)
            while pending:
                yield _result(pending.popleft(), waiting)
        finally:
            for future in pending:
                future.cancel()


def read_ahead(read: Callable[[int], T], indices: list[int], *, ahead: int = 1) -> Iterator[T]:
    """Yield `read(index)` of every index; those that follow are read in threads meanwhile."""
    with ThreadPoolExecutor(max_workers=ahead, thread_name_prefix="guides") as pool:
        coming: deque[Future[T]] = deque()
        try:
            for index in indices:
                coming.append(pool.submit(read, index))
                if len(coming) > ahead:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()
        finally:
            for future in coming:
                future.cancel()


def _result(future: Future[T], waiting: Callable[[], None]) -> T:
    while True:
        try:
            return future.result(timeout=_LOOK_SECONDS)
        except TimeoutError:
            if future.done():
                raise  # the task itself ran out of time
            waiting()


@contextmanager
def one_thread(device: torch.device) -> Iterator[int]:
    """Let torch use one thread of the CPU, and yield how many it had.

    For many small operations its own threads would wait for each other at every one, which is
    slower, and on a busy machine ten times so.
    """
    threads = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _frame_threads(device: torch.device) -> Iterator[tuple[ThreadPoolExecutor, int]]:
    """Yield a pool that makes frames, and how many at a time.

    On a CPU one thread makes one frame, on a GPU there is one frame at a time.
    """
    with one_thread(device) as threads:
        most = threads if device.type == "cpu" else 1
        with ThreadPoolExecutor(
            max_workers=most,
            thread_name_prefix="frames",
            initializer=torch.set_num_threads if device.type == "cpu" else None,
            initargs=(1,) if device.type == "cpu" else (),
        ) as pool:
            yield pool, most
