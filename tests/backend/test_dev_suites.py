import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from tests.environments import here
from tests.waiting import wait_until
from tools import crashes, suites
from tools.environments import ROOT
from tools.suites import Outcome

CASES = """
import pytest
def test_passes(): pass
def test_fails(): assert False
def test_is_skipped(): pytest.skip("no")
@pytest.fixture
def broken(): raise RuntimeError
def test_errs(broken): pass
"""


CRASH = """
import os, pathlib, pytest, signal
crashes = pathlib.Path(__file__).with_name("crashes")
def test_before(): pass
@pytest.mark.skip
def test_left_out(): pass
def test_crashes():
    had = int(crashes.read_text()) if crashes.exists() else 0
    if had < {times}:
        crashes.write_text(str(had + 1))
        os.kill(os.getpid(), signal.{name})
def test_fails(): assert False
def test_after(): pass
"""


def suite(root: Path, source: str, name: str = "some") -> Path:
    folder = root / "tests" / name
    folder.mkdir(parents=True)
    (folder / "test_some.py").write_text(source)
    return root


def run(root, *arguments, limit=100.0, name="some"):
    arguments = ["-q", "-p", "no:cacheprovider", *arguments]
    return suites.run_suite(name, here(), arguments, limit=limit, root=root)


def test_counts_are_those_of_pytest(tmp_path):
    root = suite(tmp_path, CASES)
    assert run(root) == Outcome(passed=1, failed=2, skipped=1)
    assert run(root, "-k", "passes") == Outcome(passed=1)
    assert run(root, "-k", "nothing_has_this_name") == Outcome()


def test_the_summary_is_the_line_that_machines_read():
    total = Outcome(2, 0, 1) + Outcome(3, 1, 0)
    assert str(total) == "5 passed, 1 failed, 1 skipped"


@pytest.mark.parametrize(
    "source",
    [
        "def test_crashes():\n    import os\n    os._exit(3)",
        "import no_such_module_anywhere",
        "def test_leaves_early():\n    import os\n    os._exit(0)",
    ],
)
def test_a_suite_that_breaks_is_a_failure(tmp_path, source):
    assert run(suite(tmp_path, source)).failed == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has exit codes of its own for a crash")
def test_a_blender_that_crashed_once_is_told_and_the_rest_is_run(tmp_path, monkeypatch, capfd):
    (tmp_path / "tools").symlink_to(ROOT / "tools")
    root = suite(tmp_path, CRASH.format(times=1, name="SIGSEGV"), name="blender")
    monkeypatch.setenv("DEPTHSHOT_LEFT_OUT", str(tmp_path / "told"))
    assert run(root, name="blender") == Outcome(passed=3, failed=1, skipped=1)
    (told,) = (tmp_path / "told").read_text().splitlines()
    assert told.startswith("CRASHED: ")
    assert "(SIGSEGV) in tests/blender/test_some.py::test_crashes; what is left was" in told
    said = capfd.readouterr().err
    assert said.count("Fatal Python error: Segmentation fault") == 1
    assert "in test_crashes" in said, "where Python was"


@pytest.mark.skipif(os.name == "nt", reason="Windows has exit codes of its own for a crash")
def test_a_second_crash_is_a_failure(tmp_path):
    (tmp_path / "tools").symlink_to(ROOT / "tools")
    root = suite(tmp_path, CRASH.format(times=2, name="SIGSEGV"), name="blender")
    assert run(root, name="blender") == Outcome(passed=1, failed=1, skipped=1)
    ours = suite(tmp_path, CRASH.format(times=1, name="SIGSEGV"))
    assert run(ours).failed == 1, "a crash of ours is no excuse"


@pytest.mark.skipif(os.name == "nt", reason="Windows has exit codes of its own for a crash")
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_a_blender_that_was_ended_from_outside_has_not_crashed(tmp_path, monkeypatch, name):
    """Where memory is full, say, a second run would hide it."""
    (tmp_path / "tools").symlink_to(ROOT / "tools")
    monkeypatch.setenv("DEPTHSHOT_LEFT_OUT", str(tmp_path / "told"))
    root = suite(tmp_path, CRASH.format(times=1, name=name), name="blender")
    assert run(root, name="blender") == Outcome(failed=1)
    assert not (tmp_path / "told").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has exit codes of its own for a crash")
def test_what_a_crash_is():
    crashed = {"SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE"}
    assert {each.name for each in signal.Signals if crashes.is_crash(-each)} == crashed
    assert not any(map(crashes.is_crash, (None, 0, 1, signal.SIGSEGV, -35)))


def test_a_suite_that_hangs_is_a_failure(tmp_path):
    root = suite(tmp_path, "import time\ndef test_hangs():\n    time.sleep(300)\n")
    assert run(root, limit=0.5) == Outcome(failed=1)


def is_over(pid: int) -> bool:
    """Whether a process has ended; one that nobody has asked about since has, too."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_what_a_command_leaves_running_ends_with_it(tmp_path):
    source = (
        "import pathlib, subprocess, sys\n"
        "sleep = [sys.executable, '-c', 'import time; time.sleep(300)']\n"
        "child = subprocess.Popen(sleep)\n"
        "pathlib.Path('child').write_text(str(child.pid))\n"
    )
    assert suites.run_limited([sys.executable, "-c", source], limit=60, cwd=tmp_path) == 0
    child = int((tmp_path / "child").read_text())
    # The signal is sent; the system takes its time to act on it.
    wait_until(lambda: is_over(child))


def test_a_folder_without_tests_is_nothing(tmp_path):
    assert run(tmp_path) == Outcome()


def test_an_ended_command_gives_its_exit_code(tmp_path):
    command = [sys.executable, "-c", "raise SystemExit(9)"]
    assert suites.run_limited(command, limit=60, cwd=tmp_path) == 9


def test_the_python_of_an_environment_is_inside_it():
    assert here().python.parent == Path(sys.prefix) / ("Scripts" if os.name == "nt" else "bin")
