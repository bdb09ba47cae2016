"""A shot as one file: packed, unpacked with every cap held, and its hash.

An archive comes from outside. Its directory is checked before anything is written, sizes are held
again while bytes flow, and only the files that `shot.json` names leave the archive.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .errors import ShotError, StorageError
from .fields import parse_json, quoted
from .names import check_path, folded
from .take import hash_file
from .wire import (
    MAX_FRAMES,
    MAX_GUIDES,
    MAX_JSON_BYTES,
    MAX_STILLS,
    SHOT_FILE,
    Shot,
    check_files,
    encode_shot,
    read_shot,
)

MAX_UNPACKED_BYTES = 64 * 1024**3
MAX_RATIO = 200
SMALL_BYTES = 1024 * 1024  # below this an entry may be packed tighter than MAX_RATIO
MAX_ENTRIES = 2 * MAX_FRAMES * MAX_GUIDES + MAX_STILLS + 1  # folders may have entries too
MAX_DIRECTORY_BYTES = 32 * 1024 * 1024

_STEP = 1024 * 1024
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What zipfile and zlib raise on bytes that are no sound archive.
_DAMAGED = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    struct.error,
    EOFError,
    IndexError,
    KeyError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)


def pack(folder: Path, archive: Path, *, shot: Shot | None = None) -> None:
    """Write the shot in `folder`, `shot.json` and the files it names, as a zip file.

    The files are stored as they are: stills and guides are compressed already.

    Args:
        folder: Where the shot's files are; nothing in it is changed.
        archive: The zip file to write.
        shot: What to pack in place of the folder's own `shot.json`: the same files, other words.

    Raises:
        ShotError: the shot is not usable, or exceeds what `unpack` takes.
        StorageError: the archive cannot be written.
    """
    if shot is None:
        shot = read_shot(folder)
        content = (folder / SHOT_FILE).read_bytes()
    else:
        check_files(shot, folder)
        content = encode_shot(shot)
    names = shot.files()
    total = len(content) + sum((folder / name).stat().st_size for name in names)
    if total > MAX_UNPACKED_BYTES:
        raise ShotError(
            f"The shot's files take {total / 1024**3:.0f} GB, more than"
            f" {MAX_UNPACKED_BYTES // 1024**3}; use fewer frames or a lower resolution."
        )
    part = archive.with_name(f".{archive.name}.part")
    try:
        with zipfile.ZipFile(part, "w", strict_timestamps=False) as target:
            target.writestr(SHOT_FILE, content)
            for name in names:
                target.write(folder / name, name)
        part.replace(archive)
    except OSError as reason:
        with contextlib.suppress(OSError):  # where nothing can be written, nothing can be removed
            part.unlink(missing_ok=True)
        raise _storage(archive, reason) from reason


def unpack(archive: Path, folder: Path) -> Shot:
    """Unpack a zipped shot; `folder` is there in full afterwards, or not at all.

    Args:
        archive: The zip file, from anywhere.
        folder: Where the shot goes; it must not exist, its parent must.

    Raises:
        ShotError: the archive or its shot is not usable, or exceeds the caps.
        StorageError: the disk is full, or the folder cannot be written.
    """
    if not archive.is_file():
        raise ShotError(f"There is no shot '{archive}'; give a shot's folder or its zip file.")
    if folder.exists():
        raise StorageError(f"'{folder.name}' is there already; choose another folder.")
    try:
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as reason:
        raise _storage(folder, reason) from reason
    try:
        with _reading(), archive.open("rb") as stream:
            _extract(stream, archive.stat().st_size, work)
        shot = read_shot(work)
        try:
            work.replace(folder)
        except OSError as reason:
            raise _storage(folder, reason) from reason
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    return shot


def shot_hash(folder: Path) -> str:
    """Return the SHA-256 of a shot: of `shot.json`'s meaning and of the files it names.

    The same for a folder and for its unpacked archive; independent of the order of files on disk
    and of how the JSON is laid out.

    Raises:
        ShotError: the shot is not usable.
    """
    return shot_hashes(folder)[0]


def without_words(shot: Shot) -> Shot:
    """Return a shot without what differs between takes of one capture: name, words and seed."""
    return dataclasses.replace(shot, name="shot", prompt="", negative_prompt="", seed=0)


def shot_hashes(folder: Path, shot: Shot | None = None) -> tuple[str, str]:
    """Return `shot_hash`, and the same of the shot without words: of what was captured.

    Args:
        folder: Of the shot.
        shot: What it says, where that is another than in its `shot.json`.

    Raises:
        ShotError: the shot is not usable.
    """
    shot = read_shot(folder) if shot is None else shot
    described = [
        json.dumps(each.to_json(), sort_keys=True, separators=(",", ":")).encode()
        for each in (shot, without_words(shot))
    ]
    digests = [hashlib.sha256(struct.pack("<Q", len(text)) + text) for text in described]
    for name in sorted(shot.files()):
        path = name.encode()
        try:
            content = bytes.fromhex(hash_file(folder / name))
        except OSError as reason:
            raise ShotError(f"'{name}' cannot be read: {reason.strerror or reason}.") from reason
        for digest in digests:
            digest.update(struct.pack("<Q", len(path)) + path + content)
    whole, capture = (digest.hexdigest() for digest in digests)
    return whole, capture


class _Bounded:
    """A file that refuses to hand out more at once than a zip directory needs.

    `zipfile` reads the whole directory in one go, as long as the archive says it is.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.seek = stream.seek
        self.tell = stream.tell

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(MAX_DIRECTORY_BYTES + 1 if size is None or size < 0 else
                                 min(size, MAX_DIRECTORY_BYTES + 1))  # fmt: skip
        if len(data) > MAX_DIRECTORY_BYTES:
            raise ShotError("The archive lists far more files than a shot can have.")
        return data


@contextmanager
def _reading() -> Iterator[None]:
    """Translate what a damaged archive makes `zipfile` raise; its words may quote the bytes."""
    try:
        yield
    except _DAMAGED as reason:
        raise ShotError("The archive is damaged or no zip file; pack the shot again.") from reason


def _extract(stream: BinaryIO, packed: int, folder: Path) -> None:
    with zipfile.ZipFile(_Bounded(stream)) as source:
        entries = _check_entries(source.infolist(), packed)
        if SHOT_FILE not in entries:
            raise ShotError(f"The archive has no {SHOT_FILE} at its top; zip the folder's content.")
        if entries[SHOT_FILE].file_size > MAX_JSON_BYTES:
            raise ShotError(f"{SHOT_FILE} is larger than any shot needs.")
        content = b"".join(_stream(source, entries[SHOT_FILE]))
        shot = Shot.from_json(parse_json(content, name=SHOT_FILE, error=ShotError))
        for name in shot.required():
            if name not in entries:
                raise ShotError(
                    f"{shot.named_at(name)} names '{name}', but the archive does not have it;"
                    " pack the shot again."
                )
        chosen = [entries[name] for name in (SHOT_FILE, *shot.files()) if name in entries]
        total = sum(entry.file_size for entry in chosen)
        if shutil.disk_usage(folder).free < total:
            raise StorageError(
                f"The shot needs {max(total / 1024**2, 0.1):.1f} MB on disk, more than is free;"
                " free some space."
            )
        for entry in chosen:
            _write(folder / entry.filename, _stream(source, entry))


def _check_entries(infos: list[zipfile.ZipInfo], packed: int) -> dict[str, zipfile.ZipInfo]:
    """Hold every cap against the directory; return the files by name."""
    if len(infos) > MAX_ENTRIES:
        raise ShotError("The archive lists far more files than a shot can have.")
    entries: dict[str, zipfile.ZipInfo] = {}
    taken: set[str] = set()
    total = 0
    for info in infos:
        name = info.orig_filename
        place = f"The archive's entry {quoted(name)}"
        folder = name.endswith("/")
        check_path(name[:-1] if folder else name, place=place)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFDIR if folder else stat.S_IFREG):
            raise ShotError(f"{place} is a link or device; put the file itself there.")
        if info.flag_bits & _ENCRYPTED:
            raise ShotError(f"{place} is encrypted; zip the shot without a password.")
        if info.compress_type not in _METHODS:
            raise ShotError(f"{place} is compressed in an unusual way; use stored or deflate.")
        if folded(name) in taken:
            raise ShotError(f"{place} is there twice (or differs only in upper and lower case).")
        taken.add(folded(name))
        if info.file_size > max(SMALL_BYTES, MAX_RATIO * info.compress_size):
            raise ShotError(f"{place} is packed more than {MAX_RATIO} times smaller; refused.")
        total += info.file_size
        if not folder:
            entries[name] = info
    if total > MAX_UNPACKED_BYTES:
        raise ShotError(
            f"The archive unpacks to {total / 1024**3:.0f} GB, more than"
            f" {MAX_UNPACKED_BYTES // 1024**3}; use fewer frames or a lower resolution."
        )
    if total > max(SMALL_BYTES, MAX_RATIO * packed):
        raise ShotError(f"The archive is packed more than {MAX_RATIO} times smaller; refused.")
    return entries


def _stream(source: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield an entry's bytes, exactly as many as its directory entry promised."""
    left = entry.file_size
    with _reading(), source.open(entry) as stream:
        while chunk := stream.read(_STEP):
            left -= len(chunk)
            if left < 0:
                break
            yield chunk
    if left:
        raise ShotError(f"The archive's '{entry.filename}' is not as long as the archive says.")


def _write(path: Path, chunks: Iterator[bytes]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as target:
            for chunk in chunks:
                target.write(chunk)
    except OSError as reason:  # of writing alone: `chunks` raises none
        raise _storage(path, reason) from reason


def _storage(path: Path, reason: OSError) -> StorageError:
    return StorageError(
        f"'{path.name}' cannot be written: {reason.strerror or reason}."
        " Free some space or choose another folder."
    )
