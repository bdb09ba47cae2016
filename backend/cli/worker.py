"""`worker`: started by the server alone, so it is not in the help."""

from __future__ import annotations

import argparse


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("worker")
    parser.add_argument("--device")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Work until stdin closes."""
    from ..worker import main

    return main(options.device)
