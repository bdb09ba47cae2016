"""`dev.py test`: each suite in its own environment, under a time limit, and one summary line."""

import contextlib
import os
import signal
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

from backend.setup.process import clean_environment

from . import environments
from .console import DevError, answer, say
from .environments import ROOT, Environment

NAMES = ("backend", "blender", "ui", "gpu")
# A process that hangs at exit would otherwise hang whoever waits for it.
LIMIT_SECONDS = 20 * 60
_NO_TESTS = 5
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


def run_suite(
    name: str,
    environment: Environment,
    arguments: list[str],
    *,
    limit: float = LIMIT_SECONDS,
    root: Path = ROOT,
) -> Outcome:
    """Runs the tests of one folder below `tests/`.

    Args:
        name: the folder.
        environment: whose Python and pytest.
        arguments: for pytest.
        limit: seconds after which the suite, with every process it started, is ended.
        root: the checkout; another one in tests.

    Returns:
        The counts. A suite that crashed, hung or could not be collected counts as one failure
        more than its report shows.
    """
    folder = root / "tests" / name
    if not any(folder.rglob("test_*.py")):
        say(f"tests/{name}: no tests")
        return Outcome()
    say(f"tests/{name} in {environment.name}")
    with tempfile.TemporaryDirectory(prefix="depthshot-test-") as temporary:
        report = Path(temporary) / "report.xml"
        command = [
            *(str(environment.python), "-m", "pytest", f"tests/{name}"),
            *(f"--junitxml={report}", f"--rootdir={root}", *arguments),
        ]
        code = run_limited(command, limit=limit, cwd=root)
        # pytest writes it last: without one, the tests were not all run, whatever the exit code.
        reported = report.is_file()
        outcome = read_report(report) if reported else Outcome()
    if code is None:
        say(f"tests/{name} did not end within {limit:.0f} s and was stopped: counted as a failure.")
        return outcome + Outcome(failed=1)
    if not reported or (code not in (0, _NO_TESTS) and not outcome.failed):
        say(f"tests/{name} broke off with exit code {code}: counted as a failure.")
        return outcome + Outcome(failed=1)
    return outcome


def run_limited(command: list[str], *, limit: float, cwd: Path) -> int | None:
    """Runs a command and ends it, with all it started, when its time is up.

    Returns:
        Its exit code, or None if it had to be ended.
    """
    own_group = {"start_new_session": True} if os.name == "posix" else {}
    # Tests of the extension start the real backend.
    variables = {
        **clean_environment(),
        "DEPTHSHOT_BACKEND_PYTHON": str(environments.backend().python),
    }
    process = subprocess.Popen(
        command, cwd=cwd, env=variables, stdin=subprocess.DEVNULL, **own_group
    )
    try:
        return process.wait(limit)
    except subprocess.TimeoutExpired:
        return None
    finally:
        # Also after Ctrl-C, and for what a suite that ended left running.
        _end_group(process)


def _end_group(process: subprocess.Popen) -> None:
    if os.name == "posix":
        # Nothing of the group being left is how it should be.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    elif process.poll() is None:
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(process.pid)], check=False)
    process.wait()


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
    *, only: str | None, blender: str | None, install_libraries: bool, arguments: list[str]
) -> int:
    """Runs the suites that fit this machine and prints the summary line last.

    Args:
        only: the one suite to run, or None for all.
        blender: the Blender version, or None for the default.
        install_libraries: also install system libraries that Blender needs.
        arguments: for pytest.

    Returns:
        0 if at least one test ran and none failed.
    """
    wanted = NAMES if only is None else (only,)
    for_backend, for_blender = environments.backend(), environments.blender(blender)
    # Tests with Blender start a real backend; those of the backend and of these tools call
    # Blender's Python, and those in a window install a zip that its builder has made.
    needed = [for_backend]
    if {"backend", "blender", "ui"} & set(wanted):
        needed.append(for_blender)
    environments.ensure(*needed, install_libraries=install_libraries)
    outcome = Outcome()
    for name in wanted:
        if name == "gpu" and not torch_has_gpu(for_backend):
            say("tests/gpu: torch reports no GPU here")
            continue
        environment = for_blender if name == "blender" else for_backend
        outcome += run_suite(name, environment, arguments)
    answer(str(outcome))
    if outcome == Outcome():
        say("No test was run.")
        return _NO_TESTS
    return int(outcome.failed > 0)
