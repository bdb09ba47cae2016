"""A hash of everything in a .blend file that a scene's picture can depend on.

Two saves of the same scene rarely have the same bytes: blocks lie elsewhere in memory, so pointers
differ. The hash therefore walks from the scene along all pointers, as Blender does when it reads
the file, and replaces each by the order in which its target was first met. What cannot be reached
from the scene (other scenes, windows, workspaces, the takes in "<name> edit") has no part in it.
Where the walk cannot know better it includes more: that costs a render, never a wrong picture.

Runs in the second Blender: the standard library alone.
"""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

from .blendfile import POINTER_BYTES, Block, read_blocks

_POINTER = struct.Struct("<Q")

# Fields that no picture depends on: the path of a scene's output, its movie codec and how much its
# files are packed, since a capture writes its own elsewhere; and what Blender sets anew at every
# load, save or edit: the links between all data-blocks of one kind, used or not, counters that tell
# when a copy is outdated, what has changed since the last undo step, and the random numbers of
# nodes. (Blender 5 writes a scene's compositor once more, for older versions, whose output node has
# a new number at each save.)
_NOISE = frozenset(
    {
        ("ID", "next"),
        ("ID", "prev"),
        ("ID", "session_uid"),
        ("ID", "recalc"),
        ("ID", "recalc_up_to_undo_push"),
        ("ID", "recalc_after_undo_push"),
        ("bNode", "identifier"),
        ("CurveMapping", "changed_timestamp"),
        ("CurveProfile", "changed_timestamp"),
        ("RenderData", "pic"),
        ("RenderData", "ffcodecdata"),
        *(
            ("ImageFormatData", name)
            for name in (
                *("flag", "quality", "compress", "exr_codec", "exr_flag", "tiff_codec"),
                *("jp2_flag", "jp2_codec", "cineon_flag", "cineon_white", "cineon_black"),
                *("cineon_gamma", "views_format", "stereo3d_format"),
            )
        ),
    }
)


def blend_fingerprint(
    path: Path, *, scene: str, unused: frozenset[tuple[str, str]] = frozenset()
) -> str:
    """Return the SHA-256, in hex, of what scene `scene` of the file at `path` is made of.

    Texts count as well: drivers and handlers may run what is in them. The fields in `unused`,
    (struct, field), do not.

    Raises:
        BlendFileError: the file's layout is not known.
        OSError: it cannot be read.
        KeyError: it has no such scene.
    """
    blocks = read_blocks(path, noise=_NOISE | unused)
    # A linked data-block has the code b"ID", so a linked scene of the same name is no root.
    local = {block.name: number for number, block in enumerate(blocks) if block.code == b"SC"}
    texts = [number for number, block in enumerate(blocks) if block.code == b"TX"]
    roots = [local[f"SC{scene}"], *sorted(texts, key=lambda number: blocks[number].name)]
    return _Walk(blocks).digest(roots)


class _Walk:
    """Visits blocks in an order that only the pointers among them decide."""

    def __init__(self, blocks: list[Block]) -> None:
        self.blocks = blocks
        self.ids = {block.address: n for n, block in enumerate(blocks) if block.is_id}
        # Addresses of what belongs to a data-block are unique only within it.
        self.owned: dict[int, dict[int, int]] = {}
        self.members: dict[int, list[int]] = {}
        for number, block in enumerate(blocks):
            self.members.setdefault(block.owner, []).append(number)
            self.owned.setdefault(block.owner, {}).setdefault(block.address, number)
        self.order: list[int] = []
        self.labels: dict[int, int] = {}
        self.pointer_arrays: set[int] = set()

    def digest(self, roots: list[int]) -> str:
        """Return the hash of `roots` and of all that they reach."""
        hasher = hashlib.sha256()
        for root in roots:
            self._meet(root)
        position = 0
        owners: dict[int, None] = {}
        while position < len(self.order):
            number = self.order[position]
            position += 1
            block = self.blocks[number]
            hasher.update(f"{block.kind.name} {block.count} {len(block.data)}\n".encode())
            hasher.update(self._normal(number))
            owners.setdefault(block.owner)
            if position == len(self.order):
                # What a data-block owns counts, also where no pointer known here leads to it.
                for owner in owners:
                    for member in self.members[owner]:
                        self._meet(member)
        return hasher.hexdigest()

    def _meet(self, number: int) -> int:
        if number not in self.labels:
            self.labels[number] = len(self.order) + 1
            self.order.append(number)
        return self.labels[number]

    def _normal(self, number: int) -> bytes | memoryview:
        """Return the block's bytes with labels for pointers, and 0 for those that lead nowhere."""
        block = self.blocks[number]
        size = len(block.data)
        if number in self.pointer_arrays:
            data = bytearray(block.data)
            for offset in range(0, size - size % POINTER_BYTES, POINTER_BYTES):
                self._relabel(data, offset, block.owner, to_pointers=False)
            return data
        kind = block.kind
        known = kind.pointers or kind.noise or kind.texts
        if not known or kind.size * block.count != size:
            return block.data
        data = bytearray(block.data)
        for start in range(0, size, kind.size):
            for offset, length in kind.noise:
                data[start + offset : start + offset + length] = bytes(length)
            for offset, length in kind.texts:
                # Blender writes a new text over an older one, whose end stays behind the zero.
                place = slice(start + offset, start + offset + length)
                data[place] = data[place].partition(b"\0")[0].ljust(length, b"\0")
            for pointer in kind.pointers:
                self._relabel(
                    data, start + pointer.offset, block.owner, to_pointers=pointer.to_pointers
                )
        return data

    def _relabel(self, data: bytearray, offset: int, owner: int, *, to_pointers: bool) -> None:
        (address,) = _POINTER.unpack_from(data, offset)
        if not address:
            return
        target = self.owned[owner].get(address, self.ids.get(address))
        label = 0
        if target is not None:
            if to_pointers and not self.blocks[target].is_id:
                self.pointer_arrays.add(target)
            label = self._meet(target)
        _POINTER.pack_into(data, offset, label)
