"""Running things inside the environments: the backend, and scripts with Blender's Python."""

import os
import subprocess
from pathlib import Path

from backend.setup.process import clean_environment

from . import environments
from .console import DevError
from .environments import ROOT, Environment

WITH_EXTENSION = ROOT / "tools" / "with_extension.py"


def backend_command(environment: Environment, arguments: list[str]) -> list[str]:
    """The command line of `python -m backend`.

    -P keeps the caller's folder off the search path: a folder named backend there is not ours.
    """
    return [str(environment.python), "-P", "-m", "backend", *arguments]


def blender_command(environment: Environment, script: str, arguments: list[str]) -> list[str]:
    """The command line of a script with bpy and the extension enabled."""
    return [str(environment.python), "-P", str(WITH_EXTENSION), script, *arguments]


def process_environment() -> dict[str, str]:
    """The environment variables for both: `backend` is found in the checkout from any folder."""
    return {**clean_environment(), "PYTHONPATH": str(ROOT)}


def become(command: list[str], variables: dict[str, str]) -> int:
    """Runs a command in place of this process, so signals and the exit code are its own."""
    if os.name == "posix":
        os.execve(command[0], command, variables)
    return subprocess.call(command, env=variables)


def run_backend(arguments: list[str]) -> int:
    """`dev.py backend …`: relative paths in the arguments are the caller's."""
    environment = environments.backend()
    environments.ensure(environment)
    return become(backend_command(environment, arguments), process_environment())


def run_blender(arguments: list[str]) -> int:
    """`dev.py blender [--blender VERSION] SCRIPT …`."""
    version = None
    if arguments[:1] == ["--blender"] and len(arguments) > 2:
        version, arguments = arguments[1], arguments[2:]
    if not arguments or not Path(arguments[0]).is_file():
        raise DevError("Name the script to run: dev.py blender [--blender VERSION] SCRIPT …")
    environment = environments.blender(version)
    environments.ensure(environment)
    command = blender_command(environment, arguments[0], arguments[1:])
    return become(command, process_environment())
