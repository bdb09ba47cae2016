"""`plan`: what a model would do with a shot, before anything is loaded or downloaded."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from dataclasses import replace

from ..models import find_card
from ..models.explain import explanation, summary
from ..models.memory import AUTO, check_memory
from ..models.plan import make_plan
from ..models.weights import needed, trouble
from ..wire import read_shot
from .given import add_model, add_shot, add_words, given_settings, given_words, shot_folder
from .preflight import looked

_WIDTH, _INDENT = 100, 14


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("plan", help="say what a model would do with a shot")
    add_shot(parser)
    add_model(parser)
    add_words(parser)
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--explain", action="store_true", help="say all of it, in words")
    shown.add_argument("--json", action="store_true", help="print the numbers as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print a plan: one line, everything in words, or numbers."""
    card = find_card(options.model)
    settings = card.check_settings(given_settings(options.settings))
    device = ""
    if settings.get("memory", AUTO) != AUTO or settings.get("compile"):
        device = looked().device  # takes seconds, and decides nothing else that is told here
        check_memory(card, settings, device)
    with shot_folder(options.shot) as folder:
        shot = replace(read_shot(folder), **given_words(options))
    plan = make_plan(card, shot, settings)
    weights = {each.id: trouble(each) for each in needed(card, settings)}
    if options.json:
        numbers = {"model": card.id, "settings": settings, **plan.to_json(shot)}
        numbers["trouble"] = [said for said in weights.values() if said]
        json.dump(numbers, sys.stdout, indent=1)
        sys.stdout.write("\n")
        return 0
    sys.stdout.write(summary(card, shot, plan) + "\n")
    if options.explain:
        for statement in explanation(card, shot, plan, settings=settings, device=device):
            sys.stdout.write(_paragraph(statement.topic, statement.text) + "\n")
    for model, said in weights.items():
        if said or options.explain:
            said = said or f"Those of '{model}' are on this computer."
            sys.stdout.write(_paragraph("Weights", said) + "\n")
    return 0


def _paragraph(topic: str, text: str) -> str:
    return textwrap.fill(
        text,
        width=_WIDTH,
        initial_indent=f"{topic:<{_INDENT}}",
        subsequent_indent=" " * _INDENT,
        break_on_hyphens=False,
    )
