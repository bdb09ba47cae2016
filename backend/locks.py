"""A lock between processes that the system itself releases when its holder ends."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path
from types import TracebackType

from .errors import StorageError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_RETRY_SECONDS = 0.05


class FileLock:
    """An exclusive lock on a file, taken with `with` or `take`; the file stays, empty.

    `with` raises StorageError when another process keeps it. The descriptor is not inherited, so
    children of the holder do not keep the lock.
    """

    def __init__(self, path: Path, *, timeout: float = 0.0) -> None:
        self._path = path
        self._timeout = timeout
        self._descriptor: int | None = None

    def take(self) -> bool:
        """Take the lock, waiting up to the timeout; False when another process keeps it."""
        deadline = time.monotonic() + self._timeout
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            held = False
            try:
                while not _try_lock(descriptor):
                    if time.monotonic() >= deadline:
                        return False
                    time.sleep(_RETRY_SECONDS)
                held = _is_at(self._path, descriptor)
            finally:
                if not held:
                    os.close(descriptor)
            if held:
                self._descriptor = descriptor
                return True
            # Its holder has removed the file: another one is the lock now.

    def release(self) -> None:
        """Give the lock back; without effect when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)  # closing releases it on every platform
            self._descriptor = None

    def remove(self) -> None:
        """Give the lock back and remove its file; whoever waits for it goes on with a new one.

        Without effect when it is not held: the file is another's lock then.

        Raises:
            OSError: the file cannot be removed; the lock is given back all the same.
        """
        if self._descriptor is None:
            return
        if sys.platform == "win32":  # it removes no file that is open
            self.release()
            with contextlib.suppress(PermissionError):  # somebody else has it, who leaves it there
                self._path.unlink(missing_ok=True)
        else:
            try:
                # While it is held: after that, whoever has it next would lose the file to us.
                self._path.unlink(missing_ok=True)
            finally:
                self.release()

    @property
    def inheritable(self) -> tuple[int, ...]:
        """Return what a child has to inherit to hold the lock as well; nothing on Windows.

        Such a lock is free once all of them have ended or let go of it.
        """
        held = self._descriptor is not None and sys.platform != "win32"
        return (self._descriptor,) if held else ()

    def __enter__(self) -> FileLock:
        if not self.take():
            raise StorageError(
                f"'{self._path.parent}' is in use by another Depthshot process; try again when it"
                " has ended."
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # how both systems say "somebody else has it"
        return False
    return True
