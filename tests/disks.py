"""A small disk of its own for a test, to fill up or to protect; needs root on Linux."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk in memory, mounted at `folder`."""

    folder: Path

    def leave(self, size: int | None) -> None:
        """Fill it up until `size` bytes (whole pages) are left; None frees it again."""
        ballast = self.folder / "ballast"
        ballast.unlink(missing_ok=True)
        state = os.statvfs(self.folder)
        too_much = state.f_bavail * state.f_frsize - (size or 0)
        if size is not None and too_much > 0:
            with ballast.open("wb") as stream:
                os.posix_fallocate(stream.fileno(), 0, too_much)

    def protect(self) -> None:
        """Let nobody write to it any more, not even root."""
        _call("mount", "-o", "remount,ro", str(self.folder))


@contextlib.contextmanager
def disk(folder: Path, *, megabytes: int) -> Iterator[Disk]:
    """Mount a disk at `folder`, and take it away afterwards; skips where that is not allowed."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a small disk")
    folder.mkdir()
    try:
        _call("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "depthshot-test", str(folder))
    except subprocess.CalledProcessError as reason:
        pytest.skip(f"a small disk cannot be mounted here: {reason.stderr.strip()}")
    try:
        yield Disk(folder)
    finally:
        _call("umount", "--lazy", str(folder))


def _call(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
