"""What an interrupted attempt left in a take's folder, and what of it can be trusted.

`.job.jsonl` holds the job's identity in its first line and in each further line a finished frame or
a sentence that the artist was told, as they came. A frame counts only if every file of it still has
the hash that was written down.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import SettingError, TakeError
from .fields import Fields, parse_json
from .formats import PNG8
from .take import (
    DEPTHS,
    FRAMES,
    LINEAR,
    MASKS,
    PREVIEW_FILE,
    SHOWN,
    SHOWN_MASKS,
    TAKE_FILE,
    Take,
    frame_name,
    hash_file,
    read_take,
)
from .wire import MAX_JSON_BYTES, MAX_TEXT, Shot

JOB_FILE = ".job.jsonl"

_log = logging.getLogger(__name__)

_WARNING = "warning"
_OWN = (FRAMES, MASKS, DEPTHS, LINEAR, SHOWN, SHOWN_MASKS, TAKE_FILE, JOB_FILE)


@dataclass(frozen=True, slots=True)
class Finished:
    """A frame that is whole on disk.

    Attributes:
        files: SHA-256 of each of its files, by path in the take.
        generated: Share of generated pixels, 0 to 1.
    """

    files: Mapping[str, str]
    generated: float

    def to_json(self, index: int) -> dict[str, object]:
        """Return the line that notes this frame."""
        return {"index": index, "files": dict(self.files), "generated": self.generated}


@dataclass(frozen=True, slots=True)
class Earlier:
    """What an earlier attempt of a job left.

    Attributes:
        frames: By index.
        warnings: Sentences that the artist was told, each once, in their order.
    """

    frames: Mapping[int, Finished]
    warnings: tuple[str, ...]


def warning_line(message: str) -> dict[str, object]:
    """Return the line that notes a sentence."""
    return {_WARNING: message}


def read_earlier(folder: Path, identity: Mapping[str, object], *, shot: Shot) -> Earlier | None:
    """Return what an earlier attempt of this very job left, of its frames those whole on disk.

    Args:
        folder: The take's folder.
        identity: What makes it this job: hash of the shot, model, revision, settings, seed,
            format.
        shot: The shot.

    Returns:
        None if the folder holds another job's files (or none).
    """
    if (folder / TAKE_FILE).is_file():
        noted = _from_take(folder, identity, shot)
    elif (folder / JOB_FILE).is_file():
        noted = _from_notes(folder, identity, shot)
    else:
        noted = None
    if noted is None:
        return None
    whole = {index: frame for index, frame in noted.frames.items() if _whole(folder, frame)}
    return Earlier(whole, noted.warnings)


class TakePlace:
    """A take's folder as it is found: what is in the way goes aside, and can come back."""

    def __init__(self, folder: Path) -> None:
        """Look at the folder, which may not exist; nothing is changed."""
        self._folder = folder
        self._missing = [path for path in (folder, *folder.parents) if not _exists(path)]
        self._found = {name for name in _OWN if _exists(folder / name)}
        self._aside: Path | None = None
        self._begun = False

    @property
    def is_finished(self) -> bool:
        """Whether the take that was found here, whose record names its files, is still as found."""
        return TAKE_FILE in self._found and self._aside is None and not self._begun

    def begin(self) -> None:
        """Take away the record, before a frame that it names is written anew.

        Raises:
            OSError: it cannot be removed.
        """
        (self._folder / TAKE_FILE).unlink(missing_ok=True)
        self._begun = True

    def put_aside(self, *, allowed: bool) -> Path | None:
        """Move a take's files into a folder of their own beside them; None if there are none.

        Raises:
            SettingError: there are some, and that is not `allowed`.
            OSError: they cannot be moved.
        """
        found = [self._folder / name for name in _OWN if name in self._found]
        if all(path.is_dir() and not any(path.iterdir()) for path in found):
            return None
        number = 1
        while (aside := self._folder / f"earlier-{number}").exists():
            number += 1
        if not allowed:
            raise SettingError(
                f"'{self._folder}' has the files of another job; give another --out, or --replace"
                f" to move them into '{aside.name}' there."
            )
        aside.mkdir()
        for path in found:
            path.replace(aside / path.name)
        self._aside = aside
        return aside

    def restore(self) -> None:
        """Bring the folder back to how it was found, where a job has made nothing in it."""
        ours = {*_OWN, PREVIEW_FILE} - (set() if self._aside else self._found)
        try:
            for path in (self._folder / name for name in ours):
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
            if self._aside is not None:
                for path in self._aside.iterdir():
                    path.replace(self._folder / path.name)
                self._aside.rmdir()
            for path in self._missing:
                path.rmdir()
        except OSError as reason:  # what went wrong before is what the artist is told
            _log.warning("'%s' cannot be brought back to how it was: %s", self._folder, reason)


def _exists(path: Path) -> bool:
    """Return whether there is something; a name that no disk takes is for whoever makes it."""
    return os.path.exists(path)  # noqa: PTH110 - Path's own raises for a name that is too long


def _whole(folder: Path, frame: Finished) -> bool:
    return all(
        (folder / path).is_file() and hash_file(folder / path) == digest
        for path, digest in frame.files.items()
    )


def _from_take(folder: Path, identity: Mapping[str, object], shot: Shot) -> Earlier | None:
    try:
        take = read_take(folder)
    except TakeError:
        return None  # nothing of a damaged take can be trusted; the caller puts it aside
    if any(getattr(take, name) != value for name, value in identity.items()):
        return None
    if take.frames != shot.frames:
        return None
    frames = {index: _frame_of(take, shot, index) for index in range(shot.frames)}
    return Earlier(frames, take.warnings)


def _frame_of(take: Take, shot: Shot, index: int) -> Finished:
    paths = _paths(shot, index)
    files = {path: take.files[path] for path in paths if path in take.files}
    return Finished(files, take.generated[index])


def _from_notes(folder: Path, identity: Mapping[str, object], shot: Shot) -> Earlier | None:
    with (folder / JOB_FILE).open("rb") as stream:
        first, *rest = stream.read(MAX_JSON_BYTES).split(b"\n")
    frames: dict[int, Finished] = {}
    warnings: dict[str, None] = {}
    try:
        # Attempts from before there were formats say nothing of theirs.
        if {"format": PNG8, **_fields(first).values} != dict(identity):
            return None
        for line in rest[:-1]:  # after the last line break comes nothing, or a torn line
            fields = _fields(line)
            if _WARNING in fields.values:
                warnings[fields.text(_WARNING, most=MAX_TEXT)] = None
            else:
                index, frame = _frame_from(fields, shot)
                frames[index] = frame
    except TakeError:
        if not (frames or warnings):
            return None
        # What stands before a damaged line is checked by its hashes.
    return Earlier(frames, tuple(warnings))


def _fields(line: bytes) -> Fields:
    return Fields.of(
        parse_json(line, name=JOB_FILE, error=TakeError), place=JOB_FILE, error=TakeError
    )


def _frame_from(fields: Fields, shot: Shot) -> tuple[int, Finished]:
    index = fields.integer("index", least=0, most=shot.frames - 1)
    files = fields.child("files")
    paths = _paths(shot, index)
    if not set(paths[:2]) <= set(files.values) <= set(paths):
        raise TakeError(f"{JOB_FILE} notes files that are not those of frame {index}.")
    digests = {path: files.text(path, most=64) for path in files.values}
    return index, Finished(digests, fields.number("generated", least=0, most=1))


def _paths(shot: Shot, index: int) -> tuple[str, str, str]:
    frame = shot.frame(index)
    return (
        f"{FRAMES}/{frame_name(frame)}",
        f"{MASKS}/{frame_name(frame)}",
        f"{DEPTHS}/{frame_name(frame, '.exr')}",
    )
