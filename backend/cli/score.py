"""`score`: how close a take comes to the true render."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ..errors import StorageError


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("score", help="compare a take with the true render")
    parser.add_argument("shot", type=Path, metavar="SHOT", help="folder of the shot")
    parser.add_argument("take", type=Path, metavar="TAKE", help="folder of the take")
    parser.add_argument(
        "--truth", type=Path, required=True, metavar="DIR",
        help="folder with frames/0001.png, named by Blender frame; some may be missing",
    )  # fmt: skip
    parser.add_argument("--json", metavar="FILE", help="write the numbers to FILE, - for stdout")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Score a take; the table goes to stdout, unless the numbers do."""
    from ..score import score

    report = score(options.shot, options.take, truth=options.truth)
    numbers = json.dumps(report.to_json(), indent=1) + "\n"
    if options.json == "-":
        sys.stdout.write(numbers)
        return 0
    sys.stdout.write(report.table() + "\n")
    if options.json:
        try:
            Path(options.json).write_text(numbers, encoding="utf-8")
        except OSError as reason:
            raise StorageError(
                f"'{options.json}' cannot be written: {reason.strerror or reason}."
            ) from reason
    return 0
