"""`preflight`: what models would cost on this computer, before anything is downloaded or loaded."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ..errors import SettingError
from ..models import cards, find_card
from ..models.machine import Machine, look
from ..models.preflight import preflight_here
from ..paths import default_data_dir, full_path
from ..wire import read_shot
from .given import given_settings, shot_folder


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("preflight", help="say what models would cost on this computer")
    parser.add_argument("--model", metavar="ID", help="one of `models` (default: all)")
    parser.add_argument(
        "--shot", type=Path, metavar="SHOT",
        help="for this shot (default: the size and length that each model was made for)",
    )  # fmt: skip
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="settings",
        help="a setting of the model; with --model alone",
    )  # fmt: skip
    parser.add_argument("--data", type=Path, metavar="DIR", help="data folder (the user's own)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print a sentence for each model, or everything as JSON."""
    chosen = cards() if options.model is None else (find_card(options.model),)
    settings = given_settings(options.settings)
    if settings and options.model is None:
        raise SettingError("Settings are those of one model; name it with --model.")
    size = frames = None
    if options.shot is not None:
        with shot_folder(options.shot) as folder:
            shot = read_shot(folder)
        size, frames = shot.size, shot.frames
    machine, data = looked(), full_path(options.data or default_data_dir())
    found = [
        preflight_here(card, machine, data, size=size, frames=frames, settings=settings)
        for card in chosen
    ]
    if options.json:
        numbers = {"machine": machine.to_json(), "preflight": [each.to_json() for each in found]}
        json.dump(numbers, sys.stdout, indent=1)
        sys.stdout.write("\n")
        return 0
    for each in found:
        sys.stdout.write(f"{each.model:<22}{each.sentence}\n")
    return 0


def looked() -> Machine:
    """Return what this computer has; takes the seconds that torch takes to be imported."""
    from ..generate import quiet_libraries

    quiet_libraries()
    return look()
