"""Installing for an artist: real environments of tiny packages, from an index that can be slow."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from backend.errors import Cancelled, SetupError, StorageError
from backend.setup import install, place, removal
from backend.setup.environment import MARK, STAMP, Environment, python_in, write_stamp
from backend.setup.ours import TEMPORARY
from backend.setup.place import Kind
from backend.setup.process import Work, run
from backend.setup.progress import Progress
from tests.backends import ROOT, gone
from tests.indexes import Index, lock, wheel
from tests.waiting import wait_until

# Making an empty environment takes seconds; on a machine that is busy, minutes.
WAIT = 500
pytestmark = pytest.mark.timeout(WAIT)


@pytest.fixture
def index(tmp_path, monkeypatch):
    wheel(tmp_path / "wheels", "first", size=3_000_000)
    wheel(tmp_path / "wheels", "second", size=3_000_000)
    index = Index(tmp_path / "wheels")
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", index.url)
    # pip keeps nothing that came from where it does not trust.
    monkeypatch.setenv("PIP_TRUSTED_HOST", "127.0.0.1")
    monkeypatch.delenv(place.CACHE_VARIABLE, raising=False)
    yield index
    index.close()


@pytest.fixture
def data(tmp_path) -> Path:
    return tmp_path / "user’s data 🎬"


@pytest.fixture
def recipe(tmp_path, data, index) -> Environment:
    wheels = [tmp_path / "wheels" / f"{name}-1.0-py3-none-any.whl" for name in ("first", "second")]
    return Environment(
        name="backend",
        folder=data / "env",
        version=sys.version_info[:2],
        locks=(lock(tmp_path / "lock.txt", *wheels),),
        with_torch=False,
        download=6e6,
        disk=1e8,
        device="CPU",
        check=("-c", "import first, second"),
    )


def make(data: Path, recipe: Environment, progress: Progress | None = None):
    return install.install(
        data,
        device="CPU",
        blender_python=sys.executable,
        progress=progress or Progress(),
        recipe=recipe,
    )


def pretend(data: Path, recipe: Environment) -> None:
    """Leaves what an installation leaves, as far as its state is told by it."""
    python = python_in(data / "env")
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    home = Path(sys.executable).parent
    (data / "env" / "pyvenv.cfg").write_text(f"home = {home}\n")
    write_stamp(recipe)
    assert examine(data, recipe).kind is Kind.READY


def examine(data: Path, recipe: Environment) -> place.State:
    return place.examine(data, chosen="CPU", made=recipe)


class Running:
    """An installation in a thread."""

    def __init__(self, data: Path, recipe: Environment) -> None:
        self.progress = Progress()
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run, args=(data, recipe))
        self._thread.start()

    def _run(self, data: Path, recipe: Environment) -> None:
        try:
            make(data, recipe, self.progress)
        except (SetupError, StorageError, Cancelled) as reason:
            self.error = reason

    def wait(self) -> None:
        self._thread.join(WAIT)
        assert not self._thread.is_alive()


def pips() -> list[int]:
    """The programs that an installation of this process runs."""
    return [child.pid for child in psutil.Process().children(recursive=True)]


def test_installed_from_nothing_and_said_in_every_state(data, recipe, index):
    assert examine(data, recipe).kind is Kind.MISSING
    progress = Progress()
    state = make(data, recipe, progress)
    assert (state.kind, state.words) == (Kind.READY, "Installed for: CPU.")
    assert progress.share == 1.0
    assert "second" in (data / "logs" / "setup.log").read_text()
    assert not (data / TEMPORARY).exists()
    assert removal.size(data) > 6_000_000
    # Made from other lock files: it works still, and is said to be old.
    recipe.locks[0].write_text(recipe.locks[0].read_text() + "# changed\n")
    old = examine(data, recipe)
    assert old.kind is Kind.OLD and old.usable


def test_the_choice_of_another_device_asks_for_repair(data, recipe):
    pretend(data, recipe)
    other = place.examine(data, chosen="NVIDIA", made=recipe)
    assert other.kind is Kind.OLD
    assert other.words == "Installed for: CPU; press Repair to install it for: NVIDIA GPU."


def test_cancelled_it_ends_at_once_and_goes_on_with_what_it_has(data, recipe, index):
    index.hold_back = "second-1.0-py3-none-any.whl"
    running = Running(data, recipe)
    assert index.stuck.wait(WAIT)
    (pip,) = pips()
    assert examine(data, recipe).kind is Kind.INSTALLING
    running.progress.cancel()
    running.wait()
    assert isinstance(running.error, Cancelled)
    assert gone(pip)
    state = examine(data, recipe)
    assert state.kind is Kind.BROKEN and not state.usable
    assert "interrupted" in state.words
    assert not (data / TEMPORARY).exists()
    index.go_on()
    assert make(data, recipe).kind is Kind.READY
    assert index.served == {"first-1.0-py3-none-any.whl": 1, "second-1.0-py3-none-any.whl": 2}


def test_two_blenders_do_not_install_at_once(data, recipe, index):
    index.hold_back = "first-1.0-py3-none-any.whl"
    running = Running(data, recipe)
    assert index.stuck.wait(WAIT)
    with pytest.raises(SetupError, match="Another Blender is installing"):
        make(data, recipe)
    with pytest.raises(SetupError, match="Another Blender is installing"):
        removal.remove(data)
    index.go_on()
    running.wait()
    assert running.error is None
    assert examine(data, recipe).kind is Kind.READY


KILLED = """
import sys
from pathlib import Path
from backend.setup import install
from backend.setup.environment import Environment
from backend.setup.progress import Progress

data, lock = Path(sys.argv[1]), Path(sys.argv[2])
recipe = Environment(
    name="backend", folder=data / "env", version=sys.version_info[:2], locks=(lock,),
    with_torch=False, download=6e6, disk=1e8, device="CPU",
)
install.install(
    data, device="CPU", blender_python=sys.executable, progress=Progress(), recipe=recipe
)
"""


@pytest.mark.skipif(os.name == "nt", reason="the lock is not inherited there")
def test_killed_it_is_found_out_and_installed_again(data, recipe, index):
    index.hold_back = "second-1.0-py3-none-any.whl"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(data), str(recipe.locks[0])], cwd=ROOT
    )
    assert index.stuck.wait(WAIT)
    pips = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    # Its pip goes on for a moment, and nobody gets in its way before it has ended.
    assert pips and not any(gone(pip.pid) for pip in pips)
    assert examine(data, recipe).kind is Kind.INSTALLING
    with pytest.raises(SetupError, match="Another Blender is installing"):
        make(data, recipe)
    for pip in pips:
        with contextlib.suppress(psutil.NoSuchProcess):
            pip.kill()
    wait_until(lambda: examine(data, recipe).kind is Kind.BROKEN)
    index.go_on()
    assert make(data, recipe).kind is Kind.READY


def test_a_file_with_another_hash_is_not_installed(data, recipe, index, tmp_path):
    first = tmp_path / "wheels" / "first-1.0-py3-none-any.whl"
    wrong = replace(recipe, locks=(lock(tmp_path / "wrong.txt", first, digest="0" * 64),))
    with pytest.raises(SetupError, match=r"another file for first.* than the lock file names"):
        make(data, wrong)
    assert not examine(data, recipe).usable


def test_without_a_network_it_says_so_and_keeps_what_was_there(data, recipe, monkeypatch):
    pretend(data, recipe)
    mark = data / "env" / "mark"
    mark.touch()
    # Nothing listens on port 9 here: refused, as by a machine without a network.
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(SetupError, match="cannot be reached: connect to the network"):
        make(data, recipe)
    assert examine(data, recipe).kind is Kind.READY
    assert mark.exists()
    assert not (data / "env-before").exists()


def test_too_little_disk_is_said_before_anything_is_removed(data, recipe):
    pretend(data, recipe)
    with pytest.raises(SetupError, match=r"needs 1000000000 GB of disk, and .* GB are left"):
        make(data, replace(recipe, disk=1e18))
    assert examine(data, recipe).kind is Kind.READY


def test_what_does_not_work_is_not_called_installed(data, recipe, index):
    with pytest.raises(SetupError, match=r"does not work \(ModuleNotFoundError: .*'third'"):
        make(data, replace(recipe, check=("-c", "import third")))
    assert not examine(data, recipe).usable


def test_no_python_that_can_make_environments_is_one_sentence(data, recipe, monkeypatch):
    monkeypatch.setattr(install.pythons, "for_backend", lambda first: None)
    with pytest.raises(SetupError, match=r"Neither Blender's Python nor another one"):
        make(data, recipe)


def test_a_blender_that_is_gone_takes_its_python_along(data, recipe):
    pretend(data, recipe)
    home = "/opt/blender-5.0.1/5.0/python/bin"
    (data / "env" / "pyvenv.cfg").write_text(f"home = {home}\nversion = 3.11.13\n")
    state = examine(data, recipe)
    assert state.kind is Kind.BROKEN and not state.usable
    assert f"Python in '{home}', which is gone" in state.words
    (data / "env" / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).parent}\n")
    assert examine(data, recipe).kind is Kind.READY
    python_in(data / "env").unlink()
    python_in(data / "env").symlink_to(f"{home}/python3.11")
    assert examine(data, recipe).kind is Kind.BROKEN


@pytest.mark.parametrize("stamp", ["", "{", "[]", "null", "{}", '{"key": 1, "device": "TPU"}'])
def test_a_torn_stamp_is_no_installation(data, recipe, stamp):
    pretend(data, recipe)
    (data / "env" / STAMP).write_text(stamp)
    assert examine(data, recipe).kind is Kind.BROKEN


def test_what_is_not_ours_is_no_interrupted_installation(data, recipe):
    work = data / "env" / "hdri" / "studio.hdr"
    work.parent.mkdir(parents=True)
    work.write_text("mine")
    state = examine(data, recipe)
    assert state.kind is Kind.BLOCKED and not state.usable
    refused = "'.*env' was not made by Depthshot; choose another Data Folder, or move it away"
    assert re.search(refused, state.words)
    with pytest.raises(SetupError, match=refused):
        make(data, recipe)
    (data / "env").rename(data / "env-before")
    with pytest.raises(SetupError, match=r"'.*env-before' was not made by Depthshot"):
        make(data, recipe)
    assert (data / "env-before" / "hdri" / "studio.hdr").read_text() == "mine"


def test_a_linked_environment_is_made_anew_and_the_link_not_followed(data, recipe, tmp_path, index):
    pretend(data, recipe)
    (data / "env").rename(tmp_path / "big")
    (data / "env").symlink_to(tmp_path / "big")
    assert make(data, recipe).kind is Kind.READY
    assert not (data / "env").is_symlink() and not (data / "env-before").exists()
    assert (tmp_path / "big" / STAMP).exists()


def begun(data: Path) -> None:
    (data / "env").mkdir()
    (data / "env" / MARK).touch()


@pytest.mark.parametrize("leave", [lambda data: None, begun])
def test_what_a_killed_repair_has_put_aside_comes_back(data, recipe, leave):
    pretend(data, recipe)
    (data / "env").rename(data / "env-before")
    leave(data)
    state = examine(data, recipe)
    assert state.kind is Kind.BROKEN
    assert "A Repair was interrupted, and what it was to replace is kept" in state.words
    with place.lock(data):
        place.put_back(data)
        assert examine(data, recipe).kind is Kind.INSTALLING
    place.put_back(data)
    assert examine(data, recipe).kind is Kind.READY
    assert not (data / "env-before").exists()


def test_a_repair_after_a_killed_one_keeps_what_works(data, recipe, monkeypatch):
    pretend(data, recipe)
    (data / "env").rename(data / "env-before")
    begun(data)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(SetupError, match="cannot be reached"):
        make(data, recipe)
    assert examine(data, recipe).kind is Kind.READY
    assert sorted(path.name for path in data.iterdir()) == ["env", "logs", "setup.lock"]


@pytest.mark.parametrize("name", ["x" * 300, "file/data"])
def test_a_data_folder_that_cannot_be_one_is_a_state_with_a_sentence(tmp_path, name):
    (tmp_path / "file").touch()
    data = tmp_path / name
    state = place.examine(data)
    assert state.kind is Kind.BLOCKED and not state.usable
    assert re.search(
        r"The data folder '.*' cannot be used \(.+\); choose another Data", state.words
    )
    assert place.free_bytes(data) > 0
    assert not place.is_folder(data)


UNREADABLE = """
import os, sys
from pathlib import Path
from backend.setup import place, removal

os.setgid(65534), os.setuid(65534)
data = Path(sys.argv[1]) / "data"
print(place.examine(data).kind.value, place.free_bytes(data) > 0, removal.size(data))
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="root can be another")
def test_a_data_folder_that_may_not_be_read_is_a_state_too(tmp_path):
    closed = Path(tempfile.mkdtemp(prefix="closed-"))
    (closed / "data").mkdir()
    try:
        command = [sys.executable, "-B", "-c", UNREADABLE, str(closed)]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert ended.stdout == "blocked True 0\n", ended.stderr
    finally:
        shutil.rmtree(closed)


def test_cancel_does_not_wait_for_what_a_program_has_left_behind(tmp_path):
    progress = Progress()
    left = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    program = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {left!r}])"
    told = threading.Event()
    progress.line = lambda line: (numbers.append(int(line)), told.set())
    numbers: list[int] = []
    ended: list[Exception] = []

    def follow() -> None:
        try:
            run([sys.executable, "-c", program], Work(log=tmp_path / "log", progress=progress))
        except Cancelled as reason:
            ended.append(reason)

    thread = threading.Thread(target=follow)
    thread.start()
    assert told.wait(WAIT)
    progress.cancel()
    thread.join(WAIT / 10)
    assert ended
    wait_until(lambda: gone(numbers[0]))
