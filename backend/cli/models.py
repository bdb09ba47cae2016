"""`models`: the models there are and what can be set."""

from __future__ import annotations

import argparse
import json
import sys

from ..models import cards
from ..models.card import Card


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("models", help="list the models and their settings")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """List the cards."""
    if options.json:
        json.dump({"models": [card.to_json() for card in cards()]}, sys.stdout, indent=1)
        sys.stdout.write("\n")
        return 0
    for card in cards():
        download = f"{card.download_bytes / 1e9:.1f} GB" if card.download_bytes else "no download"
        sys.stdout.write(f"{card.id}  {card.label} ({card.licence}, {download})\n")
        sys.stdout.write(f"    {card.summary}\n")
        sys.stdout.write(f"    uses {', '.join(_uses(card))}\n")
        for setting in card.settings:
            default = json.dumps(setting.default).strip('"')
            sys.stdout.write(f"    --set {setting.name}={default}  {setting.help}\n")
    return 0


def _uses(card: Card) -> list[str]:
    words = ["prompt"] if card.takes_prompt else []
    return [*card.guides, *words, *(["seed"] if card.takes_seed else [])]
