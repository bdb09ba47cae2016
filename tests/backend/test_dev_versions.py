import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.environments import here
from tools import cli, console, environments, suites, versions, window
from tools.console import DevError
from tools.suites import Outcome

ROOT = Path(__file__).resolve().parents[2]


def test_versions_are_named_once_in_order_with_commas_or_blanks():
    assert versions.chosen("5.0.1,4.2.23, 4.2.23") == ["5.0.1", "4.2.23"]
    assert versions.chosen("") == []


def test_a_blender_without_its_python_is_left_out_and_said(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("DEPTHSHOT_ENV_DIR", str(tmp_path))
    there = {(3, 11): Path("/python3.11")}
    found = versions.usable(["4.2.23", "5.2.3"], leave_out=True, find_python=there.get)
    assert [each.name for each in found] == ["blender-4.2.23"]
    said = capsys.readouterr().err
    assert "blender-5.2.3 is left out: it needs Python 3.13" in said
    assert "4.2.23" not in said
    # Asked for without --leave-out it stays, and making it says what is missing.
    found = versions.usable(["4.2.23", "5.2.3"], leave_out=False, find_python=there.get)
    assert [each.name for each in found] == ["blender-4.2.23", "blender-5.2.3"]
    with pytest.raises(DevError, match=r"There is no Blender 1\.0"):
        versions.usable(["1.0"], leave_out=True)


def test_what_was_left_out_is_repeated_at_the_end(monkeypatch, tmp_path, capsys):
    """As `.ci/run` does: one `dev.py test` after the other, each with its own last lines."""
    monkeypatch.delenv(window.VARIABLE, raising=False)
    monkeypatch.setenv("DEPTHSHOT_ENV_DIR", str(tmp_path))
    monkeypatch.setenv(console.LEFT_OUT, str(tmp_path / "left-out"))
    monkeypatch.setattr(sys, "platform", "darwin")  # has no Blender with a window to bring
    versions.usable(["5.2.3"], leave_out=True, find_python=lambda version: None)
    assert cli.main(["test", "--ui"]) == 0
    last = capsys.readouterr().err.splitlines()[-2:]
    assert last[0].startswith("!!! NOT RUN: blender-5.2.3 is left out: it needs Python 3.13")
    assert last[1].startswith("!!! NOT RUN: tests/ui are skipped: ")


def test_every_lock_of_a_blender_is_one_that_can_be_chosen():
    locks = sorted(environments.LOCKS.glob("blender-*.txt"))
    named = [lock.stem.removeprefix("blender-") for lock in locks]
    assert {"4.2.23", "4.5.15", "5.0.1", "5.2.3"} <= set(named)
    found = versions.usable(named, leave_out=False)
    assert [each.locks for each in found] == [(lock,) for lock in locks]


def test_two_at_a_time_and_each_shown_whole(capfd):
    """The first two wait for each other, so they have to run at the same time."""
    meet = threading.Barrier(versions.AT_ONCE, timeout=60)
    order = []

    def run(environment, output, stop):
        if environment.name != "c":
            meet.wait()
        order.append(environment.name)
        output.write(f"begin {environment.name}\nend {environment.name}\n".encode())
        return Outcome(passed=len(order))

    results = versions.run_all([here("a"), here("b"), here("c")], run)
    assert sum(results, Outcome()) == Outcome(passed=6)
    assert sorted(order) == ["a", "b", "c"]
    shown = capfd.readouterr().out.splitlines()
    assert sorted(shown[::2]) == ["begin a", "begin b", "begin c"]
    assert [line.replace("begin", "end") for line in shown[::2]] == shown[1::2]


def test_a_failure_of_one_ends_the_others():
    meet = threading.Barrier(2, timeout=60)
    stopped = []

    def run(environment, output, stop):
        meet.wait()
        if environment.name == "a":
            raise DevError("no")
        stopped.append(stop.wait(60))
        return Outcome()

    with pytest.raises(DevError):
        versions.run_all([here("a"), here("b")], run)
    assert stopped == [True]


def test_a_suite_is_ended_once_it_is_told_to(tmp_path):
    folder = tmp_path / "tests/some"
    folder.mkdir(parents=True)
    (folder / "test_some.py").write_text(
        "import time\ndef test_hangs():\n    print('begun', flush=True)\n    time.sleep(300)\n"
    )
    stop = threading.Event()
    log = tmp_path / "log"

    def set_when_begun():
        while b"begun" not in log.read_bytes():
            stop.wait(0.1)
        stop.set()

    with log.open("wb") as output:
        watching = threading.Thread(target=set_when_begun)
        watching.start()
        outcome = suites.run_suite(
            "some",
            here("here"),
            ["-q", "-s", "-p", "no:cacheprovider"],
            limit=100.0,
            root=tmp_path,
            output=output,
            stop=stop,
        )
        watching.join()
    assert outcome == Outcome(failed=1)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent otherwise there")
def test_ctrl_c_ends_all_that_runs():
    script = (
        "import os, signal, sys; sys.path.insert(0, sys.argv[1])\n"
        # A shell has what it starts in the background ignore it.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from tools import versions\n"
        "from tests.environments import here\n"
        "def run(environment, output, stop):\n"
        "    os.write(1, b'begun\\n')\n"
        "    assert stop.wait(100)\n"
        "    os.write(1, b'ended\\n')\n"
        "def waiting(running, wait=versions.as_completed):\n"
        "    os.write(1, b'waiting\\n')\n"
        "    return wait(running)\n"
        "versions.as_completed = waiting\n"
        "try:\n"
        "    versions.run_all([here('a'), here('b')], run)\n"
        "except KeyboardInterrupt:\n"
        "    print('stopped', flush=True)\n"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", script, str(ROOT)], stdout=subprocess.PIPE, text=True
    )
    lines = [running.stdout.readline() for _ in range(3)]
    running.send_signal(signal.SIGINT)
    rest, _ = running.communicate(timeout=120)
    assert sorted(lines) == ["begun\n", "begun\n", "waiting\n"]
    assert sorted(rest.split()) == ["ended", "ended", "stopped"]
