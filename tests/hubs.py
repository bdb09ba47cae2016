"""A model on a hub: its card, its files, and a cache that has them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backend.models.card import Card

REPOSITORY = "someone/tiny-video"
REVISION = "0123456789abcdef0123456789abcdef01234567"
LARGE = (
    "transformer/model-00001-of-00002.safetensors",
    "transformer/model-00002-of-00002.safetensors",
)
PATTERNS = ("*.json", "transformer/*.safetensors", "vae/*", "tokenizer/*")


def safetensors(content: bytes) -> bytes:
    """A safetensors file with one tensor of bytes."""
    header = {"x": {"dtype": "U8", "shape": [len(content)], "data_offsets": [0, len(content)]}}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content


def model_files(*, shard_bytes: int = 3000) -> dict[str, bytes]:
    """Every file of the repository by its path, those among them that are not wanted."""
    index = {
        "_class_name": "TinyPipeline",
        "transformer": ["diffusers", "TinyTransformer"],
        "vae": ["diffusers", "TinyVAE"],
        "tokenizer": ["transformers", "TinyTokenizer"],
        "transformer_2": [None, None],
        "boundary_ratio": None,
    }
    shards = {"weight_map": {"a": Path(LARGE[0]).name, "b": Path(LARGE[1]).name}}
    return {
        "model_index.json": json.dumps(index).encode(),
        "transformer/config.json": b'{"layers": 1}',
        "transformer/model.safetensors.index.json": json.dumps(shards).encode(),
        LARGE[0]: safetensors(bytes(range(200)) * (shard_bytes // 200)),
        LARGE[1]: safetensors(bytes(range(100)) * (shard_bytes // 100)),
        "vae/config.json": b'{"channels": 4}',
        "vae/model.safetensors": safetensors(b"vae" * 50),
        "vae/model.bin": b"\x80\x04pickled",
        "vae/modeling_vae.py": b"raise SystemExit",
        "tokenizer/tokenizer_config.json": b"{}",
        "tokenizer/spiece.model": b"words",
        "README.md": b"# Tiny",
        "original/weights.safetensors": safetensors(b"others"),
    }


def needed(files: dict[str, bytes]) -> dict[str, bytes]:
    """Those that the card needs."""
    unwanted = ("vae/model.bin", "vae/modeling_vae.py", "README.md", "original/weights.safetensors")
    return {name: content for name, content in files.items() if name not in unwanted}


def tiny_card(files: dict[str, bytes] | None = None, *, gated: bool = False) -> Card:
    """The card of that model."""
    # Late: in Blender's Python Depthshot has another name.
    from backend.models import find_card
    from backend.models.card import Hub

    files = model_files() if files is None else files
    hub = Hub(
        repository=REPOSITORY,
        files=PATTERNS,
        bytes=sum(map(len, needed(files).values())),
        licence_url="https://example.org/licence",
        gated=gated,
    )
    return replace(
        find_card("draft"),
        id="tiny-video",
        label="Tiny video",
        licence="Tiny-1.0",
        revision=REVISION,
        hub=hub,
    )


def fill_cache(cache: Path, files: dict[str, bytes]) -> Path:
    """Lay files out as the hub's own tools do; returns the snapshot's folder."""
    repository = cache / f"models--{REPOSITORY.replace('/', '--')}"
    snapshot = repository / "snapshots" / REVISION
    (repository / "blobs").mkdir(parents=True)
    for name, content in files.items():
        blob = repository / "blobs" / hashlib.sha256(content).hexdigest()
        blob.write_bytes(content)
        link = snapshot / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob)
    return snapshot


def from_here(card: Card, files: dict[str, bytes]) -> Card:
    """A card whose weights are that model's; of whichever name Depthshot has here."""
    size = sum(map(len, needed(files).values()))
    source = replace(card.hub, repository=REPOSITORY, files=PATTERNS, bytes=size)
    return replace(card, revision=REVISION, hub=source)


def command_line(files: dict[str, bytes]) -> str:
    """A program that is `python -m backend`, with such weights for the first Wan VACE."""
    size = sum(map(len, needed(files).values()))
    return f"""
import sys
from dataclasses import replace
from backend.models import wan_vace
card = wan_vace.CARDS[0]
source = replace(card.hub, repository={REPOSITORY!r}, files={PATTERNS!r}, bytes={size})
wan_vace.CARDS = (replace(card, revision={REVISION!r}, hub=source),)
from backend.cli import main
sys.exit(main(sys.argv[1:]))
"""
