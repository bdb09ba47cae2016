"""A shot or a take as a dataset for nerfstudio: what is asked for, found and written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import Cancelled, ExportError, TakeError
from ..reader import ShotReader
from ..take import FRAMES, TAKE_FILE, Take
from ..wire import SHOT_FILE
from .captures import find_capture, reader_of
from .frames import TakeFrames
from .nerfstudio import DatasetSettings, DatasetWriter
from .views import views_of_shot, views_of_take
from .whole import check_target, written_whole


@dataclass(frozen=True, slots=True)
class Dataset:
    """What was written: the number of pictures, and what to know about it."""

    pictures: int
    warnings: tuple[str, ...]


def export_dataset(
    source: Path,
    target: Path,
    *,
    settings: DatasetSettings,
    shot: Path | None = None,
    captures: Path | None = None,
    stills: bool = False,
    on_progress: Callable[[int, int], None],
    should_stop: Callable[[], bool],
) -> Dataset:
    """Write a dataset.

    Args:
        source: Folder of a shot (its stills become the pictures) or of a take (its frames do).
        target: The folder to make.
        settings: What goes along.
        shot: Folder of the take's shot, for depth.
        captures: Folder of captures, among which the take's shot is looked for.
        stills: Whether the stills of a take's shot are wanted in place of its frames.
        on_progress: Called with pictures done and pictures in all.
        should_stop: Asked before every picture; True raises `Cancelled`.

    Raises:
        ExportError: `source` is neither, `target` is there, or the shot is another one.
        ShotError, TakeError: the shot or take is not usable.
        StorageError: `target` cannot be written.
        Cancelled: as asked; nothing is left.
    """
    check_target(target)  # first: to find a take's shot can take a while
    frames = TakeFrames(source) if _is_take(source) else None
    reader = _shot_of(frames.take, shot, captures) if frames is not None else ShotReader(source)
    if stills and frames is not None:
        if reader is None:
            raise ExportError(
                "The shot of this take is not kept any more, so its stills cannot be exported;"
                " export the take's frames, or generate once more."
            )
        frames = None
    take = None if frames is None else frames.take
    views = views_of_shot(reader) if frames is None else views_of_take(frames, reader)
    writer = DatasetWriter(views, settings, take)
    with written_whole(target) as part:
        part.mkdir()
        for index, view in enumerate(views):
            if should_stop():
                raise Cancelled("Stopped; nothing was exported.")
            on_progress(index, len(views))
            writer.add(part, view)
        writer.finish(part)
    on_progress(len(views), len(views))
    read = reader.warnings if frames is None else frames.warnings
    return Dataset(len(views), (*writer.warnings(), *read))


def _shot_of(take: Take, shot: Path | None, captures: Path | None) -> ShotReader | None:
    if shot is not None:
        return reader_of(take, shot)
    return None if captures is None else find_capture(take, captures)


def _is_take(source: Path) -> bool:
    """Return whether a folder is a take and no shot.

    Raises:
        ExportError: it is neither.
        TakeError: it is a take that is unfinished.
    """
    if (source / TAKE_FILE).is_file():
        return True
    if (source / SHOT_FILE).is_file():
        return False
    if (source / FRAMES).is_dir():
        raise TakeError(
            f"'{source.name}' is no finished take: it has no {TAKE_FILE}; generate it to the end."
        )
    raise ExportError(
        f"'{source}' is neither a take (with {TAKE_FILE}) nor a shot (with {SHOT_FILE}); choose"
        " the folder of one."
    )
