"""A pytest plugin that notes each test as it ends, so that a run whose Blender crashed can go on.

Blender 5.0.1 has ended with a segmentation fault in a few of many whole runs, each time somewhere
else; the test it came in passes when it is repeated, and the cause is not found. One crash in a run
is told loudly, with where Python was; what is left is run in a new Blender, where that test has to
pass. A second crash is a failure.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

VARIABLE = "DEPTHSHOT_TEST_LOG"  # names the file
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
_RANK = (PASSED, SKIPPED, FAILED)
_CRASHES = [
    getattr(signal, name)
    for name in ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE")
    if hasattr(signal, name)  # Windows has not all of them
]


@dataclass(frozen=True, slots=True)
class Noted:
    """What a run had done when it ended.

    Attributes:
        outcomes: How each test that is over has ended.
        under_way: The test that had begun and was not over, "" for none.
    """

    outcomes: dict[str, str]
    under_way: str


def is_crash(code: int | None) -> bool:
    """Say whether an exit code is that of a process that crashed, and was not ended from outside.

    A user, a time limit and a system without memory end one too, and a second run would hide that.

    Args:
        code: As `subprocess` has it, less than 0 for a signal; None where there is none.
    """
    return code is not None and -code in _CRASHES


def read_log(path: Path) -> Noted:
    """Read what the runs that were given this file have noted."""
    outcomes: dict[str, str] = {}
    under_way = ""
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        test, outcome = json.loads(line)
        if outcome is None:
            under_way = test
        else:
            outcomes[test], under_way = outcome, ""
    return Noted(outcomes, under_way)


class _Notes:
    """The plugin, once there is a file to write to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before = read_log(path).outcomes
        self._outcome = PASSED

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Leave out what is over."""
        over = [item for item in items if item.nodeid in self._before]
        items[:] = [item for item in items if item.nodeid not in self._before]
        config.hook.pytest_deselected(items=over)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Note that a test begins."""
        self._outcome = PASSED
        self._note(nodeid, None)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the worst of a test's setup, call and teardown."""
        self._outcome = max(self._outcome, report.outcome, key=_RANK.index)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Note that a test is over."""
        self._note(nodeid, self._outcome)

    def _note(self, nodeid: str, outcome: str | None) -> None:
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps([nodeid, outcome]) + "\n")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Begin to note, and let a crash show the thread it came in alone: the rest hides it."""
    if path := os.environ.get(VARIABLE):
        config.pluginmanager.register(_Notes(Path(path)))
        # pytest has it show every thread; the terminal itself, not what pytest captures.
        faulthandler.enable(os.dup(sys.stderr.fileno()), all_threads=False)
