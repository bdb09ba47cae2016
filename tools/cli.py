"""The commands of `dev.py`."""

import argparse
import os
import time
from pathlib import Path

from backend.errors import DepthshotError

from . import build, commands, environments, lint, suites, versions, window
from .console import DevError, answer, note_omission, say, say_omissions

HELP = """Usage: python3 dev.py COMMAND …

  demo [--out DIR]          one real shot, from a Blender scene to a strip on the timeline
  test [-k EXPR] …          every test there is for this machine
  test --ui                 those in a real window; brings Debian's Blender, or takes BLENDER=PATH
  lint                      style, format and length of the sources
  build                     the extension's zip and a static repository, into dist/
  backend ARGUMENTS …       python -m backend, in its environment (try: backend --help)
  blender SCRIPT …          a script with bpy and the extension enabled

COMMAND --help says more about demo and test. The environments are made on first use, in .env/
or the folder that DEPTHSHOT_ENV_DIR names. --blender VERSION takes another Blender (test,
blender), --install-system-libraries also installs what Blender needs of the system (demo, test).
"""


def main(arguments: list[str]) -> int:
    """Runs one command.

    Args:
        arguments: the command's name and what follows it.

    Returns:
        The exit code: the command's own, or 2 where it could not start.
    """
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        answer(HELP.rstrip())
        return 0 if arguments else 2
    name, rest = arguments[0], arguments[1:]
    if name not in COMMANDS:
        say(f"There is no command {name}: it is one of {', '.join(COMMANDS)}.")
        return 2
    try:
        return COMMANDS[name](rest)
    except DepthshotError as error:
        say(str(error))
        return 2
    except KeyboardInterrupt:
        say("Stopped.")
        return 130


def _demo(arguments: list[str]) -> int:
    # Read only when asked for: the demo is the one command with a job of its own.
    from . import demo

    parser = demo.parser()
    options = parser.parse_args(arguments)
    envs = environments.backend(), environments.blender()
    began = time.monotonic()
    environments.ensure(*envs, install_libraries=options.install_system_libraries)
    return demo.main(options, envs, made=time.monotonic() - began)


def _lint(arguments: list[str]) -> int:
    _no_arguments("lint", arguments)
    environment = environments.backend()
    environments.ensure(environment)
    return lint.main(environment)


def _build(arguments: list[str]) -> int:
    _no_arguments("build", arguments)
    environment = environments.blender()
    environments.ensure(environment)
    archive = build.build(environment, environments.ROOT / "dist")
    say(f"Built {archive}")
    say(f"Built {build.repository(environment, archive)}")
    return 0


def _test(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="dev.py test", description="Runs the tests; other arguments go to pytest."
    )
    parser.add_argument(
        "--blender",
        metavar="VERSION[,VERSION…]",
        default="",
        help="the Blender to test against; several are tested side by side",
    )
    parser.add_argument(
        "--leave-out",
        action="store_true",
        help="leave out a Blender that needs a Python which is not installed, and say so",
    )
    parser.add_argument("--only", choices=suites.NAMES, help="run one suite")
    parser.add_argument("--ui", action="store_true", help="the tests in a real Blender window")
    parser.add_argument(
        "--pictures", metavar="DIR", type=Path, help="with --ui: make the manual's pictures there"
    )
    parser.add_argument("--install-system-libraries", action="store_true")
    options, for_pytest = parser.parse_known_args(arguments)
    if options.pictures:
        options.pictures.mkdir(parents=True, exist_ok=True)
        os.environ[window.PICTURES] = str(options.pictures.absolute())
    if options.ui and not _has_window():
        return 0
    return suites.main(
        only="ui" if options.ui else options.only,
        blender=versions.chosen(options.blender),
        leave_out=options.leave_out,
        install_libraries=options.install_system_libraries,
        arguments=for_pytest,
    )


def _has_window() -> bool:
    """Brings a Blender with a window; says so where none can be, and its tests are skipped."""
    try:
        window.bring()
    except DevError as reason:
        if os.environ.get(window.VARIABLE):
            raise  # what was asked for by name is no reason to skip
        note_omission(f"tests/ui are skipped: {reason}")
        say_omissions()
        answer(str(suites.Outcome(skipped=1)))
        return False
    return True


def _no_arguments(name: str, arguments: list[str]) -> None:
    if arguments:
        raise DevError(f"dev.py {name} takes no arguments, and was given {' '.join(arguments)}.")


COMMANDS = {
    "demo": _demo,
    "test": _test,
    "lint": _lint,
    "build": _build,
    "backend": commands.run_backend,
    "blender": commands.run_blender,
}
