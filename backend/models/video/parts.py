"""The parts of a stock diffusers pipeline on disk, loaded one by one.

A folder is what diffusers' `save_pretrained` writes: `model_index.json` and a folder for each
part. The classes are named by the family and never by the files: `model_index.json` must not choose
what is imported. Only safetensors are read, nothing is asked of a network, and a part that a job
does not need (a text encoder whose words are known) is not loaded at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from transformers.utils import logging as transformers_logging

from ...errors import ModelError
from ..card import Card
from ..device_errors import is_out_of_memory
from ..hub import home, how_to_choose
from ..snapshot import flaw_of

T = TypeVar("T")

transformers_logging.disable_progress_bar()  # a bar for each part tells an artist nothing

_UNREADABLE = (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError)


def read_index(card: Card, folder: Path, pipeline: str) -> dict[str, object]:
    """Return the index of a folder of weights.

    Args:
        card: The model, named in messages.
        folder: Where its weights are.
        pipeline: Name of the pipeline's class that the index has to name.

    Raises:
        ModelError: there is none, or it is another pipeline's.
    """
    index = read_config(card, folder / "model_index.json")
    found = index.get("_class_name")
    if found != pipeline:
        raise unusable(card, folder / "model_index.json", f"belongs to {found}, not to {pipeline}")
    return index


def read_config(card: Card, file: Path) -> dict[str, object]:
    """Return the object in a JSON file of a folder of weights.

    Raises:
        ModelError: it is missing or damaged.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as reason:
        raise unusable(card, file, "is missing") from reason
    except (OSError, ValueError) as reason:
        raise unusable(card, file, "cannot be read") from reason
    if not isinstance(content, dict):
        raise unusable(card, file, "cannot be read")
    return content


def load_part(
    card: Card, folder: Path, kind: type[T], *, unused: tuple[str, ...] = (), **options: object
) -> T:
    """Return one part, by the `from_pretrained` of its class.

    Args:
        card: The model, named in messages.
        folder: The part's own folder.
        kind: Its class.
        unused: How the names of tensors end that it has and does not use: they may be missing.
        **options: Passed on, such as `dtype`.

    Raises:
        ModelError: it is missing, damaged, another class's, or no safetensors.
        MemoryError: it is too large for this computer.
    """
    if not folder.is_dir():
        raise unusable(card, folder, "is missing")
    for file in sorted(folder.glob("*.safetensors")):
        _check_header(card, file)
    if issubclass(kind, torch.nn.Module) and not any(folder.glob("*.safetensors")):
        raise unusable(card, folder, "has no weights in safetensors")
    for file in sorted(folder.glob("*config.json")):
        read_config(card, file)  # a name instead of an object would be looked for on the hub
    with reading(card, folder):
        if not issubclass(kind, torch.nn.Module):
            return kind.from_pretrained(folder, local_files_only=True, **options)
        part, found = kind.from_pretrained(
            folder, local_files_only=True, output_loading_info=True, **options
        )
    # Both libraries fill these with random numbers, and go on.
    lacking = sorted(name for name in found["missing_keys"] if not name.endswith(unused))
    if lacking:
        further = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        raise unusable(card, folder, f"lacks '{lacking[0]}'{further}")
    return part


def load_tensors(card: Card, file: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of one safetensors file by name, on the CPU.

    Raises:
        ModelError: it is missing or damaged, or no safetensors.
        MemoryError: it is too large for this computer.
    """
    if not file.is_file():
        raise unusable(card, file, "is missing")
    _check_header(card, file)
    with reading(card, file):
        return load_file(file)


@dataclass(frozen=True, slots=True)
class Tensors:
    """The tensors of one network, read from its files one at a time.

    Attributes:
        shapes: Of all of them, by name.
    """

    shapes: dict[str, tuple[int, ...]]
    _card: Card
    _files: dict[str, tuple[Path, safe_open]]

    def read(self, name: str) -> torch.Tensor:
        """Return one of them, on the CPU.

        Raises:
            ModelError: its file is damaged.
        """
        file, stored = self._files[name]
        with reading(self._card, file):
            return stored.get_tensor(name)


@contextmanager
def open_tensors(card: Card, folder: Path) -> Iterator[Tensors]:
    """Open all safetensors files of a network.

    Args:
        card: The model, named in messages.
        folder: The network's own folder.

    Raises:
        ModelError: there is none, or one is damaged.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise unusable(card, folder, "has no weights in safetensors")
    shapes: dict[str, tuple[int, ...]] = {}
    found: dict[str, tuple[Path, safe_open]] = {}
    with ExitStack() as stack:
        for file in files:
            _check_header(card, file)
            with reading(card, file):
                stored = stack.enter_context(safe_open(file, framework="pt"))
                for name in stored.keys():  # noqa: SIM118
                    shapes[name] = tuple(stored.get_slice(name).get_shape())
                    found[name] = file, stored
        yield Tensors(shapes, card, found)


def unusable(card: Card, file: Path, what: str) -> ModelError:
    """Return the error of a file of a model's weights that is not as it has to be."""
    way_out = f"correct it, or name another folder {how_to_choose(card)}"
    if home() in file.parents:  # what we have fetched; anything else is the user's own
        way_out = "remove them and download them again"
    return ModelError(
        f"The weights of '{card.id}' cannot be used, because '{file}' {what}; {way_out}."
    )


def _check_header(card: Card, file: Path) -> None:
    try:
        flaw = flaw_of(file)
    except OSError as reason:
        raise unusable(card, file, f"cannot be read ({reason.strerror or reason})") from reason
    if flaw is not None:
        raise unusable(card, file, flaw)


@contextmanager
def reading(card: Card, file: Path) -> Iterator[None]:
    """Translate what libraries raise while they read a file of a model's weights.

    Raises:
        ModelError: it is damaged.
        MemoryError: it is too large for this computer.
    """
    try:
        yield
    except _UNREADABLE as reason:
        raise _why_not_loaded(card, file, reason) from reason


def _why_not_loaded(card: Card, file: Path, reason: Exception) -> ModelError | MemoryError:
    if is_out_of_memory(reason):  # nothing is damaged: the worker says that there is too little
        return MemoryError(str(reason))
    return unusable(card, file, f"cannot be loaded ({_first_line(reason)})")


def _first_line(reason: Exception) -> str:
    return next((line for line in str(reason).splitlines() if line.strip()), type(reason).__name__)
