"""PNG files of every kind, written by hand: what they must decode to is known sample by sample."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    """Return a chunk with its length and checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def header(width: int, height: int, bits: int, color: int, interlace: int = 0) -> bytes:
    """Return an IHDR chunk."""
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, interlace))


def raw_rows(samples: np.ndarray, bits: int) -> bytes:
    """Return (H, W, C) sample values as unfiltered rows, each with its filter byte."""
    rows = samples.reshape(samples.shape[0], -1)
    if bits == 16:
        packed = rows.astype(">u2").view(np.uint8).reshape(len(rows), -1)
    elif bits == 8:
        packed = rows.astype(np.uint8)
    else:
        spread = (rows[..., None].astype(np.uint8) >> np.arange(bits - 1, -1, -1)) & 1
        packed = np.packbits(spread.reshape(len(rows), -1), axis=1)
    return b"".join(b"\0" + row.tobytes() for row in packed)


def png(
    samples: np.ndarray,
    *,
    bits: int,
    color: int,
    before: Sequence[bytes] = (),
    interlace: bool = False,
) -> bytes:
    """Return a PNG file of (H, W, C) sample values.

    Args:
        samples: Unsigned integers below 2**bits.
        bits: Bits a sample.
        color: PNG colour type.
        before: Whole chunks between header and pixels.
        interlace: Whether to interlace (Adam7).
    """
    height, width = samples.shape[:2]
    passes = [samples]
    if interlace:
        starts = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4),
                  (1, 0, 2, 2), (0, 1, 1, 2))  # fmt: skip
        passes = [samples[y::dy, x::dx] for x, y, dx, dy in starts]
    raw = b"".join(raw_rows(part, bits) for part in passes if part.size)
    parts = [SIGNATURE, header(width, height, bits, color, int(interlace)), *before]
    return b"".join([*parts, chunk(b"IDAT", zlib.compress(raw)), chunk(b"IEND")])
