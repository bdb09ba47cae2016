import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from tests.environments import here
from tools import environments, side_by_side, suites
from tools.console import DevError
from tools.suites import Outcome

ROOT = Path(__file__).resolve().parents[2]


def test_two_at_a_time_and_each_shown_whole(capfd):
    """The first two wait for each other, so they have to run at the same time."""
    meet = threading.Barrier(side_by_side.AT_ONCE, timeout=60)
    order = []

    def run(name, output, stop):
        if name != "c":
            meet.wait()
        order.append(name)
        output.write(f"begin {name}\nend {name}\n".encode())
        return Outcome(passed=len(order))

    results = side_by_side.run_all({name: partial(run, name) for name in "abc"})
    assert sum(results, Outcome()) == Outcome(passed=6)
    assert sorted(order) == ["a", "b", "c"]
    shown = capfd.readouterr().out.splitlines()
    assert sorted(shown[::2]) == ["begin a", "begin b", "begin c"]
    assert [line.replace("begin", "end") for line in shown[::2]] == shown[1::2]


def test_what_is_still_running_says_how_far_it_is(monkeypatch):
    said, heard = [], threading.Event()

    def listen(text):
        said.append(text)
        heard.set()

    monkeypatch.setattr(side_by_side, "HEARTBEAT", 0.05)
    monkeypatch.setattr(side_by_side, "say", listen)

    def run(output, stop):
        assert heard.wait(60)
        heard.clear()
        output.write(b"begin\n....... [ 41%]\n..")
        output.flush()
        while said[-1] != "… a: 41 %":
            assert heard.wait(60)
            heard.clear()
        return Outcome(passed=1)

    side_by_side.run_all({"a": run})
    assert said[0] == "… a: nothing said yet"
    assert said[-1].startswith("a: 1 passed")


def test_a_failure_of_one_ends_the_others():
    meet = threading.Barrier(2, timeout=60)
    stopped = []

    def fails(output, stop):
        meet.wait()
        raise DevError("no")

    def waits(output, stop):
        meet.wait()
        stopped.append(stop.wait(60))
        return Outcome()

    with pytest.raises(DevError):
        side_by_side.run_all({"a": fails, "b": waits})
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
        "from tools import side_by_side\n"
        "def run(output, stop):\n"
        "    os.write(1, b'begun\\n')\n"
        "    assert stop.wait(100)\n"
        "    os.write(1, b'ended\\n')\n"
        "def waiting(running, wait=side_by_side.wait, **options):\n"
        "    os.write(1, b'waiting\\n')\n"
        "    return wait(running, **options)\n"
        "side_by_side.wait = waiting\n"
        "try:\n"
        "    side_by_side.run_all({'a': run, 'b': run})\n"
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


def test_only_the_first_of_several_blenders_runs_what_is_the_same_in_each(monkeypatch):
    asked = []

    def run_suite(name, environment, arguments, **_):
        asked.append((name, environment.name, *arguments))
        return Outcome(passed=1)

    monkeypatch.setattr(suites, "run_suite", run_suite)
    monkeypatch.setattr(suites, "torch_has_gpu", lambda environment: False)
    monkeypatch.setattr(environments, "ensure", lambda *wanted, **_: None)
    options = {"leave_out": False, "install_libraries": False, "arguments": ["-q"]}
    assert suites.main(only=None, blender=["4.5.15", "4.2.23", "5.0.1"], **options) == 0
    assert asked.pop() == ("ui", "backend", "-q"), "after the others, by itself"
    assert sorted(asked) == [
        ("backend", "backend", "-q"),
        ("blender", "blender-4.2.23", "--further-blender", "-q"),
        ("blender", "blender-4.5.15", "-q"),
        ("blender", "blender-5.0.1", "--further-blender", "-q"),
    ]
    asked.clear()
    assert suites.main(only="blender", blender=["4.2.23"], **options) == 0
    assert asked == [("blender", "blender-4.2.23", "-q")]
