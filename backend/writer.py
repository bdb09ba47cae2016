"""Writes a take: frames in the background, each whole or absent, and the record last.

A file gets its name only when all of its bytes are written, so a killed process leaves no torn
frame. What is finished is noted in `.job.jsonl`: its first line says which job the folder belongs
to, every further line one frame with the hashes of its bytes, or one sentence that the artist was
told. An interrupted job goes on from there; frames are not flushed to the disk one by one, because
a frame lost with the power fails its hash and is made again.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

import numpy as np

from . import media
from .bundle import shot_hashes
from .errors import Cancelled, StorageError, TakeError
from .formats import PNG8, bits_of
from .marks import frame_marks, source_type
from .models.card import Card
from .reader import ShotReader
from .resume import JOB_FILE, Finished, TakePlace, read_earlier, warning_line
from .take import (
    DEPTHS,
    FRAMES,
    MASKS,
    PREVIEW_FILE,
    SHOWN,
    SHOWN_MASKS,
    TAKE_FILE,
    Take,
    frame_name,
    hash_file,
)

_log = logging.getLogger(__name__)

_WORKERS = 2
_WAITING = 4  # frames held in memory while they are encoded and written


class TakeWriter:
    """Writes the take of one job into a folder; to be used as a context manager.

    Leaving the block waits for the frames given so far, so that they are kept.
    """

    def __init__(
        self,
        folder: Path,
        reader: ShotReader,
        *,
        card: Card,
        settings: Mapping[str, object],
        seed: int,
        format: str = PNG8,
        replace: bool = True,
        on_frame: Callable[[int], None] | None = None,
    ) -> None:
        """Open the folder, find what an interrupted attempt left, and put other jobs' files aside.

        Args:
            folder: The take's folder; made if missing.
            reader: The shot.
            card: The model.
            settings: A value for every setting of the card.
            seed: The job's seed.
            format: One that the backend writes (`formats.check_written`).
            replace: Whether files of another job are put aside; else they are refused.
            on_frame: Called with an index when all files of the frame are whole on disk; from
                the writer's threads, one call at a time.

        Raises:
            ShotError: the shot's files are not readable.
            SettingError: the folder has files of another job, and they are not to be put aside.
            StorageError: the folder cannot be written.
        """
        self._folder = folder
        self._place = TakePlace(folder)
        self._shot = reader.shot
        self._reader = reader
        self._card = card
        self._on_frame = on_frame
        whole, self._capture = shot_hashes(reader.folder, reader.shot)
        self._identity = {
            "shot_sha256": whole,
            "model": card.id,
            "revision": card.revision,
            "settings": dict(settings),
            "seed": seed,
            "format": format,
        }
        self._sample = np.uint8 if bits_of(format) == 8 else np.uint16
        stills = reader.still_marks()
        self._marks = frame_marks(card, stills)
        self._source_type = source_type(card, stills)
        self._warnings: dict[str, None] = {}
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(_WAITING)
        self._under_way: list[Future[None]] = []
        with _writing(folder):
            self._frames = self._open(replace=replace)
        self._resumed = frozenset(self._frames)
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="take")

    def __enter__(self) -> TakeWriter:
        """Return this writer."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait for the frames given so far; raise what went wrong, unless something has already.

        Raises:
            StorageError: a frame could not be written.
        """
        self._pool.shutdown()
        if kind is None:
            self._raise()
            return
        if not self._frames or self._place.is_finished:
            self._place.restore()
        for failed in (future.exception() for future in self._under_way):
            if failed is not None:
                _log.warning("a frame could not be written either: %s", failed)

    def finished(self) -> frozenset[int]:
        """Return the indices that an earlier attempt of this very job left whole on disk."""
        return self._resumed

    def stopped(self) -> Cancelled:
        """Return what to raise for a job that is stopped: it says whether a frame is kept."""
        if self._frames or self._under_way:
            return Cancelled("Stopped; the frames that are finished are kept.", goes_on=True)
        return Cancelled("Stopped; no frame was finished yet.")

    def read_frame(self, index: int) -> np.ndarray:
        """Return the image of a frame that an earlier attempt left whole on disk.

        Raises:
            ShotError: it cannot be read any more.
        """
        path = self._folder / FRAMES / frame_name(self._shot.frame(index))
        pixels = media.read_still(path).pixels
        return np.rint(pixels * np.iinfo(self._sample).max).astype(self._sample)

    def frame(
        self,
        index: int,
        *,
        image: np.ndarray,
        mask: np.ndarray,
        depth: np.ndarray | None = None,
    ) -> None:
        """Take a frame and write it in the background; waits while too many are under way.

        Args:
            index: 0-based output index.
            image: (H, W, 3), sRGB display values, uint8 or uint16 as the format has it.
            mask: (H, W) uint8; 255 = generated, 0 = from a still, between = share.
            depth: (H, W) float32 planar z in metres, +inf where nothing is hit.

        Raises:
            StorageError: an earlier frame could not be written.
            ValueError: the frame has another size or type; a model's mistake.
        """
        width, height = self._shot.size
        if not 0 <= index < self._shot.frames:
            raise ValueError(f"index {index} is not one of {self._shot.frames} frames")
        _check(image, (height, width, 3), self._sample)
        _check(mask, (height, width), np.uint8)
        if depth is not None:
            _check(depth, (height, width), np.float32)
        self._slots.acquire()
        try:
            self._raise()
            # Copies: a model may go on in the same arrays.
            own = image.copy(), mask.copy(), None if depth is None else depth.copy()
            writing = self._pool.submit(self._write_frame, index, *own)
        except BaseException:
            self._slots.release()
            raise
        writing.add_done_callback(lambda _: self._slots.release())
        self._under_way.append(writing)

    def shown(self, index: int, *, video: np.ndarray, mask: np.ndarray) -> None:
        """Write what the model is shown of a frame, beside the take.

        Args:
            index: 0-based output index.
            video: (h, w, 3) uint8, at the model's size.
            mask: (h, w) uint8, 255 where it is to make something.

        Raises:
            StorageError: it cannot be written.
        """
        name = frame_name(self._shot.frame(index))
        contents = {SHOWN: media.encode_png(video), SHOWN_MASKS: media.encode_mask(mask)}
        with _writing(self._folder):
            for folder, content in contents.items():
                (self._folder / folder).mkdir(exist_ok=True)
                _write_whole(self._folder / folder / name, content)

    def preview(self, image: np.ndarray) -> None:
        """Write a look (h, w, 3) uint8 at what is being made; it goes when the take is finished.

        Raises:
            StorageError: it cannot be written.
        """
        with _writing(self._folder):
            _write_whole(self._folder / PREVIEW_FILE, media.encode_png(image))

    def warn(self, message: str) -> None:
        """Note a sentence for the artist in the take's record.

        Raises:
            StorageError: it could not be written.
        """
        with _writing(self._folder):
            self._note(message)

    def warnings(self) -> tuple[str, ...]:
        """Return the sentences noted so far, in earlier attempts too, each once."""
        with self._lock:
            return tuple(self._warnings)

    def finish(self, details: Mapping[str, object]) -> Take:
        """Wait for every frame, check that none is missing, and write `take.json`.

        Args:
            details: Device, versions, seconds of each phase, stills: for people.

        Raises:
            StorageError: a frame or the record could not be written.
            TakeError: the model left frames out.
        """
        self._pool.shutdown()
        self._raise()
        missing = [i for i in range(self._shot.frames) if i not in self._frames]
        if missing:
            raise TakeError(
                f"The model made no frame {self._shot.frame(missing[0])}"
                f" ({len(missing)} of {self._shot.frames} are missing); generate again."
            )
        ordered = [self._frames[index] for index in range(self._shot.frames)]
        files = {path: digest for frame in ordered for path, digest in frame.files.items()}
        with _writing(self._folder):
            files |= self._shown_files()
        take = Take(
            name=self._shot.name,
            frame_start=self._shot.frame_start,
            frames=self._shot.frames,
            size=self._shot.size,
            fps=self._shot.fps,
            digital_source_type=self._source_type,
            generated=tuple(frame.generated for frame in ordered),
            files=files,
            warnings=tuple(dict.fromkeys((*self._warnings, *self._reader.warnings))),
            details=details,
            capture_sha256=self._capture,
            cameras=self._shot.cameras,
            **self._identity,
        )
        content = json.dumps(take.to_json(), indent=1, allow_nan=False).encode() + b"\n"
        with _writing(self._folder / TAKE_FILE):
            _write_whole(self._folder / TAKE_FILE, content, durable=True)
            for name in (JOB_FILE, PREVIEW_FILE):
                (self._folder / name).unlink(missing_ok=True)
        return take

    def _shown_files(self) -> dict[str, str]:
        """Return the hash of everything that `shown` has written, in earlier attempts too."""
        names = [frame_name(self._shot.frame(index)) for index in range(self._shot.frames)]
        paths = [f"{folder}/{name}" for name in names for folder in (SHOWN, SHOWN_MASKS)]
        there = [path for path in paths if (self._folder / path).is_file()]
        return {path: hash_file(self._folder / path) for path in there}

    def _open(self, *, replace: bool) -> dict[int, Finished]:
        finished = {}
        earlier = read_earlier(self._folder, self._identity, shot=self._shot)
        if earlier is not None:
            self._warnings |= dict.fromkeys(earlier.warnings)
            finished = dict(earlier.frames)
        elif (moved := self._place.put_aside(allowed=replace)) is not None:
            said = f"The files of another job were moved to '{moved.absolute()}'."
            self._warnings[said] = None
        for name in (FRAMES, MASKS):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        lines = [
            self._identity,
            *map(warning_line, self._warnings),
            *(frame.to_json(index) for index, frame in sorted(finished.items())),
        ]
        _write_whole(self._folder / JOB_FILE, _lines(lines), durable=True)
        return finished

    def _note(self, *messages: str, frame: Mapping[str, object] | None = None) -> None:
        """Note sentences that are new, the reader's first, and a finished frame behind them."""
        read = self._reader.warnings
        with self._lock:
            new = [each for each in (*read, *messages) if each not in self._warnings]
            lines = [*map(warning_line, new), *([] if frame is None else [frame])]
            if lines:
                with (self._folder / JOB_FILE).open("ab") as stream:
                    stream.write(_lines(lines))
            self._warnings |= dict.fromkeys(new)

    def _write_frame(
        self, index: int, image: np.ndarray, mask: np.ndarray, depth: np.ndarray | None
    ) -> None:
        """Encode and write the files of one frame; runs in the pool."""
        frame = self._shot.frame(index)
        contents = {
            f"{FRAMES}/{frame_name(frame)}": media.encode_png(image, text=self._marks),
            f"{MASKS}/{frame_name(frame)}": media.encode_mask(mask),
        }
        if depth is not None:
            contents[f"{DEPTHS}/{frame_name(frame, '.exr')}"] = media.encode_depth(depth)
        files = {path: hashlib.sha256(content).hexdigest() for path, content in contents.items()}
        done = Finished(files, round(float(mask.mean()) / 255, 6))
        with _writing(self._folder):
            self._place.begin()
            if depth is not None:
                (self._folder / DEPTHS).mkdir(exist_ok=True)
            for path, content in contents.items():
                _write_whole(self._folder / path, content)
            self._note(frame=done.to_json(index))
        with self._lock:
            self._frames[index] = done
            if self._on_frame is not None:
                self._on_frame(index)

    def _raise(self) -> None:
        """Raise the first error of the frames written so far, once; forget what went well."""
        for future in [future for future in self._under_way if future.done()]:
            self._under_way.remove(future)
            future.result()


def _check(array: np.ndarray, shape: tuple[int, ...], dtype: type) -> None:
    if array.shape != shape or array.dtype != dtype:
        raise ValueError(f"expected {shape} {dtype.__name__}, not {array.shape} {array.dtype}")


def _lines(values: Iterable[Mapping[str, object]]) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def _write_whole(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Write a file under another name and rename it; `durable` waits for the disk first."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as stream:
            stream.write(content)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Raise what goes wrong with the disk as a `StorageError`."""
    try:
        yield
    except OSError as reason:
        full = reason.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        way_out = (
            "Free some space and generate again; finished frames are kept."
            if full
            else "Choose a folder that can be written."
        )
        raise StorageError(
            f"The take cannot be written to '{path}': {reason.strerror or reason}. {way_out}"
        ) from reason
