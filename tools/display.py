"""A display that nobody sees: Xvfb, and what is on it as a picture."""

import contextlib
import os
import struct
import subprocess
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .console import DevError

WIDTH, HEIGHT = 1280, 1000
# The header of an X window dump: 25 numbers of 32 bits, the most significant byte first.
_HEADER = struct.Struct(">25I")


@dataclass(frozen=True, slots=True)
class Display:
    """A display that runs.

    Attributes:
        name: what DISPLAY has to be, for example ":1".
        frame: the file that Xvfb keeps what it shows in.
        process: the id of its process.
    """

    name: str
    frame: Path
    process: int

    def rows(self) -> list[bytes]:
        """What is shown now: HEIGHT rows of WIDTH pixels of 3 bytes, red first."""
        return read_dump(self.frame.read_bytes())

    def save(self, path: Path, *, box: tuple[int, int, int, int] | None = None) -> None:
        """Writes what is shown now as a PNG.

        Args:
            path: the file.
            box: what of it, as (left, top, right, bottom) in pixels; everything if None.
        """
        left, top, right, bottom = box or (0, 0, WIDTH, HEIGHT)
        rows = [row[left * 3 : right * 3] for row in self.rows()[top:bottom]]
        path.write_bytes(png(rows))


def read_dump(data: bytes) -> list[bytes]:
    """Reads an X window dump of 32 bits a pixel into rows of 3 bytes a pixel, red first."""
    size, _, _, _, width, height, _, _, _, _, _, bits, stride, *_ = header = _HEADER.unpack_from(
        data
    )
    if bits != 32:
        raise DevError(f"The display has {bits} bits a pixel; 32 were asked for.")
    first = size + 12 * header[19]
    rows = []
    for y in range(height):
        row = data[first + y * stride :][: width * 4]
        pixels = bytearray(width * 3)
        pixels[0::3], pixels[1::3], pixels[2::3] = row[2::4], row[1::4], row[0::4]
        rows.append(bytes(pixels))
    return rows


def png(rows: list[bytes]) -> bytes:
    """Makes an 8-bit RGB PNG of rows of 3 bytes a pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", len(rows[0]) // 3, len(rows), 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@contextlib.contextmanager
def display(command: list[str], folder: Path, *, inside: Path | None = None) -> Iterator[Display]:
    """Runs an Xvfb.

    Args:
        command: what starts it.
        folder: an empty folder for its frame.
        inside: what that Xvfb sees as /, when it is not the system's own.

    Yields:
        The display.

    Raises:
        DevError: it does not start.
    """
    seen = folder if inside is None else Path("/") / folder.relative_to(inside)
    reading, writing = os.pipe()
    told = ["-displayfd", str(writing), "-fbdir", str(seen), "-nolisten", "tcp"]
    screen = ["-screen", "0", f"{WIDTH}x{HEIGHT}x24", "+extension", "GLX"]
    log = folder / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*command, *told, *screen],
            pass_fds=[writing],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    os.close(writing)
    try:
        # It writes its number when it can be used, and ends without a word when it cannot.
        with os.fdopen(reading) as said:
            number = said.readline().strip()
        if not number:
            lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise DevError(f"Xvfb does not start: {lines[-1] if lines else 'it gives no reason'}")
        yield Display(f":{number}", folder / "Xvfb_screen0", server.pid)
    finally:
        server.terminate()
        server.wait()
