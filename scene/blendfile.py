"""Reads the structure of a .blend file: its blocks, and where pointers lie in them.

Only what a fingerprint needs: uncompressed files with 64-bit pointers, little endian, which is
what every Blender that this extension runs in writes. The format is described by Blender's own
`BLO_core_bhead.hh` (blocks) and `dna_genfile.cc` (the DNA1 block: all structs with their fields).
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path

_HEADER = re.compile(rb"BLENDER(?:-v\d{3}|(\d\d)-(\d\d)v\d{4})")
_SMALL_BLOCK = struct.Struct("<4siQii")  # code, bytes, address, struct, count
_LARGE_BLOCK = struct.Struct("<4siQqq")  # code, struct, address, bytes, count (Blender 5)
_DATA = b"DATA"
_NO_ID = {b"GLOB", b"REND", b"TEST", b"USER", b"DNA1", b"ENDB"}
POINTER_BYTES = 8
# Arrays of characters from this length on are text, ended by a zero byte: names, paths and the
# like. The shorter ones are colors, axes and hashes; one of the long ones has a count of its own.
_LEAST_TEXT = 32
_COUNTED = {("MStringProperty", "s")}


class BlendFileError(Exception):
    """The file is not laid out as this module knows it."""


@dataclass(frozen=True, slots=True)
class Pointer:
    """A pointer within a struct: where it lies, and whether it points to pointers."""

    offset: int
    to_pointers: bool


@dataclass(frozen=True, slots=True)
class StructType:
    """A struct of the file.

    Attributes:
        name: as in Blender's source.
        size: bytes.
        pointers: every pointer in it, those of nested structs too.
        noise: offset and bytes of every field in it that was asked to be told apart.
        texts: offset and bytes of every text in it, whose rest after the first zero means nothing.
    """

    name: str
    size: int
    pointers: tuple[Pointer, ...]
    noise: tuple[tuple[int, int], ...]
    texts: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of the file.

    Attributes:
        code: two letters for a data-block (b"SC" a scene), b"DATA" for what belongs to one.
        kind: the struct that `data` holds `count` of.
        address: where it lay in memory; pointers of the file mean this.
        owner: position of the data-block that it belongs to, its own for a data-block.
        name: a data-block's name with its two letters, as "SCScene"; empty for b"DATA".
    """

    code: bytes
    kind: StructType
    address: int
    count: int
    data: memoryview
    owner: int
    name: str

    @property
    def is_id(self) -> bool:
        """Whether it is a data-block itself."""
        return self.code != _DATA


def read_blocks(path: Path, *, noise: Set[tuple[str, str]] = frozenset()) -> list[Block]:
    """Return the blocks of all data-blocks, in the order of the file.

    Args:
        path: the file.
        noise: (struct, field) of what `StructType.noise` is to list; it counts as no pointer.

    Raises:
        BlendFileError: it is not an uncompressed .blend file of a known layout.
        OSError: it cannot be read.
    """
    content = memoryview(path.read_bytes())
    try:
        raw = list(_raw_blocks(content))
        kinds, names_at = _struct_types(
            next(data for code, _, _, _, data in raw if code == b"DNA1"), noise
        )
        blocks: list[Block] = []
        owner = -1
        for code, number, address, count, data in raw:
            if code in _NO_ID:
                owner = -1
                continue
            if code != _DATA:
                owner = len(blocks)
            if owner < 0:
                continue
            name = ""
            if code != _DATA:
                name = bytes(data[names_at:]).partition(b"\0")[0].decode("utf-8")
            blocks.append(Block(code, kinds[number], address, count, data, owner, name))
    except (struct.error, IndexError, ValueError, StopIteration) as reason:
        raise BlendFileError(f"'{path}' is not laid out as expected ({reason!r})") from reason
    return blocks


def _raw_blocks(content: memoryview) -> Iterator[tuple[bytes, int, int, int, memoryview]]:
    header = _HEADER.match(content)
    if header is None or header[2] not in (None, b"01"):
        raise ValueError("unknown header")
    large = header[2] is not None
    position = int(header[1]) if large else header.end()
    while True:
        if large:
            code, number, address, size, count = _LARGE_BLOCK.unpack_from(content, position)
            position += _LARGE_BLOCK.size
        else:
            code, size, address, number, count = _SMALL_BLOCK.unpack_from(content, position)
            position += _SMALL_BLOCK.size
        code = code.rstrip(b"\0")
        if position + size > len(content):
            raise ValueError("cut off")
        yield code, number, address, count, content[position : position + size]
        if code == b"ENDB":
            return
        position += size


_Places = list[tuple[int, int]]  # offset and bytes of each
_Layout = tuple[list[Pointer], _Places, _Places]


def _struct_types(dna: memoryview, noise: Set[tuple[str, str]]) -> tuple[list[StructType], int]:
    """Return the structs of the DNA1 block, and where the name lies in a data-block."""
    reader = _DnaReader(bytes(dna))
    names = reader.strings(b"NAME")
    types = reader.strings(b"TYPE")
    lengths = reader.shorts(b"TLEN", len(types))
    fields = reader.structs(b"STRC")
    known: dict[int, _Layout] = {}
    names_at = -1

    def layout(of: int) -> _Layout:
        """Return the pointers, the noise and the texts of one struct, nested structs included."""
        nonlocal names_at
        if of in known:
            return known[of]
        pointers: list[Pointer] = []
        noisy: list[tuple[int, int]] = []
        texts: list[tuple[int, int]] = []
        offset = 0
        for field_type, field_name in fields.get(of, ()):
            name = names[field_name]
            counts = [int(count) for count in re.findall(r"\[(\d+)\]", name)]
            times = math.prod(counts)
            plain = name.lstrip("*").partition("[")[0]
            if (types[of], plain) == ("ID", "name"):
                names_at = offset
            if name.startswith(("*", "(")):
                size, inner = POINTER_BYTES, ([Pointer(0, name.startswith("**"))], [], [])
            else:
                size, inner = lengths[field_type], layout(field_type)
                is_text = types[field_type] == "char" and counts and counts[-1] >= _LEAST_TEXT
                if is_text and (types[of], plain) not in _COUNTED:
                    rows = range(offset, offset + times, counts[-1])
                    texts += [(start, counts[-1]) for start in rows]
            if (types[of], plain) in noise:
                noisy.append((offset, times * size))
                inner = ([], [], [])
            for start in range(offset, offset + times * size, size) if any(inner) else ():
                pointers += [Pointer(start + each.offset, each.to_pointers) for each in inner[0]]
                noisy += [(start + position, length) for position, length in inner[1]]
                texts += [(start + position, length) for position, length in inner[2]]
            offset += times * size
        if of in fields and offset != lengths[of]:
            raise ValueError(f"struct {types[of]} has {offset} bytes, not {lengths[of]}")
        known[of] = pointers, noisy, texts
        return known[of]

    kinds = [StructType(types[of], lengths[of], *map(tuple, layout(of))) for of in fields]
    if names_at < 0:
        raise ValueError("data-blocks without names")
    return kinds, names_at


class _DnaReader:
    """Walks through the four tables of the DNA1 block."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self._expect(b"SDNA")

    def strings(self, tag: bytes) -> list[str]:
        self._expect(tag)
        (count,) = self._take("i")
        result = []
        for _ in range(count):
            end = self.data.index(b"\0", self.position)
            result.append(self.data[self.position : end].decode("ascii"))
            self.position = end + 1
        return result

    def shorts(self, tag: bytes, count: int) -> tuple[int, ...]:
        self._expect(tag)
        return self._take(f"{count}h")

    def structs(self, tag: bytes) -> dict[int, list[tuple[int, int]]]:
        self._expect(tag)
        (count,) = self._take("i")
        result = {}
        for _ in range(count):
            kind, fields = self._take("2h")
            numbers = self._take(f"{2 * fields}h")
            result[kind] = list(zip(numbers[::2], numbers[1::2], strict=True))
        return result

    def _expect(self, tag: bytes) -> None:
        self.position = (self.position + 3) & ~3
        if self.data[self.position : self.position + 4] != tag:
            raise ValueError(f"{tag!r} not found")
        self.position += 4

    def _take(self, layout: str) -> tuple[int, ...]:
        values = struct.unpack_from(f"<{layout}", self.data, self.position)
        self.position += struct.calcsize(f"<{layout}")
        return values
