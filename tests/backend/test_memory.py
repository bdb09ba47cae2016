"""Files that claim to be huge cost no more memory than the caps; each in a process of its own."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from backend import exr
from tests.pngs import SIGNATURE, chunk, header, png

ROOT = Path(__file__).resolve().parents[2]
MANY = bytes(400_000_000)
# The most any of these needed when measured was 34 MB, for the directory of an archive.
MOST = 64_000_000

READ = """
import resource, sys
from pathlib import Path
from backend import bundle, media
from backend.errors import ShotError
path = Path(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    if path.suffix == ".png":
        media.read_still(path)
    elif path.suffix == ".exr":
        media.read_depth(path, size=(8000, 5000), place="a.exr")
    else:
        bundle.unpack(path, path.with_name("out"))
except ShotError as error:
    print(error, file=sys.stderr)
else:
    print("was read", file=sys.stderr)
unit = 1 if sys.platform == "darwin" else 1024
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit)
"""


def claimed_png(path: Path) -> None:
    body = chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND")
    path.write_bytes(SIGNATURE + header(8000, 5000, 16, 6) + body)


def inflating_png(path: Path) -> None:
    body = chunk(b"IDAT", zlib.compress(MANY)) + chunk(b"IEND")
    path.write_bytes(SIGNATURE + header(4, 4, 8, 2) + body)


def talking_png(path: Path) -> None:
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(MANY))
    path.write_bytes(png(np.zeros((4, 4, 3), int), bits=8, color=2, before=[text]))


def long_png(path: Path) -> None:
    with path.open("wb") as stream:
        stream.write(SIGNATURE + header(4, 4, 8, 2))
        stream.truncate(5_000_000_000)


def claimed_exr(path: Path, *, channels: int = 1, method: int = 3, tile: int = 0) -> None:
    """Write the header of 8000 x 5000 pixels, and zeros where offsets and pixels should be."""
    sample = struct.pack("<iB3xii", 2, 0, 1, 1)
    names = sorted(["Z", *(f"Z{number}" for number in range(channels - 1))])
    window = struct.pack("<4i", 0, 0, 7999, 4999)
    attributes = [
        ("channels", "chlist", b"".join(n.encode() + b"\0" + sample for n in names) + b"\0"),
        ("compression", "compression", bytes([method])),
        ("dataWindow", "box2i", window),
        ("displayWindow", "box2i", window),
        ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", 1)),
        ("screenWindowCenter", "v2f", bytes(8)),
        ("screenWindowWidth", "float", struct.pack("<f", 1)),
    ]
    if tile:
        attributes.append(("tiles", "tiledesc", struct.pack("<IIB", tile, tile, 0)))
    data = exr.MAGIC + struct.pack("<I", 0x202 if tile else 2)
    for name, kind, value in attributes:
        data += f"{name}\0{kind}\0".encode() + struct.pack("<i", len(value)) + value
    path.write_bytes(data + b"\0" + bytes(200_000))


def zip_bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("shot.json", b"{}")
        target.writestr("still.png", MANY)


def zip_of_nothing(path: Path) -> None:
    """A directory of 400 MB: a million entries would be gigabytes of Python objects."""
    size = 400_000_000
    with path.open("wb") as stream:
        stream.truncate(size)
        stream.seek(size)
        stream.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, size, 0, 0))


@pytest.mark.skipif(os.name != "posix", reason="resource is POSIX's")
@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("claimed.png", claimed_png),
        ("inflating.png", inflating_png),
        ("talking.png", talking_png),
        ("long.png", long_png),
        ("claimed.exr", claimed_exr),
        ("channels.exr", lambda path: claimed_exr(path, channels=255)),
        ("dwab.exr", lambda path: claimed_exr(path, channels=255, method=9)),
        ("tiles.exr", lambda path: claimed_exr(path, channels=100, tile=4000)),
        ("bomb.zip", zip_bomb),
        ("directory.zip", zip_of_nothing),
    ],
)
def test_what_claims_to_be_huge(tmp_path, name: str, make: Callable[[Path], None]):
    path = tmp_path / name
    make(path)
    done = subprocess.run([sys.executable, "-c", READ, path], cwd=ROOT, timeout=120,
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < MOST, done.stderr
    if name != "talking.png":
        assert "was read" not in done.stderr
