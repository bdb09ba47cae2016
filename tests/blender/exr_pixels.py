"""Reads the EXR files that Blender writes for a shot, without the code under test.

Scan lines, one part, 32-bit floats, ZIP. Source: "OpenEXR File Layout" (openexr.com).
"""

import struct
import zlib

import numpy as np

_ROWS = 16  # in one ZIP chunk


def read(path):
    """Returns {channel name: (H, W) float32, first row at the top}."""
    data = path.read_bytes()
    magic, version = struct.unpack_from("<II", data)
    assert (magic, version & ~0x400) == (20000630, 2), "not a one-part scan-line EXR"
    attributes, position = _attributes(data, 8)
    assert attributes["compression"] == b"\x03", "not ZIP"
    names = _channels(attributes["channels"])
    left, top, right, bottom = struct.unpack("<4i", attributes["dataWindow"])
    width, height = right - left + 1, bottom - top + 1
    pixels = np.empty((height, len(names), width), np.float32)
    chunks = -(-height // _ROWS)
    for offset in struct.unpack_from(f"<{chunks}Q", data, position):
        line, size = struct.unpack_from("<ii", data, offset)
        rows = min(_ROWS, bottom - line + 1)
        raw = data[offset + 8 : offset + 8 + size]
        whole = rows * len(names) * width * 4
        if size < whole:
            raw = _unzip(raw)
        block = np.frombuffer(raw, "<f4").reshape(rows, len(names), width)
        pixels[line - top : line - top + rows] = block
    return {name: pixels[:, index] for index, name in enumerate(names)}


def _attributes(data, position):
    found = {}
    while data[position]:
        name, _, rest = data[position : position + 512].partition(b"\0")
        kind = rest.partition(b"\0")[0]
        position += len(name) + len(kind) + 2
        (size,) = struct.unpack_from("<i", data, position)
        found[name.decode()] = data[position + 4 : position + 4 + size]
        position += 4 + size
    return found, position + 1


def _channels(data):
    names = []
    position = 0
    while data[position]:
        name = data[position:].partition(b"\0")[0]
        position += len(name) + 1
        assert struct.unpack_from("<i", data, position) == (2,), "not 32-bit float"
        position += 16
        names.append(name.decode())
    return names


def _unzip(raw):
    """Undoes ZIP, then the byte differences, then the split into even and odd bytes."""
    deltas = np.frombuffer(zlib.decompress(raw), np.uint8).astype(np.int64)
    deltas[1:] -= 128
    values = (np.cumsum(deltas) & 255).astype(np.uint8)
    half = -(-len(values) // 2)
    joined = np.empty_like(values)
    joined[0::2], joined[1::2] = values[:half], values[half:]
    return joined.tobytes()
