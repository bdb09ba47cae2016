"""Weights that were downloaded from the Hugging Face hub: where they are on this computer.

<data>/weights/                         what `pull` has fetched, in the layout of the hub's tools
<data>/weights/models--owner--name/     blobs/ and snapshots/<revision>/
<data>/weights/<card id>.json           what was fetched and verified, see `pull`
<data>/weights/licences.json            which licences were accepted, see `licences`
<data>/weights/folders.json             folders of the user's own that were chosen, see `folders`

The cache that other programs of the user fill is used as it is, and never written to. Only the
standard library is needed here; downloading is `pull`'s.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from ..errors import ModelError
from ..paths import default_data_dir, full_path
from .card import Card
from .snapshot import what_is_missing


def variable(model: str) -> str:
    """Return the environment variable that names a folder of weights for a model's id."""
    return f"DEPTHSHOT_{re.sub(r'[^A-Z0-9]', '_', model.upper())}_WEIGHTS"


def home(data: Path | None = None) -> Path:
    """Return where Depthshot keeps the weights it has fetched; None for the user's data folder."""
    return (default_data_dir() if data is None else data) / "weights"


def users_cache(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the hub's own tools keep what the user has downloaded with them.

    As `huggingface_hub.constants` works it out.
    """
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if environment.get(name):
            return full_path(os.path.expandvars(environment[name]))
    if environment.get("HF_HOME"):
        return full_path(os.path.expandvars(environment["HF_HOME"])) / "hub"
    cache = environment.get("XDG_CACHE_HOME") or "~/.cache"
    return full_path(os.path.expandvars(cache)) / "huggingface" / "hub"


def repository_folder(cache: Path, card: Card) -> Path:
    """Return the folder of a card's repository in a cache; it may not exist."""
    return cache / f"models--{card.hub.repository.replace('/', '--')}"


def snapshot_folder(cache: Path, card: Card) -> Path:
    """Return the folder of a card's pinned revision in a cache; it may not exist."""
    return repository_folder(cache, card) / "snapshots" / card.revision


def find_weights(card: Card, *, data: Path | None = None) -> Path:
    """Return the folder with the pinned weights of a card that has a `hub`.

    Args:
        card: The card.
        data: Data folder; None for the user's own.

    Raises:
        ModelError: they are not on this computer, or not whole.
    """
    if not card.revision:
        raise unpinned(card)
    trouble = None
    for cache in (home(data), users_cache()):
        folder = snapshot_folder(cache, card)
        try:
            if not folder.is_dir():
                continue
            missing = what_is_missing(folder, card.hub)
        except OSError as reason:
            missing = f"they cannot be read: {reason.strerror or reason}"
        if missing is None:
            return folder
        trouble = trouble or f"in '{folder}' are not whole ({missing})"
    size = gigabytes(card.download_bytes)
    raise ModelError(
        f"The weights of '{card.id}' {trouble or f'({size}) are not on this computer'}; get them"
        f" with Download in Depthshot's panel or with `models pull {card.id}`, or choose a folder"
        f" that has them {how_to_choose(card)}."
    )


def downloaded(card: Card, *, data: Path | None = None) -> Path | None:
    """Return the same folder; None where there is none to be used."""
    try:
        return find_weights(card, data=data)
    except ModelError:
        return None


def unpinned(card: Card) -> ModelError:
    """Return the error of a card whose repository has no revision that was checked."""
    return ModelError(
        f"'{card.id}' is not downloaded by Depthshot; fetch it with `{command(card)}`, and choose"
        f" that folder {how_to_choose(card)}."
    )


def how_to_choose(card: Card) -> str:
    """Return in words how a folder of the user's own becomes that of a card's weights."""
    return (
        f"with Use a Folder in Depthshot's panel or with `models use {card.id} FOLDER` (on a server"
        f" also in {variable(card.id)})"
    )


def command(card: Card) -> str:
    """Return what fetches a card's weights with the hub's own tools, into FOLDER."""
    # Of a repository with much else the one file, where it is one.
    single = [] if "model_index.json" in card.hub.files else card.hub.files
    return " ".join(("hf download", card.hub.repository, *single, "--local-dir FOLDER"))


def gigabytes(size: int) -> str:
    """Return a number of bytes in words: "19.0 GB", "1.2 MB"."""
    return f"{size / 1e9:.1f} GB" if size >= 50_000_000 else f"{size / 1e6:.1f} MB"


def size_on_disk(folder: Path) -> int:
    """Return the bytes of all files in a folder, each file counted once, links followed.

    What cannot be looked at counts as nothing.
    """
    sizes: dict[tuple[int, int], int] = {}
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                state = Path(root, name).stat()
            except OSError:
                continue
            sizes[state.st_dev, state.st_ino] = state.st_size
    return sum(sizes.values())
