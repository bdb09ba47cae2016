"""Any bytes in any field, zip, PNG or EXR: a ShotError with one sentence, or a usable result.

The profile `ci` (HYPOTHESIS_PROFILE=ci) makes 10,000 cases in all, the default a twentieth. A
native decoder that crashed would end the test run, one that hung would meet the time limit.
"""

from __future__ import annotations

import atexit
import functools
import io
import json
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend import bundle, exr_encode, media
from backend.errors import ShotError, StorageError, TakeError
from backend.fields import parse_json
from backend.take import Take
from backend.wire import MAX_PIXELS, MAX_SIDE, Shot
from tests.analytic import analytic_shot, write_exr
from tests.pngs import CHANNELS, SIGNATURE, chunk, png

UNIT = settings.default.max_examples  # a twentieth of all cases
SIZE = (24, 18)

INTERESTING = st.sampled_from(
    [b"\0", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\x7f", b"\x7f\xff\xff\xff", b"\0\0\0\x80",
     b"\xff" * 4, b"\0" * 4, b"\xff" * 8, b"PK\1\2", b"IDAT", b"../", b"/", b"\\"]
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, bases: Callable[[], tuple[bytes, ...]]) -> bytes:
    """Return a good file with bytes flipped, overwritten, inserted, removed or cut off."""
    data = bytearray(bases()[draw(st.integers(0, len(bases()) - 1))])
    for _ in range(draw(st.integers(1, 4))):
        size = len(data)
        spans = [(0, min(size, 512)), (max(0, size - 256), size), (0, size)]  # heads and tails more
        at = draw(st.integers(*spans[draw(st.integers(0, 2))]))
        kind = draw(st.sampled_from("fffooirdc"))
        if kind == "f" and at < len(data):
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "o":
            value = draw(INTERESTING)
            data[at : at + len(value)] = value
        elif kind == "i":
            data[at:at] = draw(st.binary(min_size=1, max_size=12))
        elif kind == "r":
            value = draw(st.binary(min_size=1, max_size=4))
            data[at : at + len(value)] = value
        elif kind == "d":
            del data[at : at + draw(st.integers(1, 12))]
        elif kind == "c":
            del data[at:]
    return bytes(data)


def one_sentence(error: Exception) -> None:
    assert str(error).strip()
    assert "\n" not in str(error)
    assert len(str(error)) < 2000  # a path alone may have 1024


# --- JSON ------------------------------------------------------------------------------------


@functools.cache
def shot_folder() -> Path:
    """Return a small analytic shot, made once."""
    folder = Path(tempfile.mkdtemp(prefix="depthshot-fuzz-"))
    atexit.register(shutil.rmtree, folder)
    return analytic_shot(folder / "shot", frames=2, size=(6, 4))


@functools.cache
def shot_json() -> tuple[bytes, ...]:
    return ((shot_folder() / "shot.json").read_bytes(),)


NUMBERS = st.one_of(
    st.integers(), st.floats(), st.sampled_from([10**400, -(10**400), 2**31, 2**63, 0, -1, 1e308])
)
TEXTS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["..", "/a", "C:/", "a\\b", "nul", "\ud800", "a" * 2000, "still.png", ""]),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=12,
)


def places(value: object, at: tuple = ()) -> list[tuple]:
    """Return the way to every value inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(
        value, list) else ()  # fmt: skip
    return [at] * bool(at) + [way for key, part in inner for way in places(part, (*at, key))]


@st.composite
def odd_content(draw: st.DrawFn, whole: Callable[[], object]) -> object:
    """Return JSON content with some values replaced, removed or added."""
    value = json.loads(json.dumps(whole()))
    for _ in range(draw(st.integers(1, 3))):
        *above, last = draw(st.sampled_from(places(value)))
        owner = functools.reduce(lambda part, key: part[key], above, value)
        match draw(st.sampled_from(["replace", "replace", "remove", "add"])):
            case "replace":
                owner[last] = draw(JSON)
            case "remove":
                del owner[last]
            case "add" if isinstance(owner, dict):
                owner[draw(TEXTS)] = draw(JSON)
            case _:
                owner.append(draw(JSON)) if isinstance(owner, list) else None
        if not places(value):
            break
    return value


@settings(max_examples=4 * UNIT)
@given(odd_content(lambda: json.loads(shot_json()[0])))
def test_any_value_in_any_field(value):
    try:
        shot = Shot.from_json(value)
    except ShotError as error:
        one_sentence(error)
        return
    assert Shot.from_json(json.loads(json.dumps(shot.to_json()))) == shot
    width, height = shot.size
    assert max(width, height) <= MAX_SIDE
    assert width * height <= MAX_PIXELS
    for path in shot.files():
        assert not Path(path).is_absolute()
        assert ".." not in path.split("/")


@settings(max_examples=2 * UNIT)
@given(damaged(shot_json))
def test_any_bytes_as_json(data):
    try:
        Shot.from_json(parse_json(data, name="shot.json", error=ShotError))
    except ShotError as error:
        one_sentence(error)


TAKE = {
    "protocol": 1, "name": "n", "shot_sha256": "0" * 64, "model": "projection", "revision": "1",
    "settings": {"fill": True}, "seed": 1, "frame_start": 1, "frames": 2, "size": [4, 4],
    "fps": 24.0, "digital_source_type": "algorithmicMedia", "generated": [0, 1.0],
    "warnings": ["w"], "details": {}, "files": {"frames/0001.png": "0" * 64},
}  # fmt: skip


@settings(max_examples=UNIT)
@given(odd_content(lambda: TAKE))
def test_any_value_in_a_take(value):
    try:
        take = Take.from_json(value)
    except TakeError as error:
        one_sentence(error)
        return
    assert Take.from_json(take.to_json()) == take


# --- zip -------------------------------------------------------------------------------------


@functools.cache
def archives() -> tuple[bytes, ...]:
    stored, deflated, large = io.BytesIO(), io.BytesIO(), io.BytesIO()
    bundle.pack(shot_folder(), shot_folder().parent / "a.zip")
    stored.write((shot_folder().parent / "a.zip").read_bytes())
    files = [path for path in sorted(shot_folder().rglob("*")) if path.is_file()]
    with zipfile.ZipFile(deflated, "w", zipfile.ZIP_DEFLATED) as target:
        for path in files:
            target.write(path, path.relative_to(shot_folder()))
    with zipfile.ZipFile(large, "w") as target:
        for path in files:
            name = path.relative_to(shot_folder()).as_posix()
            with target.open(name, "w", force_zip64=True) as stream:
                stream.write(path.read_bytes())
    return stored.getvalue(), deflated.getvalue(), large.getvalue()


@st.composite
def odd_archives(draw: st.DrawFn) -> bytes:
    """Return an archive whose structure is sound and whose entries are odd."""
    whole = archives()[draw(st.integers(0, len(archives()) - 1))]
    signature, fields = draw(
        st.sampled_from(
            [(b"PK\1\2", (4, 6, 8, 10, 12, 16, 20, 24, 28, 30, 32, 34, 36, 38, 42)),
             (b"PK\3\4", (4, 6, 8, 14, 18, 22, 26, 28)),
             (b"PK\5\6", (4, 6, 8, 10, 12, 16, 20))]
        )
    )  # fmt: skip
    data = bytearray(whole)
    starts = [at for at in range(len(data)) if data.startswith(signature, at)]
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.sampled_from(starts)) + draw(st.sampled_from(fields))
        layout, most = draw(st.sampled_from([("<H", 2**16 - 1), ("<I", 2**32 - 1)]))
        value = draw(st.one_of(st.integers(0, most), st.sampled_from([0, 1, most, most - 1])))
        if at + struct.calcsize(layout) <= len(data):
            struct.pack_into(layout, data, at, value)
    return bytes(data)


@settings(max_examples=4 * UNIT)
@given(st.one_of(damaged(archives), odd_archives()))
def test_any_bytes_as_an_archive(tmp_path, data):
    with tempfile.TemporaryDirectory(dir=tmp_path) as name:
        folder = Path(name)
        (folder / "a.zip").write_bytes(data)
        try:
            bundle.unpack(folder / "a.zip", folder / "out")
        except ShotError as error:
            one_sentence(error)
            assert [path.name for path in folder.iterdir()] == ["a.zip"]
        except StorageError as error:
            pytest.fail(f"blamed the disk for the archive: {error}")
        else:
            assert sorted(path.name for path in folder.iterdir()) == ["a.zip", "out"]


# --- PNG -------------------------------------------------------------------------------------


@functools.cache
def stills() -> tuple[bytes, ...]:
    rng = np.random.default_rng(0)
    files = [media.encode_png(rng.integers(0, 256, (18, 24, 3), dtype=np.uint8))]
    for color, bits in ((2, 16), (6, 8), (6, 16), (0, 1), (0, 16), (4, 8), (3, 4), (3, 8)):
        samples = rng.integers(0, 2**bits, (18, 24, CHANNELS[color]))
        before = [chunk(b"gAMA", struct.pack(">I", 45455))]
        if color == 3:
            palette = rng.integers(0, 256, 3 * 2**bits, dtype=np.uint8).tobytes()
            before += [chunk(b"PLTE", palette), chunk(b"tRNS", palette[: 2**bits])]
        if color == 0:
            before.append(chunk(b"tRNS", b"\0\1"))
        for interlace in (False, True):
            files.append(png(samples, bits=bits, color=color, before=before, interlace=interlace))
    return tuple(files)


def with_checksums(data: bytes) -> bytes:
    """Return the file with every checksum set right, so that damage reaches the decoder."""
    out, at = bytearray(data[:8]), 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if at + 12 + length > len(data):
            break
        body = data[at + 4 : at + 8 + length]
        out += data[at : at + 4] + body + struct.pack(">I", zlib.crc32(body))
        at += 12 + length
    return bytes(out + data[at:])


@st.composite
def odd_rows(draw: st.DrawFn) -> bytes:
    """Return a PNG whose pixel data has any bytes, so any filter types, of any length."""
    color = draw(st.sampled_from(list(CHANNELS)))
    bits = draw(st.sampled_from([1, 2, 4, 8, 16]))
    width, height = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    head = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, draw(st.integers(0, 1)))
    length = height * (1 + (width * bits * CHANNELS[color] + 7) // 8)
    raw = draw(st.binary(min_size=length, max_size=length + draw(st.sampled_from([0, 0, 3]))))
    palette = draw(st.binary(max_size=30))
    parts = [chunk(b"IHDR", head), chunk(b"PLTE", palette) if color == 3 else b"",
             chunk(b"IDAT", zlib.compress(raw)), chunk(b"IEND")]  # fmt: skip
    return SIGNATURE + b"".join(parts)


@settings(max_examples=5 * UNIT)
@given(st.one_of(damaged(stills), damaged(stills).map(with_checksums), odd_rows()))
def test_any_bytes_as_a_still(tmp_path, data):
    path = tmp_path / "still.png"
    path.write_bytes(data)
    try:
        still = media.read_still(path)
    except ShotError as error:
        one_sentence(error)
        return
    height, width, channels = still.pixels.shape
    assert channels == 3
    assert height * width <= MAX_PIXELS
    assert 0 <= still.pixels.min() <= still.pixels.max() <= 1


# --- EXR -------------------------------------------------------------------------------------


@functools.cache
def guides() -> tuple[bytes, ...]:
    rng = np.random.default_rng(0)
    names = ("L.Combined.R", "L.Depth.Z", *(f"L.Vector.{letter}" for letter in "XYZW"))
    pixels = (np.round(rng.uniform(0.5, 4, (18, 24, 6)) * 4) / 4).astype(np.float32)
    path = shot_folder().parent / "guide.exr"
    files = [exr_encode.encode_depth(pixels[..., 0])]
    for method in ("none", "rle", "zips", "zip", "piz", "pxr24", "b44", "b44a", "dwaa", "dwab"):
        write_exr(path, pixels, names, compression=method)
        files.append(path.read_bytes())
    return tuple(files)


@settings(max_examples=4 * UNIT)
@given(damaged(guides))
def test_any_bytes_as_a_guide(tmp_path, data):
    path = tmp_path / "guide.exr"
    path.write_bytes(data)
    try:
        depth = media.read_depth(path, size=SIZE, place="d")
        assert depth.shape == (18, 24)
        assert (depth > 0).all()
    except ShotError as error:
        one_sentence(error)
    try:
        flow = media.read_flow(path, size=SIZE, place="f")
        assert flow.shape == (18, 24, 4)
        assert np.isfinite(flow).all()
    except ShotError as error:
        one_sentence(error)
