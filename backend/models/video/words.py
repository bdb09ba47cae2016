"""Words to embeddings, kept on disk: a text encoder is often larger than the model it serves.

Kept in `<data>/prompts/` as safetensors, named by a hash of the model's revision, what numbers it
works with, and the words. What is damaged there is made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from ...paths import default_data_dir, make_private
from ..card import Card
from ..device_errors import is_out_of_memory
from .parts import load_part, read_index
from .place import place_text
from .window import Report

_log = logging.getLogger(__name__)

FOLDER = "prompts"
_SAID = "said"  # in the metadata
_NAMED = 12  # words that are left out and told, of more only how many
_LETTERS = 200  # of those words; not every language parts them by spaces
_WORD = 30  # letters; what is longer has no spaces, and is no word to be told whole
_KEPT = 500  # files; the one used longest ago goes first


@dataclass(frozen=True, slots=True)
class TextParts:
    """What turns words into embeddings."""

    tokenizer: PreTrainedTokenizerBase
    encoder: PreTrainedModel


@dataclass(frozen=True, slots=True)
class Reader:
    """How the words of a family become embeddings.

    Attributes:
        pipeline: Name of its pipeline's class: a text encoder of another family is not begun with.
        encoder: Class of its text encoder.
        longest: How many tokens it reads.
        embed: Returns embeddings, by the names that the family gives them, of a prompt and of what
            is not wanted, made on a device.
    """

    pipeline: str
    encoder: type[PreTrainedModel]
    longest: int
    embed: Callable[[TextParts, str, str, torch.device], dict[str, torch.Tensor]]


def read_words(
    card: Card,
    folder: Path,
    reader: Reader,
    words: tuple[str, str],
    *,
    device: torch.device,
    dtype: torch.dtype,
    make_room: Callable[[], None],
    report: Report,
) -> dict[str, torch.Tensor]:
    """Return embeddings of words; the text encoder is loaded only for words that are new.

    Args:
        card: The model.
        folder: Its weights.
        reader: How they are made.
        words: The prompt, and what is not wanted.
        device: Where they are made.
        dtype: Of the text encoder.
        make_room: Called before anything comes onto the device.
        report: Told of words that are left out.

    Returns:
        Tensors by name, on the CPU.

    Raises:
        ModelError: something of what reads words is missing or damaged.
        MemoryError, torch.OutOfMemoryError: not even a layer of the text encoder fits.
    """

    def encode(say: Callable[[str], None]) -> dict[str, torch.Tensor]:
        read_index(card, folder, reader.pipeline)
        text = load_text_parts(card, folder, reader.encoder, dtype=dtype)
        for each in words:
            say_if_cut(text.tokenizer, each, longest=reader.longest, say=say)
        make_room()  # both together would need more than either
        return encode_on(text, device, lambda on: reader.embed(on, *words, device))

    return embedded(card, words, encode, dtype=dtype, report=report)


def load_text_parts(
    card: Card, folder: Path, encoder: type[PreTrainedModel], *, dtype: torch.dtype
) -> TextParts:
    """Return the tokenizer and the text encoder of a folder of weights, on the CPU.

    Args:
        card: The model, named in messages.
        folder: Its weights.
        encoder: Class of the text encoder.
        dtype: Of the text encoder.

    Raises:
        ModelError: something is missing or damaged.
        MemoryError: it is too large for this computer.
    """
    return TextParts(
        load_part(card, folder / "tokenizer", AutoTokenizer, trust_remote_code=False),
        load_part(card, folder / "text_encoder", encoder, dtype=dtype, use_safetensors=True).eval(),
    )


def embedded(
    card: Card,
    texts: tuple[str, ...],
    encode: Callable[[Callable[[str], None]], dict[str, torch.Tensor]],
    *,
    dtype: torch.dtype,
    report: Report,
) -> dict[str, torch.Tensor]:
    """Return embeddings of words, from disk where they were made before.

    Args:
        card: The model; its revision is a part of the name.
        texts: All words that decide what the embeddings are.
        encode: Makes them, on any device; it is given what it tells the artist with.
        dtype: Of what makes them: coarser numbers give others.
        report: Told the same each time, also where they come from the disk.

    Returns:
        Tensors by name, on the CPU.
    """
    words = "\0".join((card.id, card.revision, str(dtype), *texts))
    file = default_data_dir() / FOLDER / f"{hashlib.sha256(words.encode()).hexdigest()}.safetensors"
    found = _read(file)
    if found is None:
        said: list[str] = []
        made = {name: value.cpu().contiguous() for name, value in encode(said.append).items()}
        found = made, said
        _write(file, *found)
    tensors, sentences = found
    for sentence in sentences:
        report.warn(sentence)
    return tensors


def encode_on(
    text: TextParts, device: torch.device, embed: Callable[[TextParts], dict[str, torch.Tensor]]
) -> dict[str, torch.Tensor]:
    """Return what `embed` makes with the text encoder on a device, layer by layer if need be.

    Args:
        text: On the CPU; nothing else is on the device.
        device: Where the encoder works.
        embed: May be called twice.

    Raises:
        MemoryError, torch.OutOfMemoryError: not even a layer fits.
    """
    try:
        return embed(TextParts(text.tokenizer, place_text(text.encoder, device)))
    except (MemoryError, RuntimeError) as reason:
        if not is_out_of_memory(reason):
            raise
    # Not in the `except`: its traceback holds what the memory was full of.
    text.encoder.to("cpu")
    return embed(TextParts(text.tokenizer, place_text(text.encoder, device, free=0)))


def say_if_cut(
    tokenizer: PreTrainedTokenizerBase, words: str, *, longest: int, say: Callable[[str], None]
) -> None:
    """Say which words a model does not read, that reads so many tokens."""
    read = tokenizer(words, return_offsets_mapping=tokenizer.is_fast)
    if len(read.input_ids) <= longest:
        return
    if tokenizer.is_fast:
        first = read.offset_mapping[longest - 1][0]  # of a letter; the last token read is the end
        first += len(words[first:]) - len(words[first:].lstrip())  # it may be the space before
        start = re.search(r"\S*$", words[:first]).start()  # of a word that is read in part
        cut = words[start if first - start <= _WORD else first :]
    else:
        cut = tokenizer.decode(read.input_ids[longest - 1 :], skip_special_tokens=True)
    left = cut.split()
    named = left[:_NAMED]
    while len(named) > 1 and len(" ".join(named)) > _LETTERS:
        named.pop()
    told = " ".join(named)
    is_short = len(told) > _LETTERS or len(named) < len(left)
    more = f" and {len(left) - len(named)} more" if len(named) < len(left) else ""
    say(
        f"The words are too long for this model, which reads {longest} tokens; left out were:"
        f" “{told[:_LETTERS]}{' …' if is_short else ''}”{more}."
    )


def _read(file: Path) -> tuple[dict[str, torch.Tensor], list[str]] | None:
    """Return the tensors and what was said when they were made."""
    if not file.is_file():
        return None
    try:
        with safe_open(file, framework="pt") as stored:
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
            said = json.loads((stored.metadata() or {}).get(_SAID, "[]"))
    except (OSError, SafetensorError, ValueError) as reason:
        _log.warning("%s is made anew (%s)", file, reason)
        return None
    with contextlib.suppress(OSError):  # read-only: it is no longer known which was used last
        file.touch()
    return tensors, said


def _write(file: Path, tensors: dict[str, torch.Tensor], said: list[str]) -> None:
    """Write, so that a file is whole or absent; without it the next job encodes again."""
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        make_private(file.parent)
        part.write_bytes(save(tensors, metadata={_SAID: json.dumps(said)}))
        part.replace(file)
        kept = sorted(file.parent.glob("*.safetensors"), key=lambda path: path.stat().st_mtime)
        for old in kept[:-_KEPT]:
            old.unlink(missing_ok=True)
    except OSError as reason:
        _log.warning("the words' embeddings are not kept in %s (%s)", file.parent, reason)
        part.unlink(missing_ok=True)
