"""`generate`: a take of a shot, in this process."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from ..errors import Cancelled, SettingError
from ..formats import PNG8, PNG16, check_written
from .given import add_model, add_shot, add_words, given_settings, given_words, shot_folder
from .talk import json_lines, progress_bar, stop_on_signal


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("generate", help="make a take of a shot")
    add_shot(parser)
    add_model(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="TAKE", help="folder to write")
    parser.add_argument("--device", help="torch device (the best one)")
    add_words(parser)
    parser.add_argument("--seed", type=int, help="seed (the shot's)")
    parser.add_argument(
        "--format", default=PNG8, metavar="FORMAT",
        help=f"{PNG8} or {PNG16}: bits a value of the frames (default: {PNG8})",
    )  # fmt: skip
    parser.add_argument(
        "--replace", action="store_true",
        help="move another job's files that are in TAKE into a folder in it; else that is refused",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print events as JSON lines")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Generate, with a progress bar on stderr or JSON lines on stdout."""
    from ..generate import generate, quiet_libraries

    quiet_libraries()
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    settings = given_settings(options.settings)
    if options.seed is not None and not 0 <= options.seed < 2**63:
        raise SettingError(f"--seed must be from 0 to 2^63 - 1, not {options.seed}.")
    check_written(options.format)
    words = given_words(options)
    show = json_lines() if options.json else progress_bar()
    with shot_folder(options.shot) as shot, stop_on_signal() as stop, show as on_event:
        try:
            take = generate(
                shot,
                model=options.model,
                settings=settings,
                out=options.out,
                device=options.device,
                seed=options.seed,
                format=options.format,
                replace=options.replace,
                words=words,
                on_event=on_event,
                should_stop=stop.is_set,
            )
        except Cancelled as reason:
            if not reason.goes_on:
                raise
            raise Cancelled(
                f"{reason} Give the same command again to go on in '{options.out}'."
            ) from reason
    if not options.json:
        sys.stdout.write(f"{take.frames} frames in {options.out}\n")
    return 0
