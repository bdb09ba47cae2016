"""`doctor`: is everything here that the backend needs?"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import ModelError
from ..marks import software
from ..models import cards
from ..models.card import Card
from ..models.weights import as_installed, weights_files, weights_folder, what_is_wrong
from ..paths import default_data_dir, make_private

_PACKAGES = (
    "torch",
    "diffusers",
    "safetensors",
    "fastapi",
    "uvicorn",
    "OpenImageIO",
    "numpy",
    "requests",
)
_ENOUGH_BYTES = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at; `ok` None is neither good nor bad."""

    name: str
    ok: bool | None
    found: str


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("doctor", help="check what the backend needs on this computer")
    parser.add_argument("--data", type=Path, metavar="DIR", help="data folder (the user's own)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check everything; the exit status is 1 if something needed is missing."""
    data_dir = options.data or default_data_dir()
    checks = [
        Check("software", None, software()),
        Check("python", sys.version_info >= (3, 11), platform.python_version()),
        *(_package(name) for name in _PACKAGES),
        _devices(),
        *(_weights(card) for card in cards() if card.ships_weights),
        _data_folder(data_dir),
        _disk(data_dir),
        _server(data_dir),
    ]
    if options.json:
        sys.stdout.write(json.dumps({"checks": [asdict(check) for check in checks]}) + "\n")
    else:
        for check in checks:
            sign = {True: "ok", False: "PROBLEM", None: ""}[check.ok]
            sys.stdout.write(f"{check.name:<14}{sign:<9}{check.found}\n")
    return int(any(check.ok is False for check in checks))


def _package(name: str) -> Check:
    try:
        return Check(name, True, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Check(name, False, "not installed; install the backend again")


def _devices() -> Check:
    from ..generate import devices

    try:
        return Check("devices", True, ", ".join(devices()))
    except (ImportError, OSError) as reason:
        return Check("devices", False, f"torch does not load: {reason}")


def _weights(card: Card) -> Check:
    name = f"weights {card.id}"
    try:
        installed = as_installed(card)
    except ModelError as reason:
        return Check(name, False, str(reason))
    trouble = what_is_wrong(installed)
    if trouble is not None:
        return Check(name, False, trouble)
    folder = weights_folder(card)
    size = sum(path.stat().st_size for path in weights_files(folder)) / 1e6
    others = "" if installed == card else f", not those that ship, from '{folder}'"
    return Check(name, True, f"{installed.revision}, {size:.1f} MB{others}")


def _data_folder(data_dir: Path) -> Check:
    try:
        with tempfile.TemporaryFile(dir=make_private(data_dir)) as stream:
            stream.write(b"depthshot")
    except OSError as reason:
        return Check("data folder", False, f"{data_dir}: {reason.strerror or reason}")
    return Check("data folder", True, str(data_dir))


def _disk(data_dir: Path) -> Check:
    existing = next(folder for folder in (data_dir, *data_dir.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    return Check("disk", free >= _ENOUGH_BYTES, f"{free / 1024**3:.1f} GB free")


def _server(data_dir: Path) -> Check:
    from ..client import find_server

    found = find_server(data_dir)
    if found is None:
        return Check("server", None, "not running; Blender starts it when it needs it")
    return Check("server", None, f"running as process {found.pid} on port {found.port}")
