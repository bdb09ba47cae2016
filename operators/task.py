"""One function in a thread of its own, looked at from outside without waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from ..backend.errors import DepthshotError

T = TypeVar("T")


class Task(Generic[T]):
    """A function running in a thread, which never touches bpy.

    The thread does not keep Blender from ending. An exception other than a `DepthshotError` is a
    mistake in the program: it is shown on the console as any thread's is, and `result` says so.
    """

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._values: list[T] = []
        self._error: DepthshotError | None = None
        self._thread = threading.Thread(target=self._run, name="depthshot", daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether the function has returned or raised."""
        return not self._thread.is_alive()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the function, as long as it takes or no longer than so many seconds.

        Returns:
            Whether it has returned a value, and neither raised nor goes on.
        """
        self._thread.join(seconds)
        return bool(self._values)

    def result(self) -> T:
        """Wait for the function, return what it returned.

        Raises:
            DepthshotError: the function did.
            RuntimeError: the function ended in any other exception.
        """
        self._thread.join()
        if self._error is not None:
            raise self._error
        if not self._values:
            raise RuntimeError("a thread of Depthshot failed; its traceback is on the console")
        return self._values[0]

    def _run(self) -> None:
        try:
            self._values.append(self._function())
        except DepthshotError as error:
            self._error = error
