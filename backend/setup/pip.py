"""Running pip inside an environment and turning its failures into one sentence."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ..errors import SetupError
from .process import Work, run

_NO_NETWORK = (
    "name resolution",
    "getaddrinfo failed",
    "nodename nor servname",
    "Failed to establish a new connection",
    "Network is unreachable",
    "No route to host",
    "Connection refused",
    "ProxyError",
    "Read timed out",
    "ConnectTimeoutError",
)
# Nothing is compiled ahead: Python does that for the few modules it really loads, and the rest
# would be half of the processor time of an installation.
_OPTIONS = ["--disable-pip-version-check", "--no-input", "--no-compile", "--retries", "2"]


def install(python: Path, arguments: list[str], *, work: Work) -> str:
    """Runs `pip install`.

    Args:
        python: the environment's Python.
        arguments: what follows `pip install`.
        work: how it is run.

    Returns:
        What pip wrote to standard output.

    Raises:
        SetupError: pip failed; one sentence with the cause as far as it is known.
        Cancelled: somebody asked for the end.
    """
    command = [str(python), "-m", "pip", "install", *_OPTIONS, *arguments]
    ended = run(command, work)
    if ended.code:
        raise SetupError(explain(ended.errors + ended.output, log=work.log))
    return ended.output


def explain(output: str, *, log: Path) -> str:
    """Turns the output of a failed pip into one sentence with the way out."""
    if "No space left on device" in output or "Errno 28" in output:
        return "The disk is full: free some space and run this again; it goes on from there."
    if "DO NOT MATCH THE HASHES" in output:
        name = re.search(r"^\s+(\S+) from (\S+)", output, re.MULTILINE)
        what = name.group(1) if name else "a package"
        return (
            f"The package index serves another file for {what} than the lock file names: "
            f"not installed; see {log}."
        )
    if "CERTIFICATE_VERIFY_FAILED" in output:
        return (
            "The package index's certificate is not trusted here: tell pip which one is, with "
            f"`pip config set global.cert FILE`, and run this again; see {log}."
        )
    if any(sign in output for sign in _NO_NETWORK):
        return (
            "The package index cannot be reached: connect to the network (or set pip's index or "
            f"proxy) and run this again; see {log}."
        )
    errors = [line for line in output.splitlines() if line.startswith("ERROR:")]
    cause = errors[-1].removeprefix("ERROR:").strip() if errors else "no reason given"
    return f"pip could not install the packages ({cause}): see {log}."


def chosen_file(python: Path, requirement: str, options: list[str], *, work: Work) -> str:
    """The address of the file that pip would install for one requirement; nothing is kept.

    Raises:
        SetupError: there is none for this machine, or the index cannot be reached.
        Cancelled: somebody asked for the end.
    """
    dry = ["--dry-run", "--ignore-installed", "--no-deps", "--quiet", "--report", "-"]
    report = json.loads(install(python, [*dry, *options, requirement], work=work))
    return report["install"][0]["download_info"]["url"]
