"""PNG bytes, checked before a decoder sees them, and written with their marks.

`clean` walks the chunks, holds the caps against the header, inflates the pixel data once to see
that it is whole, and returns a file that has nothing but the pixels: no profile, gamma or text
is left that a decoder could apply or trip over.

Source: PNG 3rd edition (W3C, 2025), 5 (chunks), 9 (filters), 11 (chunk meanings).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .errors import ShotError
from .wire import MAX_PIXELS, MAX_SIDE

XMP_KEYWORD = "XML:com.adobe.xmp"  # its packet is always an iTXt chunk
SIGNATURE = b"\x89PNG\r\n\x1a\n"

_HEADER_BYTES = len(SIGNATURE) + 8 + 13 + 4  # signature and a whole IHDR chunk
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
          (0, 1, 1, 2))  # fmt: skip
_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_EXTRA_BYTES = 16 * 1024 * 1024  # for profiles, text and the overhead of incompressible pixels
_STEP = 1024 * 1024
_LEVEL = 1
_SUB = 1  # filter type: the difference to the pixel on the left


@dataclass(frozen=True, slots=True)
class PngHeader:
    """The IHDR chunk: size in pixels, bits a sample, colour type and interlacing.

    `grey_key` is the one grey value that is transparent (tRNS), known when the chunks were read;
    decoders leave it out.
    """

    width: int
    height: int
    bits: int
    color: int
    interlaced: bool
    grey_key: int | None = None

    @property
    def raw_bytes(self) -> int:
        """Bytes of the inflated pixel data: every row has one filter byte."""
        bits = self.bits * _CHANNELS[self.color]

        def of(width: int, height: int) -> int:
            return height * (1 + (width * bits + 7) // 8) if width and height else 0

        if not self.interlaced:
            return of(self.width, self.height)
        return sum(
            of(-(-(self.width - x) // dx), -(-(self.height - y) // dy))
            for x, y, dx, dy in _ADAM7
            if self.width > x and self.height > y
        )


def read_clean(path: Path, *, place: str) -> tuple[PngHeader, bytes]:
    """Return the header of a PNG file and the file reduced to its pixels, both checked.

    Args:
        path: The file.
        place: How a message names it.

    Raises:
        ShotError: it is no whole PNG, or larger than the caps; said before it is read.
    """
    try:
        with path.open("rb") as stream:
            header = read_header(stream.read(_HEADER_BYTES), place=place)
            most = header.raw_bytes + _EXTRA_BYTES
            stream.seek(0)
            data = stream.read(most + 1)
    except OSError as reason:
        raise ShotError(f"{place} cannot be read: {reason.strerror or reason}.") from reason
    if len(data) > most:
        raise ShotError(f"{place} is far larger than its pixels need; save it again as PNG.")
    return clean(data, header, place=place)


def read_header(data: bytes, *, place: str) -> PngHeader:
    """Read the header from the first bytes of a PNG file.

    Raises:
        ShotError: it is no PNG, or larger than the caps.
    """
    if not data.startswith(SIGNATURE):
        raise ShotError(f"{place} is not a PNG file; save it as 8- or 16-bit PNG.")
    if len(data) < _HEADER_BYTES or data[8:16] != b"\0\0\0\rIHDR":
        raise _damaged(place)
    width, height, bits, color, method, filtering, interlace = struct.unpack(
        ">IIBBBBB", data[16:29]
    )
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE and width * height <= MAX_PIXELS):
        raise ShotError(
            f"{place} is {width} x {height}; at most {MAX_SIDE} pixels a side and"
            f" {MAX_PIXELS // 1_000_000} megapixels are read, so save it smaller."
        )
    if bits not in _DEPTHS.get(color, ()) or method or filtering or interlace > 1:
        raise _damaged(place)
    return PngHeader(width, height, bits, color, bool(interlace))


def clean(data: bytes, header: PngHeader, *, place: str) -> tuple[PngHeader, bytes]:
    """Return the completed header, and a PNG file of the same pixels that holds nothing else.

    Raises:
        ShotError: a chunk is torn, out of order or has a wrong checksum, or the pixel data is
            not exactly as long as the header says.
    """
    kept: list[bytes | memoryview] = [SIGNATURE]
    bodies: dict[bytes, memoryview] = {}  # of the last chunk of each kind
    last = b""
    inflating = _Inflating(header.raw_bytes, place)
    for kind, body, chunk in _chunks(data, place=place):
        if kind in (b"IHDR", b"PLTE", b"tRNS") and (kind in bodies or b"IDAT" in bodies):
            raise _damaged(place)
        if kind == b"IDAT":
            if kind in bodies and last != kind:
                raise _damaged(place)
            inflating.feed(body)
        elif kind not in _KEPT and kind[0] & 0x20 == 0:  # an unknown chunk that may not be skipped
            raise _damaged(place)
        if kind in _KEPT:
            kept.append(chunk)
        bodies[kind] = body
        last = kind
        if kind == b"IEND":
            break
    # The first chunk is IHDR: `read_header` saw it, and another one is refused above.
    if last != b"IEND" or not inflating.whole:
        raise _damaged(place)
    _check_palette(header, bodies, place)
    if header.color == 0 and b"tRNS" in bodies:
        header = replace(header, grey_key=int.from_bytes(bodies[b"tRNS"]))
    return header, b"".join(kept)


def encode(image: np.ndarray, *, text: Mapping[str, str] | None = None) -> bytes:
    """Return a PNG file of 8 or 16 bits: quick (level 1) and the same bytes every time.

    Args:
        image: (H, W) or (H, W, 3), uint8 or uint16.
        text: Text chunks by keyword; XMP, and what ASCII cannot carry, goes as UTF-8 (iTXt).
    """
    color = {2: 0, 3: 2}.get(image.ndim)
    sized = image.dtype in (np.uint8, np.uint16)
    if not sized or color is None or (color == 2 and image.shape[2] != 3):
        raise ValueError(
            f"expected (H, W) or (H, W, 3), uint8 or uint16, not {image.shape} {image.dtype}"
        )
    height, width = image.shape[:2]
    sample = image.dtype.itemsize
    step = _CHANNELS[color] * sample
    # Samples of 16 bits have their high byte first; filters work on bytes, not on samples.
    plain = np.ascontiguousarray(image.astype(image.dtype.newbyteorder(">"), copy=False))
    plain = plain.reshape(height, -1).view(np.uint8)
    rows = np.empty((height, 1 + width * step), np.uint8)
    rows[:, 0] = _SUB
    rows[:, 1:] = plain
    rows[:, 1 + step :] -= plain[:, :-step]
    header = struct.pack(">IIBBBBB", width, height, 8 * sample, color, 0, 0, 0)
    parts = [SIGNATURE, _chunk(b"IHDR", header), _chunk(b"sRGB", b"\0")]
    parts += [text_chunk(keyword, value) for keyword, value in (text or {}).items()]
    parts += [_chunk(b"IDAT", zlib.compress(rows, _LEVEL)), _chunk(b"IEND", b"")]
    return b"".join(parts)


def decode(data: bytes, *, most_pixels: int, place: str) -> np.ndarray:
    """Return the (H, W, 3) uint8 pixels of a PNG file such as `encode` writes of them.

    Blender's Python has no decoder that leaves nothing behind; shots and stills, which may be any
    PNG, go through `clean` to the backend's own.

    Raises:
        ShotError: it is damaged, has more pixels than that, or is another kind of PNG.
    """
    header = read_header(data, place=place)
    if header.width * header.height > most_pixels:
        raise ShotError(f"{place} is {header.width} x {header.height}, larger than is shown.")
    clean(data, header, place=place)
    if (header.bits, header.color, header.interlaced) != (8, 2, False):
        raise ShotError(f"{place} is not a PNG file of 8 bits RGB; save it as one.")
    body = b"".join(part for kind, part, _ in _chunks(data, place=place) if kind == b"IDAT")
    rows = np.frombuffer(zlib.decompress(body), np.uint8).reshape(header.height, -1)
    if (rows[:, 0] != _SUB).any():
        raise ShotError(f"{place} is a PNG file that another program has written.")
    differences = rows[:, 1:].reshape(header.height, header.width, 3)
    return np.cumsum(differences, axis=1, dtype=np.uint8)


def _check_palette(header: PngHeader, bodies: Mapping[bytes, memoryview], place: str) -> None:
    """Refuse a palette or a transparency whose length does not fit the colour type."""
    colors, rest = divmod(len(bodies.get(b"PLTE", b"")), 3)
    fits = not rest and colors <= 256
    if header.color == 3:
        fits = fits and 1 <= colors <= 2**header.bits
    if b"tRNS" in bodies:
        allowed = {0: (2,), 2: (6,), 3: range(1, colors + 1)}.get(header.color, ())
        fits = fits and len(bodies[b"tRNS"]) in allowed
    if not fits:
        raise _damaged(place)


class _Inflating:
    """Inflates pixel data to count it, never holding more than a step of it."""

    def __init__(self, expected: int, place: str) -> None:
        self._stream = zlib.decompressobj()
        self._left = expected
        self._place = place

    @property
    def whole(self) -> bool:
        return self._stream.eof and self._left == 0

    def feed(self, body: bytes) -> None:
        pending = body
        while pending:
            if self._stream.eof:
                raise _damaged(self._place)
            try:
                out = self._stream.decompress(pending, min(_STEP, self._left + 1))
            except zlib.error as reason:
                raise _damaged(self._place) from reason
            self._left -= len(out)
            if self._left < 0:
                raise _damaged(self._place)
            pending = self._stream.unconsumed_tail


def _chunks(data: bytes, *, place: str) -> Iterator[tuple[bytes, memoryview, memoryview]]:
    view = memoryview(data)
    at = len(SIGNATURE)
    while at < len(data):
        if at + 12 > len(data):
            raise _damaged(place)
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data) or not kind.isalpha():
            raise _damaged(place)
        (checksum,) = struct.unpack_from(">I", data, end - 4)
        if zlib.crc32(view[at + 4 : end - 4]) != checksum:
            raise _damaged(place)
        yield kind, view[at + 8 : end - 4], view[at:end]
        at = end


def _chunk(kind: bytes, body: bytes) -> bytes:
    return (
        struct.pack(">I", len(body))
        + kind
        + body
        + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))
    )


def text_chunk(keyword: str, value: str) -> bytes:
    """Return a text chunk; XMP, and what ASCII cannot carry, goes as UTF-8 (iTXt)."""
    name = keyword.encode("latin-1")
    if not 1 <= len(name) <= 79:
        raise ValueError(f"a PNG keyword has 1 to 79 characters, not {len(name)}")
    if value.isascii() and keyword != XMP_KEYWORD:
        return _chunk(b"tEXt", name + b"\0" + value.encode("ascii"))
    return _chunk(b"iTXt", name + b"\0\0\0\0\0" + value.encode("utf-8"))


def _damaged(place: str) -> ShotError:
    return ShotError(f"{place} is a damaged PNG file; save it again.")
