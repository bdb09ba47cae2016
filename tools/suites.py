"""`dev.py test`: each suite in its own environment, under a time limit, and one summary line."""

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from backend.setup.process import clean_environment

from . import crashes, environments, side_by_side, versions, with_extension
from .console import DevError, answer, note_crash, say, say_omissions
from .environments import ROOT, Environment

NAMES = ("backend", "blender", "ui", "gpu")
# A process that hangs at exit would otherwise hang whoever waits for it.
LIMIT_SECONDS = 40 * 60
_NO_TESTS = 5
_LOOK_UP_SECONDS = 1.0
_ASK_TORCH = "import torch; print(torch.cuda.is_available() or torch.backends.mps.is_available())"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many tests passed, failed (errors included) and were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: "Outcome") -> "Outcome":
        """Sums two suites."""
        return Outcome(
            self.passed + other.passed,
            self.failed + other.failed,
            self.skipped + other.skipped,
        )

    def __str__(self) -> str:
        """The form that is read by machines: alone on the last line."""
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def read_report(report: Path) -> Outcome:
    """Reads the counts from the JUnit XML that pytest wrote."""
    tests = failed = skipped = 0
    for suite in ElementTree.parse(report).getroot().iter("testsuite"):
        tests += int(suite.get("tests", 0))
        failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped += int(suite.get("skipped", 0))
    return Outcome(max(tests - failed - skipped, 0), failed, skipped)


def count(noted: crashes.Noted) -> Outcome:
    """Counts how the tests have ended that were over before a crash."""
    ended = Counter(noted.outcomes.values())
    return Outcome(ended[crashes.PASSED], ended[crashes.FAILED], ended[crashes.SKIPPED])


def run_suite(
    name: str,
    environment: Environment,
    arguments: list[str],
    *,
    limit: float = LIMIT_SECONDS,
    root: Path = ROOT,
    output: BinaryIO | None = None,
    stop: threading.Event | None = None,
) -> Outcome:
    """Runs the tests of one folder below `tests/`.

    Args:
        name: the folder.
        environment: whose Python and pytest.
        arguments: for pytest.
        limit: seconds after which the suite, with every process it started, is ended.
        root: the checkout; another one in tests.
        output: gets what pytest says; the terminal if None.
        stop: once set, the suite is ended as if its time were up.

    Returns:
        The counts. A suite that crashed, hung or could not be collected counts as one failure
        more than its report shows; where Blender crashed, from the second time on (`crashes`).
    """
    folder = root / "tests" / name
    if not any(folder.rglob("test_*.py")):
        say(f"tests/{name}: no tests")
        return Outcome()
    say(f"tests/{name} in {environment.name}")
    with tempfile.TemporaryDirectory(prefix="depthshot-test-") as temporary:
        report, log = Path(temporary) / "report.xml", Path(temporary) / "log"
        command = [
            *(str(environment.python), "-m", "pytest", f"tests/{name}"),
            *(f"--junitxml={report}", f"--rootdir={root}", *arguments),
        ]
        if name == "blender":
            command += ["-p", crashes.__name__]
        run = partial(
            run_limited, command, limit=limit, cwd=root, output=output, stop=stop, log=log
        )
        code = run()
        # pytest writes it last: without one, the tests were not all run, whatever the exit code.
        reported = report.is_file()
        before = Outcome()
        if crashes.is_crash(code) and not reported and log.is_file():
            noted = crashes.read_log(log)
            note_crash(
                f"{environment.name} crashed ({signal.Signals(-code).name}) in"
                f" {noted.under_way or 'no test'}; what is left was run in a new one."
            )
            before = count(noted)
            code = run()
            reported = report.is_file()
        outcome = before + (read_report(report) if reported else Outcome())
    if code is None:
        say(f"tests/{name} did not end within {limit:.0f} s and was stopped: counted as a failure.")
        return outcome + Outcome(failed=1)
    if not reported or (code not in (0, _NO_TESTS) and not outcome.failed):
        say(f"tests/{name} broke off with exit code {code}: counted as a failure.")
        return outcome + Outcome(failed=1)
    return outcome


def run_limited(
    command: list[str],
    *,
    limit: float,
    cwd: Path,
    output: BinaryIO | None = None,
    stop: threading.Event | None = None,
    log: Path | None = None,
) -> int | None:
    """Runs a command and ends it, with all it started, when its time is up or `stop` is set.

    Returns:
        Its exit code, or None if it had to be ended.
    """
    own_group = {"start_new_session": True} if os.name == "posix" else {}
    # Tests of the extension start the real backend.
    variables = {
        **clean_environment(),
        "DEPTHSHOT_BACKEND_PYTHON": str(environments.backend().python),
    }
    if log is not None:
        variables[crashes.VARIABLE] = str(log)
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=None if output is None else subprocess.STDOUT,
        **own_group,
    )
    try:
        return _wait(process, limit=limit, stop=stop or threading.Event())
    finally:
        # Also after Ctrl-C, and for what a suite that ended left running.
        _end_group(process)


def _wait(process: subprocess.Popen, *, limit: float, stop: threading.Event) -> int | None:
    """Waits for a process; returns None where it has to be ended."""
    end = time.monotonic() + limit
    while not stop.is_set() and (left := end - time.monotonic()) > 0:
        # Nothing wakes a thread that waits for a process, so it looks up now and then.
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(min(left, _LOOK_UP_SECONDS))
    return None


def _end_group(process: subprocess.Popen) -> None:
    if os.name == "posix":
        # Nothing of the group being left is how it should be.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    elif process.poll() is None:
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(process.pid)], check=False)
    process.wait()


def _side_by_side(
    wanted: Sequence[str],
    for_backend: Environment,
    with_bpy: Sequence[Environment],
    arguments: list[str],
) -> list[Outcome]:
    """Runs the tests of the backend and those of several Blenders, where each takes longer.

    The first Blender runs all of its tests, the others what may differ between Blenders.
    """

    def runner(
        name: str, environment: Environment, *further: str
    ) -> Callable[[BinaryIO, threading.Event], Outcome]:
        def run(output: BinaryIO, stop: threading.Event) -> Outcome:
            limit = side_by_side.AT_ONCE * LIMIT_SECONDS
            return run_suite(
                name, environment, [*further, *arguments], limit=limit, output=output, stop=stop
            )

        return run

    runs = {}
    if "backend" in wanted:
        runs[for_backend.name] = runner("backend", for_backend)
    for place, environment in enumerate(with_bpy):
        further = [with_extension.FURTHER_BLENDER] if place else []
        runs[environment.name] = runner("blender", environment, *further)
    return side_by_side.run_all(runs)


def torch_has_gpu(environment: Environment) -> bool:
    """Asks torch, in its environment, whether there is a GPU it can use."""
    done = subprocess.run(
        [str(environment.python), "-c", _ASK_TORCH],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DevError(f"torch cannot be imported: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout.strip() == "True"


def main(
    *,
    only: str | None,
    blender: Sequence[str],
    leave_out: bool,
    install_libraries: bool,
    arguments: list[str],
) -> int:
    """Runs the suites that fit this machine and prints the summary line last.

    Args:
        only: the one suite to run, or None for all.
        blender: the Blender versions; none for the default. Several are tested side by side, with
            the backend.
        leave_out: leave out a Blender that needs a Python which is not there, and say so.
        install_libraries: also install system libraries that Blender needs.
        arguments: for pytest.

    Returns:
        0 if at least one test ran and none failed.
    """
    wanted = NAMES if only is None else (only,)
    for_backend = environments.backend()
    with_bpy = [environments.blender()]
    if blender:
        with_bpy = versions.usable(blender, leave_out=leave_out)
    # Tests with Blender start a real backend; those of the backend and of these tools call
    # Blender's Python, and those in a window install a zip that its builder has made.
    needed = [for_backend]
    if {"backend", "blender", "ui"} & set(wanted):
        needed += with_bpy
    environments.ensure(*needed, install_libraries=install_libraries)
    outcome = Outcome()
    if len(with_bpy) > 1 and "blender" in wanted:
        outcome = sum(_side_by_side(wanted, for_backend, with_bpy, arguments), outcome)
        wanted = [name for name in wanted if name not in ("backend", "blender")]
    for name in wanted:
        if name == "gpu" and not torch_has_gpu(for_backend):
            say("tests/gpu: torch reports no GPU here")
            continue
        environment = with_bpy[0] if name == "blender" else for_backend
        outcome += run_suite(name, environment, arguments)
    say_omissions()
    answer(str(outcome))
    if outcome == Outcome():
        say("No test was run.")
        return _NO_TESTS
    return int(outcome.failed > 0)
