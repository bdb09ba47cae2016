"""What in a data folder Depthshot has made itself, told by its own layout.

The data folder is whatever an artist has chosen, so a common name says nothing: an `env` or a
`captures` there may be somebody's work. Nothing is looked for behind a link.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from .environment import is_environment

ENVIRONMENTS = ("env", "env-before", "env-unfinished")
TEMPORARY = "depthshot-setup-tmp"
# What a Blender says of itself that is at work, beside the names of captures it reads.
CAPTURING, EXPORTING = "capturing", "exporting"
_HEX = "[0-9a-f]{32}"
_KEPT = rf"(?:once-)?{_HEX}"
# The folders that hold nothing but things of these names.
_INSIDE = {
    "captures/uses": re.compile(rf"(?:{_KEPT}|{CAPTURING}|{EXPORTING})\.{_HEX}"),
    "captures": re.compile(rf"captures\.lock|{_KEPT}|{_KEPT}-{_HEX}\.removed|{_HEX}\.partial"),
    "logs": re.compile(r"(?:setup|weights)\.log|server-\d+(?:\.previous)?\.log"),
    "outbox": re.compile(rf"{_HEX}\.zip"),
    "pending": re.compile(r"[0-9a-f]{16}-[\w-]{1,200}\.(?:json|lock|part)"),
    "prompts": re.compile(r"\.?[0-9a-f]{64}\.safetensors(?:\.\d+\.part)?"),
    "pip-cache": re.compile(r"http(?:-v\d+)?|wheels|selfcheck|CACHEDIR\.TAG"),
    "rounded": re.compile(r"rounded\.lock|[\w.-]+\.\w+\.[0-9a-f]{16}\.(?:[0-9a-f]{32}\.gguf|part)"),
    # Where earlier versions let pip unpack.
    "setup-tmp": re.compile(r"(?:pip-|tmp).+"),
}
_STORE = re.compile(r"store-\d+")
_TABLE = "jobs.sqlite"
# The table is the last to go: it says that the rest is ours, also to whoever goes on from here.
_IN_STORE = (
    *("jobs", "identity", "identity.part", "owner.lock"),
    *(f"{_TABLE}-shm", f"{_TABLE}-wal", _TABLE),
)
# Weights are in the layout of the hub's tools, which an artist's own cache has as well; that these
# licences were accepted says that it is ours, and so it is the last to go.
_LICENCES, _LICENCES_LOCK = "licences.json", "licences.lock"
# Which folders of the artist's own have weights: the list goes, and never what it names.
_CHOSEN, _CHOSEN_LOCK = "folders.json", "folders.lock"
# One that was set aside: nothing can be told of what is in it, and nobody else calls a file so.
_CHOSEN_DAMAGED = "folders.json.damaged"
_REPOSITORY = re.compile(r"models--[\w.-]+")
_IN_REPOSITORY = ("blobs", "snapshots", "pull.lock")
_MANIFEST = re.compile(r"[\w.-]+\.json(?:\.part)?")
_SERVER = re.compile(r"server-\d+\.json(?:\.[0-9a-f]{8})?")
_TOKEN = re.compile(r"token(?:\.[0-9a-f]{8})?")
_TOKEN_TEXT = re.compile(rb"[\w-]{40,200}\s*")
_USED_NAMES = ".used-names"
_LOCKS = ("start.lock", "setup.lock")


def ours(data: Path) -> list[Path]:
    """Return all that Depthshot has put into a data folder, takes aside, in the order to remove.

    What is a folder there is Depthshot's with all that it holds; a link is named as itself.

    Raises:
        OSError: the folder cannot be read.
    """
    found = [data / name for name in ENVIRONMENTS if is_environment(data / name)]
    found += filter(is_there, [data / TEMPORARY])
    for name, pattern in _INSIDE.items():
        names = (entry for entry in _entries(data / name) if pattern.fullmatch(entry.name))
        found += _within(data, data / name, list(names))
    for store in stores(data):
        found += _within(data, store, _of_store(store))
    found += _within(data, data / "weights", _of_weights(data / "weights"))
    found += _within(data, data / "takes", _of_takes(data / "takes"))
    for entry in _entries(data):
        if _is_our_file(entry):
            found.append(entry)
    return list(dict.fromkeys(found))


def folders(data: Path) -> list[Path]:
    """Return the folders that Depthshot makes, inner ones first: they go once they are empty."""
    made = [*(data / name for name in _INSIDE), *stores(data), data / "takes"]
    made += [*repositories(data), data / "weights"]
    return [folder for folder in made if folder.is_dir() and not folder.is_symlink()]


def stores(data: Path) -> list[Path]:
    """Return the folders that have the name of a store, each protocol's."""
    return [e for e in _entries(data) if _STORE.fullmatch(e.name) and e.is_dir()]


def repositories(data: Path) -> list[Path]:
    """Return the folders of weights that were downloaded, each repository's."""
    weights = data / "weights"
    if weights.is_symlink() or not _has_licences(weights):
        return []
    return [e for e in _entries(weights) if _REPOSITORY.fullmatch(e.name) and e.is_dir()]


def is_there(path: Path) -> bool:
    """Whether something has this name, if only a link to nothing."""
    return path.is_symlink() or path.exists()


def is_empty(path: Path) -> bool:
    """Whether it is a file without content, as locks are."""
    return path.is_file() and path.stat().st_size == 0


def _within(data: Path, folder: Path, found: list[Path]) -> list[Path]:
    """Return what was found in a folder; of a linked one the link alone."""
    for each in (folder.parent, folder):
        if each != data and each.is_symlink():
            return [each] if found or not any(_entries(each)) else []
    return found


def _of_store(store: Path) -> list[Path]:
    if not (store / _TABLE).is_file():  # its server ended before it made one
        jobs = [store / "jobs"] if not any(_entries(store / "jobs")) else []
        lock = [store / "owner.lock"] if is_empty(store / "owner.lock") else []
        return [path for path in (*jobs, *lock) if is_there(path)]
    return [store / name for name in _IN_STORE if is_there(store / name)]


def _of_weights(weights: Path) -> list[Path]:
    # A damaged list is told by its lock, which is ours and stays.
    known = _has_chosen(weights) or is_empty(weights / _CHOSEN_LOCK)
    found = [weights / _CHOSEN] if known and (weights / _CHOSEN).is_file() else []
    if (weights / _CHOSEN_DAMAGED).is_file():
        found.append(weights / _CHOSEN_DAMAGED)
    if is_empty(weights / _CHOSEN_LOCK):
        found.append(weights / _CHOSEN_LOCK)
    if not _has_licences(weights):
        return found
    for entry in _entries(weights):
        if _REPOSITORY.fullmatch(entry.name):
            inside = (entry / name for name in _IN_REPOSITORY)
            found += [entry] if entry.is_symlink() else filter(is_there, inside)
        elif (entry.name == _LICENCES_LOCK and is_empty(entry)) or (
            entry.name != _LICENCES and _MANIFEST.fullmatch(entry.name) and _is_manifest(entry)
        ):
            found.append(entry)
    return [*found, weights / _LICENCES]


def _has_licences(weights: Path) -> bool:
    """Whether licences were accepted there; an empty list is none."""
    value = _read_json(weights / _LICENCES)
    accepted = [isinstance(each, dict) and "licence_url" in each for each in value.values()]
    return bool(accepted) and all(accepted)


def _has_chosen(weights: Path) -> bool:
    """Whether folders were chosen there; an empty list is none."""
    value = _read_json(weights / _CHOSEN)
    folders = [isinstance(each, str) and Path(each).is_absolute() for each in value.values()]
    return bool(folders) and all(folders)


def _is_manifest(path: Path) -> bool:
    value = _read_json(path)
    # Unfinished, it may be cut anywhere, and nobody else calls a file so there.
    return path.suffix == ".part" or {"repository", "revision", "files"} <= set(value)


def _read_json(path: Path) -> dict:
    """Return the JSON object in a file; an empty one for whatever else is there."""
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _of_takes(takes: Path) -> list[Path]:
    inside = list(_entries(takes))
    return inside if [entry.name for entry in inside] == [_USED_NAMES] else []


def _is_our_file(path: Path) -> bool:
    if path.name in _LOCKS:
        return is_empty(path)
    if not path.is_file() or path.is_symlink():
        return False
    if _SERVER.fullmatch(path.name):
        return is_empty(path) or b'"token"' in _content(path)
    if _TOKEN.fullmatch(path.name):
        return is_empty(path) or _TOKEN_TEXT.fullmatch(_content(path)) is not None
    return False


def _content(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(10_000)


def _entries(folder: Path) -> Iterator[Path]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        yield from sorted(folder.iterdir())
