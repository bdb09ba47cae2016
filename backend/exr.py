"""EXR files: the header read and checked before a decoder sees the file.

Source: "OpenEXR File Layout" (openexr.com): magic, version, attributes, chunk offsets.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from .errors import ShotError
from .exr_encode import FLOAT, HALF, MAGIC, SAMPLE, VERSION
from .wire import MAX_PIXELS, MAX_SIDE

__all__ = ["FLOAT", "HALF", "MAGIC", "Channel", "ExrHeader", "read_header"]

_TILED, _LONG_NAMES, _DEEP, _MULTIPART = 0x200, 0x400, 0x800, 0x1000
_MAX_HEADER = 16 * 1024 * 1024  # Cryptomatte writes the names of all objects into it
_MAX_PARTS = 64
_MAX_ATTRIBUTES = 1000
_MAX_CHANNELS = 256
_MAX_CHUNK = 512 * 1024 * 1024  # bytes of one chunk unpacked: a decoder holds whole ones
_LINES = (1, 1, 1, 16, 32, 16, 32, 32, 32, 256)  # rows a chunk, by compression


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel: its full name, its part (subimage), and its type (0 uint, 1 half, 2 float)."""

    name: str
    part: int
    kind: int


@dataclass(frozen=True, slots=True)
class ExrHeader:
    """What is needed to read pixels: the size, and every channel of every part."""

    width: int
    height: int
    channels: tuple[Channel, ...]


def read_header(path: Path, *, place: str) -> ExrHeader:
    """Read and check the header of an EXR file; no pixel is decoded.

    Args:
        path: The file.
        place: How a message names it.

    Raises:
        ShotError: it is no EXR, is damaged or truncated, is deep or subsampled, has parts of
            different size, or exceeds the caps.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_HEADER)
            size = path.stat().st_size
    except OSError as reason:
        raise ShotError(f"{place} cannot be read: {reason.strerror or reason}.") from reason
    if not data.startswith(MAGIC):
        raise ShotError(f"{place} is not an EXR file; write it as 32-bit float EXR.")
    try:
        return _Parser(data, place).header(size)
    except (struct.error, IndexError, UnicodeDecodeError) as reason:
        raise ShotError(f"{place} is a damaged EXR file; write it again.") from reason


class _Parser:
    """Walks the attributes of one file."""

    def __init__(self, data: bytes, place: str) -> None:
        self._data = data
        self._place = place
        self._at = len(MAGIC)

    def header(self, file_bytes: int) -> ExrHeader:
        flags = self._read("<I")[0]
        known = VERSION | _TILED | _LONG_NAMES | _MULTIPART
        tiled_parts = _TILED | _MULTIPART  # a tiled part says so in its own header
        if flags & 0xFF != VERSION or flags & ~known or flags & tiled_parts == tiled_parts:
            what = "deep" if flags & _DEEP else "of an unknown version"
            raise ShotError(f"{self._place} is an EXR file {what}; write flat 32-bit float EXR.")
        parts: list[dict[str, tuple[str, bytes]]] = []
        while True:
            part = self._attributes()
            if not part:
                break
            parts.append(part)
            if len(parts) > _MAX_PARTS:
                raise self._damaged()
            if not flags & _MULTIPART:
                break
        if not parts:
            raise self._damaged()
        windows = {self._window(part) for part in parts}
        if len(windows) != 1:
            raise ShotError(f"{self._place} has parts of different size; write them all in full.")
        chunks = sum(self._chunks(part, tiled=bool(flags & _TILED)) for part in parts)
        # Every chunk has an offset of 8 bytes and a head of at least 8: less is a torn file.
        if self._at + chunks * 16 > file_bytes:
            raise self._damaged()
        channels = [
            channel for index, part in enumerate(parts) for channel in self._channels(part, index)
        ]
        if not 1 <= len(channels) <= _MAX_CHANNELS:
            raise self._damaged()
        width, height = windows.pop()
        return ExrHeader(width, height, tuple(channels))

    def _read(self, layout: str) -> tuple:
        values = struct.unpack_from(layout, self._data, self._at)
        self._at += struct.calcsize(layout)
        return values

    def _name(self) -> str:
        end = self._data.find(b"\0", self._at, self._at + 256)
        if end < 0:
            raise self._damaged()
        name = self._data[self._at : end].decode("utf-8")
        self._at = end + 1
        return name

    def _attributes(self) -> dict[str, tuple[str, bytes]]:
        found: dict[str, tuple[str, bytes]] = {}
        while name := self._name():
            kind = self._name()
            (length,) = self._read("<i")
            value = self._data[self._at : self._at + max(length, 0)]
            if length < 0 or len(value) != length or name in found:
                raise self._damaged()
            if len(found) >= _MAX_ATTRIBUTES:
                raise self._damaged()
            found[name] = kind, value
            self._at += length
        return found

    def _value(self, part: dict[str, tuple[str, bytes]], name: str, kind: str) -> bytes:
        found_kind, value = part.get(name, ("", b""))
        if found_kind != kind:
            raise self._damaged()
        return value

    def _window(self, part: dict[str, tuple[str, bytes]]) -> tuple[int, int]:
        data = struct.unpack("<4i", self._value(part, "dataWindow", "box2i"))
        display = struct.unpack("<4i", self._value(part, "displayWindow", "box2i"))
        left, top, right, bottom = data
        width, height = right - left + 1, bottom - top + 1
        if not (
            1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE and width * height <= MAX_PIXELS
        ):
            raise ShotError(
                f"{self._place} is {width} x {height}; at most {MAX_SIDE} pixels a side and"
                f" {MAX_PIXELS // 1_000_000} megapixels are read, so write it smaller."
            )
        if data != display:
            raise ShotError(
                f"{self._place} holds only a part of its picture; write it whole, without a"
                " border or crop."
            )
        return width, height

    def _chunks(self, part: dict[str, tuple[str, bytes]], *, tiled: bool) -> int:
        """Return how many chunks a part has, none of them larger than a decoder may hold."""
        width, height = self._window(part)
        kind = part.get("type", ("string", b"tiledimage" if tiled else b"scanlineimage"))[1]
        if kind == b"tiledimage":
            across, down, mode = struct.unpack("<IIB", self._value(part, "tiles", "tiledesc"))
            if not across or not down or mode & 0xF:
                raise ShotError(f"{self._place} has mipmaps; write a plain scanline EXR.")
        elif kind == b"scanlineimage":
            (method,) = struct.unpack("<B", self._value(part, "compression", "compression"))
            if method >= len(_LINES):
                raise ShotError(f"{self._place} uses an unknown compression; write it with ZIP.")
            across, down = width, _LINES[method]
        else:
            raise ShotError(f"{self._place} is a deep EXR file; write flat 32-bit float EXR.")
        sample_bytes = 4 * len(self._channels(part, 0))
        if across * down * sample_bytes > _MAX_CHUNK:
            raise ShotError(
                f"{self._place} has too large tiles or too many channels; write depth alone, as"
                " scanlines."
            )
        return -(-width // across) * -(-height // down)

    def _channels(self, part: dict[str, tuple[str, bytes]], index: int) -> list[Channel]:
        inner = _Parser(self._value(part, "channels", "chlist"), self._place)
        inner._at = 0
        found: list[Channel] = []
        while name := inner._name():
            kind, _, across, down = inner._read(SAMPLE)
            if kind not in (0, HALF, FLOAT) or len(found) >= _MAX_CHANNELS:
                raise self._damaged()
            if (across, down) != (1, 1):
                raise ShotError(
                    f"{self._place}: the channel '{name[:60]}' is subsampled; write it in full."
                )
            found.append(Channel(name, index, kind))
        return found

    def _damaged(self) -> ShotError:
        return ShotError(f"{self._place} is a damaged EXR file; write it again.")
