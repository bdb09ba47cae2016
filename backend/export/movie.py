"""A take as a movie: H.264 or ProRes, every frame once, at the take's exact rate.

The frames' display values go in as they are, tagged BT.709 (matrix, primaries, transfer), limited
range. BT.709 shares its primaries with sRGB, and players show the two transfers alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from ..errors import Cancelled, ExportError
from .disclosure import disclosure
from .frames import TakeFrames
from .rates import exact_rate
from .whole import storage_error, written_whole
from .yuv import to_even, to_planes

QUALITIES = {"high": 12, "normal": 18, "small": 25}
"""Quality of H.264 by name: libx264's rate factor, lower is better."""


@dataclass(frozen=True, slots=True)
class Codec:
    """One way to write a movie.

    Attributes:
        label: Its name for people.
        encoder: FFmpeg's name of the encoder.
        pixels: FFmpeg's name of the pixel format.
        bits: Bits a sample.
        across, down: Columns and rows that one chroma sample stands for.
        suffixes: Of the files it goes into, with FFmpeg's name of the container.
        options: Of the encoder.
    """

    label: str
    encoder: str
    pixels: str
    bits: int
    across: int
    down: int
    suffixes: Mapping[str, str]
    options: Mapping[str, str]


# "apl0" is what Apple's own encoder calls itself: some programs refuse any other.
_PRORES = {"vendor": "apl0"}
CODECS = {
    "h264": Codec(
        "H.264", "libx264", "yuv420p", 8, 2, 2, {".mp4": "mp4", ".mov": "mov"},
        {"preset": "medium"},
    ),
    "prores": Codec(
        "ProRes 422 HQ", "prores_ks", "yuv422p10le", 10, 2, 1, {".mov": "mov"},
        {"profile": "hq", **_PRORES},
    ),
    "prores4444": Codec(
        "ProRes 4444", "prores_ks", "yuv444p10le", 10, 1, 1, {".mov": "mov"},
        {"profile": "4444", **_PRORES},
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Movie:
    """What was written: frames, size in pixels, rate, and what to know about it."""

    frames: int
    size: tuple[int, int]
    rate: Fraction
    warnings: tuple[str, ...]


def export_movie(
    take: Path,
    target: Path,
    *,
    codec: str,
    quality: str = "normal",
    overwrite: bool = False,
    on_progress: Callable[[int, int], None],
    should_stop: Callable[[], bool],
) -> Movie:
    """Write a take as a movie without sound.

    Args:
        take: Folder of a finished take.
        target: The file; its suffix fits the codec.
        codec: A key of `CODECS`.
        quality: A key of `QUALITIES`; of H.264 alone.
        overwrite: Whether a file at `target` is replaced, once the new one is whole.
        on_progress: Called with frames done and frames in all.
        should_stop: Asked before every frame; True raises `Cancelled`.

    Raises:
        ExportError: `target` is there already or has another codec's suffix.
        TakeError: the take is unfinished, or a frame is missing or damaged.
        StorageError: `target` cannot be written.
        Cancelled: as asked; nothing is left.
    """
    chosen = CODECS[codec]
    container = _container(chosen, target)
    frames = TakeFrames(take)
    with written_whole(target, overwrite=overwrite) as part:
        try:
            movie = _encode(
                frames, part, container, chosen, quality=quality,
                on_progress=on_progress, should_stop=should_stop,
            )  # fmt: skip
            _check(part, movie)
        except av.FFmpegError as reason:
            # Those of the system (no space, no permission) are OSErrors as well.
            if isinstance(reason, OSError):
                raise storage_error(target, reason) from reason
            raise ExportError(
                f"The movie could not be encoded as {chosen.label} ({reason.strerror}); try"
                " another codec."
            ) from reason
    return movie


def _container(codec: Codec, target: Path) -> str:
    container = codec.suffixes.get(target.suffix.lower())
    if container is None:
        suffix = next(iter(codec.suffixes))
        raise ExportError(
            f"{codec.label} goes into a file whose name ends in {' or '.join(codec.suffixes)};"
            f" name it '{target.with_suffix(suffix).name}'."
        )
    return container


def _encode(
    frames: TakeFrames,
    path: Path,
    container: str,
    codec: Codec,
    *,
    quality: str,
    on_progress: Callable[[int, int], None],
    should_stop: Callable[[], bool],
) -> Movie:
    take = frames.take
    rate = exact_rate(take.fps)
    size = (take.size[0] + take.size[0] % 2, take.size[1] + take.size[1] % 2)
    with av.open(str(path), "w", format=container, options={"movflags": "+faststart"}) as output:
        output.metadata.update({"title": take.name, "comment": disclosure(take)})
        stream = _stream(output, codec, size=size, rate=rate, quality=quality)
        for index in range(take.frames):
            if should_stop():
                raise Cancelled("Stopped; nothing was exported.")
            on_progress(index, take.frames)
            frame = _frame(to_even(frames.pixels(index)), codec)
            frame.pts, frame.time_base, frame.duration = index, 1 / rate, 1
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    on_progress(take.frames, take.frames)
    warnings = list(frames.warnings)
    if size != take.size:
        warnings.append(
            f"The take is {take.size[0]} x {take.size[1]} pixels and movies have even sizes, so"
            f" this one is {size[0]} x {size[1]}: its last column or row is there twice."
        )
    return Movie(take.frames, size, rate, tuple(warnings))


def _stream(
    output: av.container.OutputContainer,
    codec: Codec,
    *,
    size: tuple[int, int],
    rate: Fraction,
    quality: str,
) -> av.VideoStream:
    options = dict(codec.options)
    if codec.encoder == "libx264":
        options["crf"] = str(QUALITIES[quality])
    stream = output.add_stream(codec.encoder, rate=rate, options=options)
    stream.width, stream.height = size
    stream.pix_fmt = codec.pixels
    stream.time_base = 1 / rate
    stream.codec_context.time_base = 1 / rate
    _tag(stream.codec_context)
    return stream


def _frame(pixels: np.ndarray, codec: Codec) -> av.VideoFrame:
    """Return a frame of (H, W, 3) float32 display values, even in width and height."""
    height, width = pixels.shape[:2]
    frame = av.VideoFrame(width, height, codec.pixels)
    planes = to_planes(pixels, bits=codec.bits, across=codec.across, down=codec.down)
    for plane, values in zip(frame.planes, planes, strict=True):
        rows = np.frombuffer(plane, values.dtype).reshape(plane.height, -1)
        rows[:, : plane.width] = values
    _tag(frame)
    return frame


def _tag(picture: av.VideoCodecContext | av.VideoFrame) -> None:
    """Say what the code values mean; ProRes takes it from the frames, H.264 from the stream."""
    picture.color_range = ColorRange.MPEG
    picture.colorspace = Colorspace.ITU709
    picture.color_primaries = ColorPrimaries.BT709
    picture.color_trc = ColorTrc.BT709


def _check(path: Path, movie: Movie) -> None:
    """Count the movie's frames as it lies on the disk."""
    with av.open(str(path)) as written:
        packets = sum(1 for packet in written.demux(video=0) if packet.size)
    if packets != movie.frames:
        raise ExportError(
            f"The movie has {packets} frames where the take has {movie.frames}; export it again."
        )
