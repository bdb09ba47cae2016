"""The shot that a take was made of."""

from __future__ import annotations

from pathlib import Path

from ..bundle import shot_hashes
from ..errors import ExportError, ShotError
from ..reader import ShotReader
from ..take import Take
from ..wire import SHOT_FILE, read_shot


def reader_of(take: Take, shot: Path) -> ShotReader:
    """Return a reader of the shot in a folder that a person says is the take's.

    Raises:
        ShotError: there is no shot.
        ExportError: the take was made of another one.
    """
    whole, capture = shot_hashes(shot)
    if take.shot_sha256 != whole and take.capture_sha256 != capture:
        raise ExportError(f"The take was made of another shot than '{shot}'; give its own.")
    return ShotReader(shot)


def find_capture(take: Take, captures: Path) -> ShotReader | None:
    """Return a reader of the take's shot among the captures that are kept, None if it is gone.

    Args:
        take: The take.
        captures: Folder with a folder for each capture.
    """
    if not take.capture_sha256:
        return None
    for file in sorted(captures.glob(f"*/{SHOT_FILE}")):
        try:
            # Compared first: to hash a capture is to read all of it.
            alike = read_shot(file.parent).cameras == take.cameras
            if alike and shot_hashes(file.parent)[1] == take.capture_sha256:
                return ShotReader(file.parent)
        except ShotError:  # one that is just being made or removed is none
            continue
    return None
