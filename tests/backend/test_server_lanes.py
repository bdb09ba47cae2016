"""Several devices share the work, and one that does not work holds nothing up."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backend.bundle import pack, unpack
from backend.jobs import JobStore
from backend.server.feed import Feed
from backend.server.lanes import Lanes
from backend.server.leases import TICK_SECONDS, Leases
from tests.backends import gone
from tests.waiting import wait_until


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    store = JobStore(tmp_path / "store")
    yield store
    store.close()


@pytest.fixture
def lanes(store: JobStore) -> Iterator[Lanes]:
    lanes = Lanes(store=store, feed=Feed())
    yield lanes
    lanes.stop()


@pytest.fixture
def queue(store: JobStore, make_shot: Callable[..., Path], tmp_path: Path) -> Callable[[], str]:
    """Return a function that queues a job."""
    pack(make_shot(), tmp_path / "shot.zip")

    def add() -> str:
        job_id, folder = store.new_folder()
        shot = unpack(tmp_path / "shot.zip", folder / "shot")
        store.add(
            job_id,
            name=shot.name,
            model="projection",
            settings={},
            seed=0,
            frames=shot.frames,
            frame_start=shot.frame_start,
        )
        return job_id

    return add


def states(lanes: Lanes) -> list[str]:
    return [status.state for status in lanes.status()]


def test_a_broken_device_takes_no_job_from_one_that_works(lanes, store, queue):
    lanes._add("cuda:99")
    wait_until(lambda: states(lanes) == ["failed"])
    assert "no device 'cuda:99'" in lanes.status()[0].why
    lanes._add("cpu")
    jobs = [queue() for _ in range(4)]
    lanes.wake()
    wait_until(lambda: store.open_jobs() == 0)
    assert {store.job(job).state for job in jobs} == {"done"}
    wait_until(lambda: states(lanes) == ["failed", "ready"])


def test_where_no_device_works_a_job_is_told_why(lanes, store, queue):
    lanes._add("cuda:99")
    wait_until(lambda: states(lanes) == ["failed"])
    job = queue()
    lanes.wake()
    wait_until(lambda: store.open_jobs() == 0)
    assert store.job(job).state == "failed"
    assert "no device 'cuda:99'" in store.job(job).message
    assert "install the backend again" in store.job(job).message


def test_two_workers_share_the_jobs(lanes, store, queue):
    lanes._add("cpu")
    lanes._add("cpu")
    wait_until(lambda: states(lanes) == ["ready", "ready"])
    assert len({status.pid for status in lanes.status()}) == 2
    jobs = [queue() for _ in range(6)]
    lanes.wake()
    wait_until(lambda: store.open_jobs() == 0)
    assert [(store.job(job).state, store.job(job).attempts) for job in jobs] == [("done", 1)] * 6


def test_a_worker_that_hangs_is_replaced_and_its_job_done(lanes, store, queue, monkeypatch):
    monkeypatch.setattr("backend.server.lane._SLICE_SECONDS", 0.5)
    lanes._add("cpu")
    wait_until(lambda: states(lanes) == ["ready"])
    pid = lanes.status()[0].pid
    os.kill(pid, signal.SIGSTOP)  # it says nothing any more, and does not end either
    job = queue()
    lanes.wake()
    wait_until(lambda: store.open_jobs() == 0)
    assert gone(pid)
    assert (store.job(job).state, store.job(job).crashes) == ("done", 1)


def test_after_the_stop_nothing_begins(lanes, store, queue):
    lanes.start()
    job = queue()
    lanes.stop()
    assert store.job(job).state == "queued"
    lanes.start()
    assert len(lanes.status()) == 1


def ticks(leases: Leases, seconds: float) -> list[bool]:
    return [leases.tick() for _ in range(int(seconds / TICK_SECONDS))]


def test_a_lease_holds_until_it_runs_out():
    leases = Leases(2.0)
    leases.renew("a")
    assert ticks(leases, 2.0) == [False, False, False, True]
    leases.renew("a")
    assert ticks(leases, 1.0) == [False, False]
    leases.renew("a")
    assert ticks(leases, 2.0) == [False, False, False, True]


def test_the_last_lease_decides():
    leases = Leases(2.0)
    leases.renew("a")
    ticks(leases, 1.0)
    leases.renew("b")
    assert leases.clients() == 2
    ticks(leases, 1.0)
    assert leases.clients() == 1
    leases.release("b")
    assert leases.clients() == 0
    assert leases.tick()


def test_who_started_the_server_has_one_lease_to_attach():
    leases = Leases(1.0)
    assert ticks(leases, 1.0) == [False, True]
    leases = Leases(1.0)
    leases.renew("a")
    leases.release("a")
    assert leases.tick()


def test_a_server_started_by_hand_stays():
    leases = Leases(None)
    leases.renew("a")
    leases.release("a")
    assert ticks(leases, 100.0) == [False] * 200
