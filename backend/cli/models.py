"""`models`: the models there are, what can be set, and their weights on this computer."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..errors import DepthshotError, ModelError
from ..events import Event
from ..models import cards, find_download, folders, hub
from ..models.card import Card
from ..models.weights import as_installed, installed, is_own, trouble, variable
from ..paths import default_data_dir, full_path
from .talk import json_lines, progress_bar, stop_on_signal


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command, and those below it, to the parser."""
    parser = commands.add_parser("models", help="list the models, get or remove weights")
    _share(parser, default=None)
    _add_preflight(parser, default=False)
    parser.set_defaults(run=list_models)
    below = parser.add_subparsers(metavar="COMMAND", title="commands")
    for name, words, run in (
        ("list", "list the models and their settings (without a command the same)", list_models),
        ("show", "show one model, its licence and where its weights are", show_model),
        ("pull", "download a model's weights, or verify and complete them", pull_model),
        ("use", "use a folder that has a model's weights, as it is", use_folder),
        ("remove", "remove the weights that `pull` has brought", remove_model),
    ):
        command = below.add_parser(name, help=words)
        _share(command, default=argparse.SUPPRESS)
        command.set_defaults(run=run)
        if name != "list":
            command.add_argument("model", metavar="ID", help="one of `models`")
        if name in ("list", "show"):
            _add_preflight(command, default=argparse.SUPPRESS)
        if name == "use":
            what = command.add_mutually_exclusive_group(required=True)
            what.add_argument("folder", metavar="FOLDER", nargs="?", help="where it is")
            what.add_argument(
                "--forget", action="store_true", help="let go of the folder that was chosen"
            )
        if name == "pull":
            command.add_argument(
                "--accept-licence", action="store_true",
                help="accept the licence of the weights; asked for once, see `models show ID`",
            )  # fmt: skip


def _share(parser: argparse.ArgumentParser, *, default: str | None) -> None:
    """Add what all take: a command below must not undo what is said before it."""
    parser.add_argument("--json", action="store_true", default=default or False, help="print JSON")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", default=default, help="data folder (the user's own)"
    )


def _add_preflight(parser: argparse.ArgumentParser, *, default: object) -> None:
    parser.add_argument(
        "--preflight", action="store_true", default=default,
        help="say what each would cost on this computer, which takes some seconds; see `preflight`",
    )  # fmt: skip


def list_models(options: argparse.Namespace) -> int:
    """List the cards in a few lines each; `show_model` tells the rest."""
    data = _data(options)
    cost = _preflights(options, data)
    if options.json:
        _print_json({"models": [_to_json(card, data) | cost(card) for card in cards()]})
        return 0
    for card in cards():
        _print(f"{card.id}  {card.label} ({card.licence}, {_state(card, data)})")
        _print(f"    {card.summary}")
        if options.preflight:
            _print(f"    {cost(card)['preflight']['sentence']}")
        if card.fast is not None:
            fast = card.fast_card
            _print(f"    {fast.id}  {fast.label} ({fast.licence}, {_state(fast, data)})")
    known = "" if options.preflight else "; `models --preflight` says which of them fit here"
    _print(f"`models show ID` tells the rest of one, its settings too{known}.")
    return 0


def show_model(options: argparse.Namespace) -> int:
    """Show one card."""
    card, data = find_download(options.model), _data(options)
    cost = _preflights(options, data)
    if options.json:
        _print_json(_to_json(card, data) | cost(card))
        return 0
    links = (card.hub.licence_url, *card.hub.further) if card.hub else ()
    _print(f"{card.id}  {card.label}")
    _print(f"    {card.summary}")
    _print(f"    licence    {', '.join((card.licence, *links))}")
    if card.hub is not None:
        gated = ", given to accounts that asked" if card.hub.gated else ""
        _print(f"    from       {card.hub.repository}{_revision(card, data)}{gated}")
    _print(f"    weights    {_state(card, data)}")
    if (folder := installed(card, data=data)) is not None:
        _print(f"    in         {folder}{_who(card, data)}")
        if card.hub is not None and is_own(card, data=data):
            _print(f"    named      {_fingerprint(card, data)}")
    elif card.hub is not None:
        _print(f"    way out    {trouble(card, data=data)}")
    if unused := _unused(card, data):
        _print(f"    chosen     {unused}")
    if card.fast is not None:
        fast = card.fast_card
        _print(f"    fast       {card.fast.steps} steps with '{fast.id}' ({_state(fast, data)})")
    if options.preflight:
        _print(f"    here       {cost(card)['preflight']['sentence']}")
    if card.parameters:
        each = (f"{part.name} {part.parameters / 1e9:.1f}" for part in card.parts)
        _print(f"    parameters {card.parameters / 1e9:.1f} billion: {', '.join(each)}")
    _print(f"    uses       {', '.join(_uses(card))}")
    _print_settings(card)
    return 0


def pull_model(options: argparse.Namespace) -> int:
    """Download, with a progress bar on stderr or JSON lines on stdout."""
    card, data = find_download(options.model), _data(options)
    from ..models.pull import pull  # late: a list needs none of it

    with (
        stop_on_signal() as stop,
        json_lines() if options.json else progress_bar() as show,
    ):
        folder = _own(card, data) or pull(
            card,
            data_dir=data,
            accept_licence=options.accept_licence,
            on_progress=lambda phase, done, total: show(
                Event("progress", phase=phase, done=done, total=total, share=done / max(total, 1))
            ),
            should_stop=stop.is_set,
        )
    if not options.json:
        whose = "" if folder.is_relative_to(hub.home(data)) else ", used as they are"
        _print(f"The weights of '{card.id}' are in {folder}{whose}")
    return 0


def remove_model(options: argparse.Namespace) -> int:
    """Remove what `pull` has brought and let go of a chosen folder; what is the user's stays."""
    card, data = find_download(options.model), _data(options)
    from ..models import removal

    if card.hub is None:
        raise ModelError(
            f"The model '{card.id}' comes with Depthshot, without a download; there is nothing to"
            " remove."
        )
    home = hub.home(data)
    said: list[str] = []
    forgotten = folders.forget(card, data=data, say=said.append)
    was_kept = removal.is_kept(home, card)
    try:
        freed = removal.remove(home, card) if was_kept else 0
    except DepthshotError as reason:  # what was done before is told all the same
        if forgotten is not None:
            said.append(folders.let_go(card, forgotten))
        raise type(reason)(" ".join((*said, str(reason)))) from reason
    folder = installed(card, data=data)
    if not was_kept and forgotten is None and folder is None and not said:
        raise removal.nothing_kept(card)
    if options.json:
        _print_json(
            {
                "removed_bytes": freed,
                "forgotten": _text(forgotten),
                "installed": _text(folder),
                "said": said,
            }
        )
        return 0
    for line in said:
        _print(line)
    if forgotten is not None:
        _print(folders.let_go(card, forgotten))
    if was_kept:
        _print(f"The weights of '{card.id}' are removed; {hub.gigabytes(freed)} are free again.")
    if folder is not None:
        _print(f"Those in {folder} are not Depthshot's and stay.")
    return 0


def use_folder(options: argparse.Namespace) -> int:
    """Choose a folder of the user's own, or let go of the one that was chosen."""
    card, data = find_download(options.model), _data(options)
    said: list[str] = []
    if options.forget:
        folder = folders.forget(card, data=data, say=said.append)
        if folder is not None:
            said.append(folders.let_go(card, folder))
        elif not said:
            raise folders.nothing_chosen(card)
    elif not options.folder:  # a variable of a script's that is empty, and not this very folder
        raise ModelError("No folder was named; choose the one that has the weights.")
    else:
        folder = folders.choose(card, Path(options.folder), data=data, say=said.append)
        said.append(f"The weights of '{card.id}' come from {folder}, used as they are")
    if options.json:
        _print_json({"folder": _text(folder), "used": not options.forget, "said": said})
        return 0
    for line in said:
        _print(line)
    return 0


def _own(card: Card, data: Path) -> Path | None:
    """Return the folder of the user's own that is used instead of a download."""
    return None if card.hub is None else folders.own_folder(card, data=data)


def _named_by(card: Card, data: Path) -> str | None:
    """Return who says where a card's weights are: its variable, "choice", or None for nobody."""
    if folders.named(card):
        return variable(card.id)
    return "choice" if is_own(card, data=data) else None


def _who(card: Card, data: Path) -> str:
    """Return the same in words, to follow the folder."""
    name = _named_by(card, data)
    if name is None:
        return ""
    if name == "choice":
        return f", chosen (`models use {card.id} --forget` lets go of it)"
    return f", which {name} names"


def _revision(card: Card, data: Path) -> str:
    """Return which revision of its repository a card's weights are, in words to follow its name."""
    if not card.revision:
        return ", no revision checked"
    # Of a folder of their own nobody knows.
    return "" if is_own(card, data=data) else f", revision {card.revision}"


def _fingerprint(card: Card, data: Path) -> str:
    """Return what a take calls the weights in a folder of the user's own, or why it cannot."""
    try:
        found = as_installed(replace(card, fast=None), data=data).revision
    except ModelError as reason:
        return str(reason)
    return f"{found} in a take: a fingerprint of that folder's files"


def _unused(card: Card, data: Path) -> str:
    """Return the folder that was chosen and comes behind a variable, in words; "" for none."""
    if card.hub is None or not folders.named(card):
        return ""
    try:
        folder = folders.chosen(data=data).get(card.id)
    except ModelError as reason:
        return str(reason)
    return f"{folder}, not used while {variable(card.id)} is set" if folder else ""


def _text(folder: Path | None) -> str | None:
    return None if folder is None else str(folder)


def _data(options: argparse.Namespace) -> Path:
    return full_path(options.data or default_data_dir())


def _to_json(card: Card, data: Path) -> dict[str, object]:
    folder = installed(card, data=data)
    return card.to_json() | {
        "installed": _text(folder),
        "named_by": _named_by(card, data),
        "installed_bytes": 0 if folder is None else hub.size_on_disk(folder),
        "trouble": "" if card.hub is None else trouble(card, data=data),
    }


def _preflights(options: argparse.Namespace, data: Path) -> Callable[[Card], dict[str, object]]:
    """Return what gives a card's "preflight", nothing where it was not asked for."""
    if not options.preflight:
        return lambda card: {}
    from ..models.preflight import preflight_here
    from .preflight import looked  # late: looking takes seconds

    machine = looked()
    return lambda card: {"preflight": preflight_here(card, machine, data).to_json()}


def _state(card: Card, data: Path) -> str:
    """Say in a few words whether a model's weights are there."""
    if not card.download_bytes:
        return "no download"
    folder = installed(card, data=data)
    if folder is not None:
        return f"{hub.gigabytes(hub.size_on_disk(folder))} on this computer"
    if folders.named(card):
        return f"not usable where {variable(card.id)} says"
    if is_own(card, data=data):
        return "not usable in the folder that was chosen"
    if not card.revision:
        size = hub.gigabytes(card.download_bytes)
        return f"not downloaded by Depthshot: {size}, see `models use {card.id} FOLDER`"
    return f"{hub.gigabytes(card.download_bytes)} to download"


def _uses(card: Card) -> list[str]:
    words = ["prompt"] if card.takes_prompt else []
    return [*card.guides, *words, *(["seed"] if card.takes_seed else [])]


def _print_settings(card: Card) -> None:
    for setting in card.settings:
        default = json.dumps(setting.default).strip('"')
        seldom = ", under Advanced" if setting.advanced else ""
        _print(f"    --set {setting.name}={default}  ({setting.wanted})")
        _print(f"        {setting.label}{seldom}: {setting.help}")


def _print_json(value: object) -> None:
    json.dump(value, sys.stdout, indent=1)
    sys.stdout.write("\n")


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
