"""Whether a folder of weights, as the Hugging Face hub's tools lay it out, has all that is needed.

Only sizes, names and the first bytes of files are looked at: it takes no more than a moment.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from .card import Hub

INDEX = "model_index.json"
# Pickled weights and code: never fetched, whatever a card's patterns say.
REFUSED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle", "*.msgpack", "*.h5", "*.py")
_NONE = "is no safetensors file"
_LENGTH_BYTES = 8
_LONGEST_HEADER = 100_000_000  # as the safetensors library itself has it
_LONGEST_JSON = 20_000_000
_SHARD = re.compile(r"(.+)-\d{5}-of-(\d{5})(.*)\.safetensors")


class _FlawError(Exception):
    """What is wrong with a file, in a few words."""


def wanted(hub: Hub, name: str) -> bool:
    """Whether a file of the repository, by its path in it, belongs to what a card needs."""
    matches = any(fnmatchcase(name, pattern) for pattern in hub.files)
    return matches and not any(fnmatchcase(name.lower(), pattern) for pattern in REFUSED)


def is_safetensors(path: Path) -> bool:
    """Whether a file begins as safetensors do, and is as long as that says.

    Raises:
        OSError: the file cannot be read.
    """
    return flaw_of(path) is None


def flaw_of(path: Path) -> str | None:
    """Return what is wrong with a safetensors file, in a few words; None for a whole one.

    https://github.com/huggingface/safetensors, "Format": the length of a JSON object, the object,
    which has where each tensor begins and ends, and these. A pickle or a zip does not.

    Raises:
        OSError: the file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
        if not 2 <= length <= min(_LONGEST_HEADER, size - _LENGTH_BYTES):
            return _NONE
        header = stream.read(length)
    try:
        tensors = json.loads(header) if header.startswith(b"{") else None
    except (ValueError, RecursionError):
        return _NONE
    if not isinstance(tensors, dict):
        return _NONE
    ends = [
        each["data_offsets"][1]
        for name, each in tensors.items()
        if name != "__metadata__" and _has_offsets(each)
    ]
    whole = _LENGTH_BYTES + length + max(ends, default=0)
    return f"is cut short: {size} of {whole} bytes" if size < whole else None


def _has_offsets(tensor: object) -> bool:
    match tensor:
        case {"data_offsets": [int(), int()]}:
            return True
    return False


def what_is_missing(folder: Path, hub: Hub, *, parts: tuple[str, ...] | None = None) -> str | None:
    """Return what is wrong with the snapshot in `folder`, in a few words; None for a whole one.

    Args:
        folder: Where it is.
        hub: Where it came from: its patterns say what belongs to it.
        parts: For a folder of the user's own, which may hold another variant of the files than the
            patterns name: the networks that it has to have, beside what its index names.

    Raises:
        OSError: it cannot be read.
    """
    if not wanted(hub, INDEX):
        return _what_is_missing_of_files(folder, hub)
    try:
        # Of a repository that was fetched it is known; a folder can be taken for another model's.
        components = _components(folder / INDEX, "" if parts is None else hub.pipeline)
        if parts is not None:
            hub = replace(hub, files=("*",))
            components = list(dict.fromkeys((*components, *parts)))
        for component in components:
            if (trouble := _trouble(folder, component, hub)) is not None:
                return trouble
    except _FlawError as reason:
        return str(reason)
    return None


def _what_is_missing_of_files(folder: Path, hub: Hub) -> str | None:
    """Return the same of single files, which is what patterns without a pipeline's index name."""
    for name in hub.files:
        if not (folder / name).is_file():
            return f"{name} is missing"
        if name.endswith(".safetensors") and (flaw := flaw_of(folder / name)) is not None:
            return f"{name} {flaw}"
    return None


def _components(index: Path, pipeline: str) -> list[str]:
    """Return the names of a pipeline's parts that have a folder of their own.

    Raises:
        _FlawError: the index is missing, damaged, or another pipeline's.
    """
    if not index.is_file():
        raise _FlawError(f"{INDEX} is missing")
    values = _read_object(index)
    if pipeline and values.get("_class_name") != pipeline:
        raise _FlawError(f"{INDEX} belongs to {values.get('_class_name')}, not to {pipeline}")
    pairs = {name: value for name, value in values.items() if not name.startswith("_")}
    return [
        name
        for name, value in pairs.items()
        if isinstance(value, list) and len(value) == 2 and isinstance(value[1], str)
    ]


def _trouble(folder: Path, component: str, hub: Hub) -> str | None:
    inside = folder / component
    names = {
        path.name: path
        for path in (inside.iterdir() if inside.is_dir() else ())
        if wanted(hub, f"{component}/{path.name}")
    }
    if not any(name.endswith("config.json") for name in names):
        return f"{component} is missing or has no configuration"
    weights = [name for name in names if name.endswith(".safetensors")]
    if "config.json" in names and not weights:  # a network, and not a tokenizer or a scheduler
        return f"{component} has no weights in safetensors"
    for shard in _shards(names):
        if shard not in names:
            return f"{component}/{shard} is missing"
    for name, path in names.items():
        if not path.is_file():  # a link to nothing
            return f"{component}/{name} is missing"
        if path.suffix == ".safetensors" and (flaw := flaw_of(path)) is not None:
            return f"{component}/{name} {flaw}"
        if name == "config.json":
            _read_object(path, f"{component}/{name}")
    return None


def _shards(names: dict[str, Path]) -> Iterator[str]:
    """Return every part that the indices, or the names of other parts, speak of."""
    for name, path in names.items():
        if ".safetensors.index" in name and path.suffix == ".json" and path.is_file():
            table = _read_object(path).get("weight_map")
            if not isinstance(table, dict):
                raise _FlawError(f"{name} does not say which parts there are")
            yield from dict.fromkeys(map(str, table.values()))
        if (parts := _SHARD.fullmatch(name)) is not None:
            total = parts[2]
            for number in range(1, int(total) + 1):
                yield f"{parts[1]}-{number:05d}-of-{total}{parts[3]}.safetensors"


def _read_object(path: Path, name: str = "") -> dict:
    """Return the object in a JSON file; its own name stands for one that is not given."""
    with path.open("rb") as stream:
        text = stream.read(_LONGEST_JSON)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as reason:
        raise _FlawError(f"{name or path.name} is no JSON") from reason
    if not isinstance(value, dict):
        raise _FlawError(f"{name or path.name} is no JSON object")
    return value
