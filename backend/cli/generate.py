"""`generate`: a take of a shot, in this process."""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..errors import Cancelled, SettingError, ShotError
from ..formats import PNG8, PNG16, check_written
from ..models import cards
from .talk import json_lines, progress_bar, stop_on_signal


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("generate", help="make a take of a shot")
    parser.add_argument("shot", type=Path, metavar="SHOT", help="folder of the shot, or a zip")
    default = cards()[0].id
    parser.add_argument(
        "--model", default=default, metavar="ID", help=f"one of `models` (default: {default})"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="settings",
        help="a setting of the model; may be given again",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="TAKE", help="folder to write")
    parser.add_argument("--device", help="torch device (the best one)")
    parser.add_argument("--seed", type=int, help="seed (the shot's)")
    parser.add_argument(
        "--format", default=PNG8, metavar="FORMAT",
        help=f"{PNG8} or {PNG16}: bits a value of the frames (default: {PNG8})",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print events as JSON lines")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Generate, with a progress bar on stderr or JSON lines on stdout."""
    from ..generate import generate, quiet_libraries

    quiet_libraries()
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    settings = _settings(options.settings)
    if options.seed is not None and not 0 <= options.seed < 2**63:
        raise SettingError(f"--seed must be from 0 to 2^63 - 1, not {options.seed}.")
    check_written(options.format)
    show = json_lines() if options.json else progress_bar()
    with _shot_folder(options.shot) as shot, stop_on_signal() as stop, show as on_event:
        try:
            take = generate(
                shot,
                model=options.model,
                settings=settings,
                out=options.out,
                device=options.device,
                seed=options.seed,
                format=options.format,
                on_event=on_event,
                should_stop=stop.is_set,
            )
        except Cancelled as reason:
            raise Cancelled(
                f"{reason} Give the same command again to go on in '{options.out}'."
            ) from reason
    if not options.json:
        sys.stdout.write(f"{take.frames} frames in {options.out}\n")
    return 0


def _settings(pairs: list[str]) -> dict[str, object]:
    values: dict[str, object] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise SettingError(f"--set takes NAME=VALUE, not '{pair}'.")
        values[name] = value
    return values


@contextlib.contextmanager
def _shot_folder(shot: Path) -> Iterator[Path]:
    try:
        is_folder = shot.is_dir()
    except OSError as reason:  # a name that no disk can hold
        raise ShotError(f"The shot '{shot}' cannot be read: {reason.strerror}.") from reason
    if is_folder:
        yield shot
        return
    from ..bundle import unpack

    with tempfile.TemporaryDirectory(prefix="depthshot-") as folder:
        unpack(shot, Path(folder, "shot"))
        yield Path(folder, "shot")
