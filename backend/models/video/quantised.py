"""Weights of 4 bits: made once of those that were downloaded, kept on the disk, loaded as they are.

Made one matrix after another, so that a model is rounded, and loaded, in a fraction of the memory
that it would take as it was published. The file is GGUF with diffusers' names, and is loaded by
diffusers' own way for such files: each matrix stays in 4 bits and is brought back while it works.
Like in 8 bits, what is outside the blocks stays exact, and so do norms, biases and tables.

The type is Q4_0. Relative RMS error of a matrix (benchmarks/four_bits.py; normal values, and
Student's t with 5 degrees of freedom, which has larger outliers):

    Q4_0   4.5 bits   8.6 %   10.8 %
    Q4_1   5.0        7.8      9.0
    Q5_0   5.5        4.3      5.4
    Q5_1   6.0        3.8      4.4

A bit more halves the error. Q4_1 has half a bit more than Q4_0 and does not win the third that
this is worth, and who has the memory for Q5_0 is nearly at 8 bits.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import gguf
import numpy as np
import torch
from accelerate import init_empty_weights
from diffusers import GGUFQuantizationConfig

from ...errors import StorageError
from ...locks import FileLock
from ...paths import default_data_dir, make_private
from .. import rounded
from ..card import Card
from .parts import Tensors, open_tensors, read_config, reading, unusable
from .window import ROUNDING, Report

_log = logging.getLogger(__name__)

T = TypeVar("T", bound=torch.nn.Module)

TYPE = gguf.GGMLQuantizationType.Q4_0
_BLOCK, _BLOCK_BYTES = gguf.GGML_QUANT_SIZES[TYPE]
_RECIPE = 1  # another number for another way to round: what was kept before is then made anew
_AT_ONCE = 1 << 22  # weights that are rounded at once
_HASHED_AT_ONCE = 1 << 26  # bytes
_FREE_DISK = 1_000_000_000  # left over
_WAIT_SECONDS = 0.5  # between two questions whether to go on waiting
_DIGITS = 32


def load_four_bits(
    card: Card, folder: Path, kind: type[T], *, dtype: torch.dtype, report: Report
) -> T:
    """Return a network with weights of 4 bits, on the CPU; they are made if they are not there.

    Args:
        card: The model.
        folder: Of the network as it was published.
        kind: Its class, one that diffusers loads from single files.
        dtype: What it works in.
        report: Told how far they are made, or seen to be whole; here it is cancelled.

    Raises:
        ModelError: the published weights are missing or damaged.
        StorageError: there is no room on the disk, or it cannot be written.
        MemoryError: it is too large for this computer.
    """
    read_config(card, folder / "config.json")  # a name in it would be looked for on the hub
    file = _kept(card, folder, kind, report)
    with reading(card, file):
        return kind.from_single_file(
            str(file),
            config=str(folder),
            quantization_config=GGUFQuantizationConfig(compute_dtype=dtype),
            dtype=dtype,
            local_files_only=True,
        )


def _kept(card: Card, folder: Path, kind: type[torch.nn.Module], report: Report) -> Path:
    """Return the file of the network's rounded weights; made where none is whole."""
    home = rounded.folder_of(default_data_dir())
    try:
        lock = FileLock(make_private(home) / rounded.LOCK, timeout=_WAIT_SECONDS)
        while not lock.take():  # another process makes some
            report.progress(ROUNDING, 0, 1)
        try:
            return _found_or_made(card, folder, kind, home, report)
        finally:
            lock.release()
    except OSError as reason:
        raise StorageError(
            f"The 4-bit weights of '{card.id}' cannot be kept in '{home}'"
            f" ({reason.strerror or reason}); make room, or choose another memory plan or another"
            " data folder."
        ) from reason


def _found_or_made(
    card: Card, folder: Path, kind: type[torch.nn.Module], home: Path, report: Report
) -> Path:
    with reading(card, folder):
        traits = _traits(folder)
    what = json.dumps([card.id, card.revision, TYPE.name, _RECIPE, traits])
    name = f"{card.id}.{folder.name}.{hashlib.sha256(what.encode()).hexdigest()[:16]}"
    for found in home.glob(f"{name}.*.gguf"):
        if found.name == f"{name}.{_digest(found, report)}.gguf":
            return found
        _log.warning("%s is made anew: it is damaged", found)
    for old in rounded.files(home.parent, card):  # of another revision, damaged, or not finished
        if old.name.startswith(f"{card.id}.{folder.name}."):
            old.unlink()
    part = home / f"{name}.part"
    try:
        _make(card, folder, kind, part, report)
        return part.replace(home / f"{name}.{_digest(part, report)}.gguf")
    finally:
        part.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A tensor of the file: its name, its shape, whether it is rounded, and its bytes."""

    name: str
    shape: tuple[int, ...]
    rounded: bool
    bytes: int


def _make(
    card: Card, folder: Path, kind: type[torch.nn.Module], part: Path, report: Report
) -> None:
    with open_tensors(card, folder) as tensors:
        with reading(card, folder):
            entries = list(_entries(card, folder, kind, tensors))
        total = sum(entry.bytes for entry in entries)
        free = shutil.disk_usage(part.parent).free
        if total + _FREE_DISK > free:
            raise StorageError(
                f"The 4-bit weights of '{card.id}' need {total / 1e9:.1f} GB in '{part.parent}',"
                f" and {free / 1e9:.1f} GB are free; make room, or choose another memory plan or"
                " another data folder."
            )
        writer = gguf.GGUFWriter(part, arch=card.family)
        try:
            for entry in entries:
                if entry.rounded:
                    shape = (*entry.shape[:-1], entry.shape[-1] // _BLOCK * _BLOCK_BYTES)
                    writer.add_tensor_info(
                        entry.name, shape, np.dtype(np.uint8), entry.bytes, raw_dtype=TYPE
                    )
                else:
                    writer.add_tensor_info(
                        entry.name, entry.shape, np.dtype(np.float32), entry.bytes
                    )
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_ti_data_to_file()
            done = 0
            for entry in entries:
                report.progress(ROUNDING, done, total)
                values = tensors.read(entry.name)
                writer.write_tensor_data(
                    _round(values) if entry.rounded else values.float().numpy()
                )
                done += entry.bytes
            report.progress(ROUNDING, total, total)
        finally:
            writer.close()


def _entries(
    card: Card, folder: Path, kind: type[torch.nn.Module], tensors: Tensors
) -> Iterator[_Entry]:
    with init_empty_weights():
        network = kind.from_config(kind.load_config(folder, local_files_only=True))
    exact = (*kind._skip_layerwise_casting_patterns, *(kind._keep_in_fp32_modules or ()))
    matrices = {
        f"{name}.weight"
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Linear)
        and module.in_features % _BLOCK == 0
        and not any(pattern in name for pattern in exact)
    }
    for name, values in network.state_dict().items():
        if name not in tensors.shapes:
            raise unusable(card, folder, f"lacks '{name}'")
        shape = tensors.shapes[name]
        if shape != tuple(values.shape):
            raise unusable(card, folder, f"has '{name}' in another shape")
        count = int(np.prod(shape, dtype=np.int64))
        size = count // _BLOCK * _BLOCK_BYTES if name in matrices else 4 * count
        yield _Entry(name, shape, name in matrices, size)


def _round(matrix: torch.Tensor) -> np.ndarray:
    """Return a matrix (rows, columns) in blocks of 4 bits, (rows, bytes), a part at a time."""
    rows, columns = matrix.shape
    made = np.empty((rows, columns // _BLOCK * _BLOCK_BYTES), np.uint8)
    step = max(1, _AT_ONCE // columns)
    for first in range(0, rows, step):
        part = matrix[first : first + step].float().numpy()
        made[first : first + step] = gguf.quants.quantize(part, TYPE)
    return made


def _traits(folder: Path) -> list[tuple[str, int, int]]:
    """Return what tells weights from others: an artist's own folder may hold any, and others later.

    Their contents would be hashed for as long as it takes to round them.
    """
    files = [*folder.glob("*.safetensors"), *folder.glob("*.json")]
    return sorted((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files)


def _digest(file: Path, report: Report) -> str:
    total, done, digest = file.stat().st_size, 0, hashlib.sha256()
    with file.open("rb") as stream:
        while part := stream.read(_HASHED_AT_ONCE):
            report.progress(ROUNDING, done, total)
            digest.update(part)
            done += len(part)
    return digest.hexdigest()[:_DIGITS]
