"""EXR files written: scanlines, ZIP-compressed, the same bytes every time.

Needs the standard library and numpy alone, and nothing else of Depthshot: a second Blender, in
which the extension need not be enabled, writes scene-linear frames with it.

Source: "OpenEXR File Layout" (openexr.com): magic, version, attributes, chunk offsets; the ZIP
compression's byte order and predictor as in OpenEXRCore's internal_zip.c; "Standard Attributes"
(openexr.com) for `chromaticities`.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

import numpy as np

MAGIC = b"\x76\x2f\x31\x01"
VERSION = 2
HALF, FLOAT = 1, 2
SAMPLE = "<iB3xii"  # of a channel: type, pLinear, reserved, x and y sampling
LARGEST_HALF = 65504.0

_LONG_NAMES = 0x400  # set where a name has more than 31 characters
_LONGEST_SHORT_NAME = 31
_LONGEST_NAME = 255
_ZIP, _ZIP_LINES, _ZIP_LEVEL = 3, 16, 4
_KINDS = {"<f2": HALF, "<f4": FLOAT}
# Red, green, blue and white of Rec. 709 (ITU-R BT.709-6, table 1), x and y of each.
_REC709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)


def encode_depth(depth: np.ndarray) -> bytes:
    """Return an EXR file with one float32 channel `Z`.

    Args:
        depth: (H, W) float32, planar z in metres.
    """
    if depth.dtype != np.float32 or depth.ndim != 2:
        raise ValueError(f"expected (H, W) float32, not {depth.shape} {depth.dtype}")
    return _encode({"Z": depth}, ())


def encode_linear(picture: np.ndarray, *, text: Mapping[str, str]) -> bytes:
    """Return an EXR file with half-float channels `R`, `G`, `B`, linear, with Rec. 709 primaries.

    Args:
        picture: (H, W, 3) float32; what half floats cannot hold becomes the largest they can.
        text: String attributes by name.
    """
    if picture.dtype != np.float32 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(f"expected (H, W, 3) float32, not {picture.shape} {picture.dtype}")
    half = np.clip(picture, -LARGEST_HALF, LARGEST_HALF).astype(np.float16)
    planes = {name: half[..., place] for place, name in enumerate("RGB")}
    attributes = [("chromaticities", "chromaticities", struct.pack("<8f", *_REC709))]
    attributes += [(name, "string", value.encode("utf-8")) for name, value in text.items()]
    return _encode(planes, attributes)


def _encode(planes: Mapping[str, np.ndarray], extra: object) -> bytes:
    """Return a file of channels (H, W) of the same size and type, with further attributes."""
    names = sorted(planes)  # the order that the format asks for
    stacked = np.stack([planes[name] for name in names], axis=1)  # (H, channels, W)
    stacked = stacked.astype(stacked.dtype.newbyteorder("<"), copy=False)
    height, _, width = stacked.shape
    kind = _KINDS[stacked.dtype.str]
    listed = b"".join(
        name.encode("ascii") + b"\0" + struct.pack(SAMPLE, kind, 0, 1, 1) for name in names
    )
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    attributes = (
        ("channels", "chlist", listed + b"\0"),
        ("compression", "compression", bytes([_ZIP])),
        ("dataWindow", "box2i", window),
        ("displayWindow", "box2i", window),
        ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", 1)),
        ("screenWindowCenter", "v2f", struct.pack("<2f", 0, 0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1)),
        *extra,
    )
    long = any(len(name.encode()) > _LONGEST_SHORT_NAME for name, _, _ in attributes)
    head = MAGIC + struct.pack("<I", VERSION | (_LONG_NAMES if long else 0))
    for name, what, value in attributes:
        coded = name.encode("utf-8")
        if not 1 <= len(coded) <= _LONGEST_NAME or b"\0" in coded:
            raise ValueError(f"an attribute's name has 1 to {_LONGEST_NAME} bytes, not {name!r}")
        head += coded + b"\0" + what.encode() + b"\0" + struct.pack("<i", len(value)) + value
    head += b"\0"
    chunks = []
    for top in range(0, height, _ZIP_LINES):
        body = _zip_chunk(stacked[top : top + _ZIP_LINES].tobytes())
        chunks.append(struct.pack("<ii", top, len(body)) + body)
    starts = np.cumsum([0] + [len(chunk) for chunk in chunks[:-1]]) + len(head) + 8 * len(chunks)
    return head + starts.astype("<u8").tobytes() + b"".join(chunks)


def _zip_chunk(raw: bytes) -> bytes:
    """Compress one chunk: even bytes before odd bytes, differences + 128, deflate."""
    plain = np.frombuffer(raw, np.uint8)
    parted = np.concatenate((plain[0::2], plain[1::2]))
    coded = parted.copy()
    coded[1:] -= parted[:-1]
    coded[1:] += 128
    packed = zlib.compress(coded, _ZIP_LEVEL)
    return packed if len(packed) < len(raw) else raw  # as OpenEXR does: never larger than raw
