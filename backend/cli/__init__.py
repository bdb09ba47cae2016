"""The command line: `python -m backend serve | token | generate | …`.

Exit status: 0 it worked; 1 it failed, with one sentence on stderr; 2 the command was wrong; 130 it
was cancelled with Ctrl-C, and what is finished is kept. Results go to stdout, the rest to stderr.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from ..errors import Cancelled, DepthshotError, SettingError
from . import doctor, export, generate, models, plan, preflight, score, serve, token, worker

COMMANDS = (serve, token, generate, plan, preflight, export, models, score, doctor, worker)

_EXIT_CODES = (
    "exit status: 0 it worked; 1 it failed, with one sentence on stderr; 2 the command was wrong;"
    " 130 cancelled, what is finished is kept"
)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="python -m backend", description="Depthshot without Blender.", epilog=_EXIT_CODES
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True, title="commands")
    for command in COMMANDS:
        command.add(commands)
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run one command; return its exit status."""
    options, rest = make_parser().parse_known_args(arguments)
    try:
        if rest:
            word = next((each for each in rest if each != "--"), rest[0])
            raise _not_understood(word, arguments)
        status = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output, `head` for one, has seen enough. Python flushes once more at
        # its end, which then goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SettingError as reason:
        return _fail(reason, 2)
    except (Cancelled, KeyboardInterrupt) as reason:
        return _fail(reason if isinstance(reason, Cancelled) else "Stopped.", 130)
    except DepthshotError as reason:
        return _fail(reason, 1)
    return status


def _not_understood(word: str, arguments: Sequence[str]) -> SettingError:
    command = next(each for each in arguments if not each.startswith("-"))
    if "=" in word and not word.startswith("-"):
        way_out = f"write --set before each setting: --set {word}"
    else:
        way_out = f"`python -m backend {command} --help` says what it takes"
    return SettingError(f"'{command}' does not understand '{word}'; {way_out}.")


def _fail(reason: object, status: int) -> int:
    sys.stderr.write(f"{reason}\n")
    return status
