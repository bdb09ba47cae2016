"""The pool of examples: drawn from while it is filled, whatever happens to those who fill it."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from multiprocessing import resource_tracker
from pathlib import Path

import numpy as np
import pytest

from backend.errors import SettingError, StorageError
from backend.training.pool import Pool
from backend.training.ring import make_ring, open_ring
from backend.training.scenes import make_examples
from backend.training.workers import WorkerLost, Workers, _epitaph

pytestmark = pytest.mark.usefixtures("one_thread")

SIZE = 64
ROOT = Path(__file__).parents[2]


def opened(folder, **changes):
    return Pool.start(folder, **{"examples": 6, "size": SIZE, "processes": 1, "seed": 5} | changes)


def kill(running):
    """End a pool's only process as the system does when memory runs out; return its id."""
    process = running._workers._processes[0]
    process.kill()
    process.join()
    return process.pid


def test_a_pool_is_drawn_from_while_it_is_refreshed_and_used_on_by_the_next(tmp_path):
    random = np.random.default_rng(0)
    with opened(tmp_path) as running:
        running.wait(6)
        first = running.draw(random)
        assert first.truth.shape == (3, SIZE, SIZE)
        expected = {example.truth.tobytes() for scene in range(5, 9)
                    for example in make_examples(scene, size=SIZE)}  # fmt: skip
        assert first.truth.tobytes() in expected
        while running.made < 9:
            running.draw(random)
            time.sleep(0.02)
        with pytest.raises(ValueError, match="room for 6"):
            running.wait(7)
        made = running.made
        with pytest.raises(StorageError, match="in use"):
            opened(tmp_path)
    with opened(tmp_path) as again:
        assert again.count == 6
        assert again.made >= made
        again.draw(random)
    with opened(tmp_path, examples=4) as other:
        assert other.count == 0


def test_a_row_that_is_being_written_is_not_drawn_and_is_written_again(tmp_path):
    first, second = make_examples(40, size=SIZE)[:2]
    make_ring(tmp_path, examples=2, size=SIZE)
    ring = open_ring(tmp_path)
    ring.put(1, first)
    np.testing.assert_array_equal(ring.get(1).truth, first.truth)
    assert ring.whole().tolist() == [1]
    ring.stamps[1] += 1  # as a process that is killed leaves it
    assert ring.get(1) is None
    assert len(ring.whole()) == 0
    ring.put(1, second)
    again = open_ring(tmp_path)
    np.testing.assert_array_equal(again.get(1).filled, second.filled)
    assert again.whole().tolist() == [1]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("layout.json", lambda whole: b""),
        ("layout.json", lambda whole: whole[:9]),
        ("truth.npy", lambda whole: None),
        ("truth.npy", lambda whole: b""),
        ("truth.npy", lambda whole: whole[:-100]),
        ("stamps.npy", lambda whole: whole + b"more"),
        ("inverse.npy", lambda whole: whole.replace(b"<f4", b"<i4")),
    ],
)
def test_a_ring_that_is_not_whole_is_made_anew(tmp_path, name, content):
    make_ring(tmp_path, examples=2, size=SIZE)
    files = {file.name: file.stat().st_size for file in tmp_path.iterdir()}
    open_ring(tmp_path).put(1, make_examples(40, size=SIZE)[0])
    make_ring(tmp_path, examples=2, size=SIZE)
    assert open_ring(tmp_path).whole().tolist() == [1]
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).unlink()
    if content(whole) is not None:
        (tmp_path / name).write_bytes(content(whole))
    make_ring(tmp_path, examples=2, size=SIZE)
    assert len(open_ring(tmp_path).whole()) == 0
    assert {file.name: file.stat().st_size for file in tmp_path.iterdir()} == files


def test_a_process_that_is_killed_is_started_again_and_goes_on(tmp_path, caplog):
    random = np.random.default_rng(0)
    with opened(tmp_path) as running:
        running.wait(1)
        lost = kill(running)
        made = running.made
        while running.made < made + 6:
            running.draw(random)
            time.sleep(0.02)
        assert running._workers._processes[0].pid != lost
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(said) == 1
    assert said[0].startswith("The process scenes-0, which renders examples, was ended by signal")
    assert said[0].endswith("; it is started again")


def test_a_process_that_never_makes_anything_is_given_up(tmp_path):
    random = np.random.default_rng(0)
    with opened(tmp_path) as running:
        running.wait(1)
        kept = running.made
        with pytest.raises(WorkerLost, match=r"signal .* 3 times in a row before it had made a s"):
            for _ in range(8):
                kill(running)
                running.draw(random)
        with pytest.raises(WorkerLost):  # and stays so
            running.draw(random)
        assert multiprocessing.active_children() == []
        assert running.made <= kept + 8


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("SIGKILL", ", as the system does when memory runs out"),
        ("SIGBUS", ", as the system does when the disk of the examples is full or fails"),
        ("SIGTERM", ""),
    ],
)
def test_only_what_the_system_does_is_laid_at_its_door(name, cause):
    number = getattr(signal, name)
    process = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(600,))
    process.start()
    os.kill(process.pid, number)
    process.join()
    assert _epitaph(process).endswith(
        f"by signal {int(number)} ({signal.strsignal(number)}){cause}"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")
def test_processes_are_ended_where_not_all_can_be_started(tmp_path):
    import resource

    make_ring(tmp_path, examples=64, size=16)
    ring = open_ring(tmp_path)
    resource_tracker.ensure_running()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = [os.open(os.devnull, os.O_RDONLY) for _ in range(18)]  # enough for one and no dozen
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(free) + 1, limits[1]))
    for descriptor in free:
        os.close(descriptor)
    try:
        with pytest.raises(StorageError, match=r"scenes-[1-9]\d*, .* cannot be started \(Too many"):
            Workers(ring, tmp_path, count=64, size=16, seed=0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert multiprocessing.active_children() == []


FILLER = """
import sys
from pathlib import Path
from backend.training.pool import Pool

if __name__ == "__main__":
    pool = Pool.start(Path(sys.argv[1]), examples=6, size=64, processes=1, seed=5)
    pool.wait(6)
    print(pool._workers._processes[0].pid, flush=True)
    while True:
        pool.wait(6)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_processes_end_without_another_example_when_their_trainer_is_killed(tmp_path):
    script = tmp_path / "filler.py"
    script.write_text(FILLER)
    command = [sys.executable, str(script), str(tmp_path / "pool")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)}
    ) as filler:
        worker = int(filler.stdout.readline())
        os.kill(worker, signal.SIGSTOP)  # so that it is killed while a scene is being made
        filler.kill()
        filler.wait()
        before = open_ring(tmp_path / "pool").stamps.copy()
        os.kill(worker, signal.SIGCONT)
        while runs(worker):
            time.sleep(0.02)
    after = open_ring(tmp_path / "pool").stamps
    # One example may have been half written.
    assert (after != before).sum() <= 1


def runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"processes": 7}, "7 processes cannot fill a pool of 6 examples; give 1 to 6."),
        ({"processes": 0}, "0 processes cannot fill a pool of 6 examples; give 1 to 6."),
        (
            {"processes": 5000, "examples": 6000},
            "5000 processes cannot fill a pool of 6000 examples; give 1 to 256.",
        ),
        ({"examples": 0}, "A pool cannot hold 0 examples; give 1 or more."),
        ({"size": 8}, "An example cannot have 8 pixels a side; give 16 or more."),
    ],
)
def test_a_pool_that_cannot_be_is_refused_before_anything_is_made(tmp_path, changes, said):
    with pytest.raises(SettingError) as refused:
        opened(tmp_path / "pool", **changes)
    assert str(refused.value) == said
    assert not (tmp_path / "pool").exists()


def test_a_pool_in_a_place_that_is_no_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot hold the examples"):
        opened(tmp_path / "file" / "pool")
