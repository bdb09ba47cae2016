"""What an interrupted attempt left in a take's folder, and what of it can be trusted.

`.job.jsonl` holds the job's identity in its first line and one finished frame in each further
line. A frame counts only if every file of it still has the hash that was written down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import TakeError
from .fields import Fields, parse_json
from .formats import PNG8
from .take import (
    DEPTHS,
    FRAMES,
    LINEAR,
    MASKS,
    SHOWN,
    SHOWN_MASKS,
    TAKE_FILE,
    Take,
    frame_name,
    hash_file,
    read_take,
)
from .wire import MAX_JSON_BYTES, Shot

JOB_FILE = ".job.jsonl"

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


def read_finished(
    folder: Path, identity: Mapping[str, object], *, shot: Shot
) -> dict[int, Finished] | None:
    """Return the frames of this very job that are whole on disk.

    Args:
        folder: The take's folder.
        identity: What makes it this job: hash of the shot, model, revision, settings, seed,
            format.
        shot: The shot.

    Returns:
        The frames by index, or None if the folder holds another job's files (or none).
    """
    if (folder / TAKE_FILE).is_file():
        noted = _from_take(folder, identity, shot)
    elif (folder / JOB_FILE).is_file():
        noted = _from_notes(folder, identity, shot)
    else:
        noted = None
    if noted is None:
        return None
    return {index: frame for index, frame in noted.items() if _whole(folder, frame)}


def put_aside(folder: Path) -> Path | None:
    """Move a take's files into a folder of their own beside them; None if there are none."""
    found = [folder / name for name in _OWN if (folder / name).exists()]
    empty = all(path.is_dir() and not any(path.iterdir()) for path in found)
    if empty:
        return None
    number = 1
    while (aside := folder / f"earlier-{number}").exists():
        number += 1
    aside.mkdir()
    for path in found:
        path.replace(aside / path.name)
    return aside


def _whole(folder: Path, frame: Finished) -> bool:
    return all(
        (folder / path).is_file() and hash_file(folder / path) == digest
        for path, digest in frame.files.items()
    )


def _from_take(
    folder: Path, identity: Mapping[str, object], shot: Shot
) -> dict[int, Finished] | None:
    try:
        take = read_take(folder)
    except TakeError:
        return None  # nothing of a damaged take can be trusted; the caller puts it aside
    if any(getattr(take, name) != value for name, value in identity.items()):
        return None
    if take.frames != shot.frames:
        return None
    return {index: _frame_of(take, shot, index) for index in range(shot.frames)}


def _frame_of(take: Take, shot: Shot, index: int) -> Finished:
    paths = _paths(shot, index)
    files = {path: take.files[path] for path in paths if path in take.files}
    return Finished(files, take.generated[index])


def _from_notes(
    folder: Path, identity: Mapping[str, object], shot: Shot
) -> dict[int, Finished] | None:
    with (folder / JOB_FILE).open("rb") as stream:
        first, *rest = stream.read(MAX_JSON_BYTES).split(b"\n")
    found: dict[int, Finished] = {}
    try:
        noted = Fields.of(
            parse_json(first, name=JOB_FILE, error=TakeError), place=JOB_FILE, error=TakeError
        )
        # Attempts from before there were formats say nothing of theirs.
        if {"format": PNG8, **noted.values} != dict(identity):
            return None
        for line in rest[:-1]:  # after the last line break comes nothing, or a torn line
            index, frame = _parse(line, shot)
            found[index] = frame
    except TakeError:
        return found or None  # what stands before a damaged line is checked by its hashes
    return found


def _parse(line: bytes, shot: Shot) -> tuple[int, Finished]:
    fields = Fields.of(
        parse_json(line, name=JOB_FILE, error=TakeError), place=JOB_FILE, error=TakeError
    )
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
