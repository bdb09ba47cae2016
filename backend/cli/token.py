"""`token`: the token that other machines need for the server of this one."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..paths import default_data_dir
from ..tokens import kept_token


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("token", help="print the token for backends on other machines")
    parser.add_argument("--data", type=Path, metavar="DIR", help="data folder (the user's own)")
    parser.add_argument(
        "--new", action="store_true", help="make another; the server takes it from its next start"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print it, on stdout and nowhere else."""
    sys.stdout.write(kept_token(options.data or default_data_dir(), new=options.new) + "\n")
    return 0
