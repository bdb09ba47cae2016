"""Running pip inside an environment and turning its failures into one sentence."""

import json
import os
import re
import subprocess
from pathlib import Path

from .console import DevError

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


def install(python: Path, arguments: list[str], *, log: Path) -> str:
    """Runs `pip install` quietly.

    Args:
        python: the environment's Python.
        arguments: what follows `pip install`.
        log: everything pip said is appended to this file.

    Returns:
        What pip wrote to standard output.

    Raises:
        DevError: pip failed; one sentence with the cause as far as it is known.
    """
    command = [str(python), "-m", "pip", "install", *_OPTIONS, *arguments]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=clean_environment(),
        text=True,
        errors="replace",
        check=False,
    )
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}\n")
    if done.returncode:
        raise DevError(explain(done.stderr + done.stdout, log=log))
    return done.stdout


def clean_environment() -> dict[str, str]:
    """The process environment without what would let another Python's packages in."""
    ours = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    return {**ours, "PYTHONNOUSERSITE": "1"}


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


def chosen_file(python: Path, requirement: str, options: list[str], *, log: Path) -> str:
    """The address of the file that pip would install for one requirement; nothing is kept.

    Raises:
        DevError: there is none for this machine, or the index cannot be reached.
    """
    dry = ["--dry-run", "--ignore-installed", "--no-deps", "--quiet", "--report", "-"]
    report = json.loads(install(python, [*dry, *options, requirement], log=log))
    return report["install"][0]["download_info"]["url"]
