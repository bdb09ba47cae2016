"""What several commands are given: a shot, a model and its settings."""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..errors import SettingError, ShotError
from ..models import cards
from ..wire import MAX_TEXT


def add_shot(parser: argparse.ArgumentParser) -> None:
    """Add SHOT to a command; see `shot_folder`."""
    parser.add_argument("shot", type=Path, metavar="SHOT", help="folder of the shot, or a zip")


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add --model and --set to a command; see `given_settings`."""
    default = cards()[0].id
    parser.add_argument(
        "--model", default=default, metavar="ID", help=f"one of `models` (default: {default})"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="settings",
        help="a setting of the model; may be given again",
    )  # fmt: skip


def add_words(parser: argparse.ArgumentParser) -> None:
    """Add --prompt and --negative to a command; see `given_words`."""
    parser.add_argument("--prompt", metavar="WORDS", help="what is wanted (the shot's)")
    parser.add_argument("--negative", metavar="WORDS", help="what is not wanted (the shot's)")


def given_words(options: argparse.Namespace) -> dict[str, str]:
    """Return what is said in place of the shot's own, by the names of its fields.

    Raises:
        SettingError: one is longer than a shot's may be.
    """
    words = {"prompt": options.prompt, "negative_prompt": options.negative}
    words = {name: said for name, said in words.items() if said is not None}
    if longest := next((name for name, said in words.items() if len(said) > MAX_TEXT), None):
        raise SettingError(f"The {longest.replace('_', ' ')} has more than {MAX_TEXT} letters.")
    return words


def given_settings(pairs: list[str]) -> dict[str, object]:
    """Return what --set was given, by name; the values are text still.

    Raises:
        SettingError: one is not NAME=VALUE.
    """
    values: dict[str, object] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise SettingError(f"--set takes NAME=VALUE, not '{pair}'.")
        values[name] = value
    return values


@contextlib.contextmanager
def shot_folder(shot: Path) -> Iterator[Path]:
    """Yield the folder of a shot, that of a zip as long as this lasts.

    Raises:
        ShotError: it cannot be read.
    """
    try:
        is_folder = shot.is_dir()
    except OSError as reason:  # a name that no disk can hold
        raise ShotError(f"The shot '{shot}' cannot be read: {reason.strerror}.") from reason
    if is_folder:
        yield shot
        return
    if shot.suffix.casefold() == ".blend":
        raise ShotError(
            f"'{shot}' is a file of Blender, and a shot is what Depthshot captures of one; open it"
            " and press Generate, then give the folder in 'captures' of the data folder."
        )
    from ..bundle import unpack

    with tempfile.TemporaryDirectory(prefix="depthshot-") as folder:
        unpack(shot, Path(folder, "shot"))
        yield Path(folder, "shot")
