"""Workers and servers are killed, jobs cancelled, clients leave: nothing is lost or left behind."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from backend.bundle import pack
from backend.client import Backend
from backend.events import Event
from backend.generate import generate
from backend.rendezvous import read_server
from backend.take import verify_take
from tests.analytic import analytic_shot
from tests.backends import (
    PYTHON,
    ROOT,
    all_events,
    end_server,
    events_until,
    frame_files,
    gone,
    running_backend,
    worker_pid,
)
from tests.waiting import wait_until

FRAMES = 30


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a shot, its archive, and the take it gives when nothing goes wrong."""
    folder = tmp_path_factory.mktemp("kill")
    analytic_shot(folder / "shot", frames=FRAMES, size=(160, 96), step=0.01)
    pack(folder / "shot", folder / "shot.zip")
    generate(
        folder / "shot",
        model="projection",
        settings={},
        out=folder / "true",
        on_event=lambda event: None,
        should_stop=lambda: False,
    )
    return folder


@pytest.fixture(scope="module")
def shared(place: Path) -> Iterator[Backend]:
    """A backend for tests that leave the server alone; its data lie in `place`."""
    with running_backend(place / "data") as backend:
        yield backend


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Backend]:
    """A backend whose server may be killed."""
    with running_backend(tmp_path / "data") as backend:
        wait_until(lambda: backend.health()["state"] == "ready")
        yield backend


def submit(backend: Backend, place: Path) -> str:
    return backend.submit(place / "shot.zip", model="projection", settings={})


def is_frame(event: Event) -> bool:
    return event.kind == "frame"


def hold_at_first_frame(backend: Backend, job_id: str) -> int:
    """Stop the worker (as the system stops a process) once a frame is out; return its pid."""
    following = backend.follow(job_id)
    events_until(following, is_frame)
    pid = worker_pid(backend)
    os.kill(pid, signal.SIGSTOP)
    following.close()
    job = backend.job(job_id)
    assert job["state"] == "running", "the shot was done before it could be interrupted"
    assert 0 < job["frames_done"] < FRAMES
    return pid


def no_torn_files(take: Path) -> None:
    """Every picture under its own name is whole, whatever was killed while it was written."""
    from backend import media

    for path in [*take.glob("frames/[!.]*"), *take.glob("mask/[!.]*")]:
        assert media.read_still(path).pixels.shape == (96, 160, 3), path


def test_a_killed_worker_costs_no_frame(shared, place, tmp_path):
    job_id = submit(shared, place)
    folder = place / "data" / "store-1" / "jobs" / job_id / "take"
    pid = hold_at_first_frame(shared, job_id)
    no_torn_files(folder)
    before = {path: path.stat().st_mtime_ns for path in folder.glob("frames/[!.]*")}
    os.kill(pid, signal.SIGKILL)
    events = all_events(shared.follow(job_id))
    assert events[-1].kind == "done"
    assert sorted(event.index for event in events if is_frame(event)) == list(range(FRAMES))
    assert shared.job(job_id)["crashes"] == 1
    assert worker_pid(shared) != pid
    shared.download(job_id, tmp_path / "take")
    verify_take(tmp_path / "take")
    assert frame_files(tmp_path / "take") == frame_files(place / "true")
    # All but frames whose note was still being written when the worker was stopped were kept.
    kept = [path for path, time in before.items() if path.stat().st_mtime_ns == time]
    assert len(kept) >= len(before) - 2


def test_a_killed_server_costs_no_job(backend, place, tmp_path):
    data = tmp_path / "data"
    running, queued = submit(backend, place), submit(backend, place)
    worker = hold_at_first_frame(backend, running)
    server = read_server(data)
    os.kill(server.pid, signal.SIGKILL)
    os.kill(worker, signal.SIGCONT)
    wait_until(lambda: gone(worker))  # its stdin closed
    assert read_server(data) == server, "a killed server cannot tidy up"
    no_torn_files(data / "store-1" / "jobs" / running / "take")

    again = Backend.start_or_attach(PYTHON, ROOT, data)
    try:
        assert read_server(data).token != server.token
        for job_id in (running, queued):
            assert all_events(again.follow(job_id))[-1].kind == "done"
            again.download(job_id, tmp_path / job_id)
            assert frame_files(tmp_path / job_id) == frame_files(place / "true")
        assert again.job(running)["attempts"] == 2
        assert again.job(running)["crashes"] == 0
    finally:
        again.close()


def test_who_follows_a_job_is_attached_to_the_next_server(backend, place, tmp_path):
    job_id = submit(backend, place)
    following = backend.follow(job_id)
    events = events_until(following, is_frame)
    os.kill(read_server(tmp_path / "data").pid, signal.SIGKILL)
    events += all_events(following)
    assert events[-1].kind == "done"
    numbers = [event.seq for event in events]
    assert numbers == sorted(set(numbers)), "an event came twice or out of order"
    assert sorted(event.index for event in events if is_frame(event)) == list(range(FRAMES))
    assert backend.job(job_id)["state"] == "done"  # this client too has moved over


def test_a_shot_that_kills_every_worker_is_given_up_and_the_next_one_runs(shared, place):
    job_id = submit(shared, place)
    pids = set()
    for _ in range(3):
        wait_until(lambda: shared.health()["devices"][0]["state"] == "busy")
        wait_until(lambda: worker_pid(shared) not in {None, *pids})
        pids.add(worker_pid(shared))
        os.kill(worker_pid(shared), signal.SIGKILL)
        wait_until(lambda: worker_pid(shared) not in pids)
        if len(pids) < 3:
            wait_until(lambda: shared.job(job_id)["attempts"] == len(pids) + 1)
    last = all_events(shared.follow(job_id))[-1]
    assert last.kind == "failed"
    assert "died 3 times at this shot" in last.message
    job = shared.job(job_id)
    assert (job["state"], job["message"], job["attempts"]) == ("failed", last.message, 3)
    assert all_events(shared.follow(submit(shared, place)))[-1].kind == "done"


def test_cancelled_comes_before_the_last_frame_and_the_worker_stays(shared, place):
    job_id = submit(shared, place)
    pid = hold_at_first_frame(shared, job_id)
    shared.cancel(job_id)
    assert shared.job(job_id)["cancelling"]
    os.kill(pid, signal.SIGCONT)
    events = all_events(shared.follow(job_id))
    assert events[-1].kind == "cancelled"
    assert len([event for event in events if is_frame(event)]) < FRAMES
    take = place / "data" / "store-1" / "jobs" / job_id / "take"
    assert 0 < len(list(take.glob("frames/[!.]*"))) < FRAMES
    assert not (take / "take.json").exists()
    no_torn_files(take)
    assert worker_pid(shared) == pid, "a worker that obeys is kept warm"
    assert all_events(shared.follow(submit(shared, place)))[-1].kind == "done"


def test_a_worker_that_does_not_obey_is_killed(shared, place):
    job_id = submit(shared, place)
    pid = hold_at_first_frame(shared, job_id)
    shared.cancel(job_id)  # it cannot hear: it is stopped
    assert all_events(shared.follow(job_id))[-1].kind == "cancelled"
    wait_until(lambda: gone(pid))
    assert all_events(shared.follow(submit(shared, place)))[-1].kind == "done"


def test_a_queued_job_is_cancelled_without_having_begun(shared, place):
    first, second = submit(shared, place), submit(shared, place)
    pid = hold_at_first_frame(shared, first)
    shared.cancel(second)
    assert [event.kind for event in all_events(shared.follow(second))] == ["cancelled"]
    os.kill(pid, signal.SIGCONT)
    assert all_events(shared.follow(first))[-1].kind == "done"
    assert shared.job(second)["attempts"] == 0
    shared.cancel(first)  # too late, and without effect
    assert shared.job(first)["state"] == "done"


def test_cancelled_while_its_worker_dies_it_is_not_begun_again(shared, place):
    job_id = submit(shared, place)
    pid = hold_at_first_frame(shared, job_id)
    shared.cancel(job_id)
    os.kill(pid, signal.SIGKILL)
    assert all_events(shared.follow(job_id))[-1].kind == "cancelled"
    assert shared.job(job_id)["attempts"] == 1


def test_two_clients_share_one_server(shared, place):
    other = Backend.start_or_attach(PYTHON, ROOT, place / "data")
    try:
        assert other.health()["clients"] == 2
        jobs = [submit(shared, place), submit(other, place)]
        seen = [all_events(client.follow(jobs[1])) for client in (shared, other)]
        # The same story for both, but for progress: only the latest of it is kept.
        told = [[event for event in events if event.kind != "progress"] for events in seen]
        assert told[0] == told[1]
        assert told[0][-1].kind == "done"
        assert [job["id"] for job in shared.jobs()][-2:] == jobs
    finally:
        other.close()
    assert shared.health()["clients"] == 1


def test_the_server_ends_after_its_jobs_when_the_last_client_has_left(backend, place, tmp_path):
    data = tmp_path / "data"
    server = read_server(data)
    job_id = submit(backend, place)
    worker = hold_at_first_frame(backend, job_id)
    backend.close()
    os.kill(worker, signal.SIGCONT)
    wait_until(lambda: gone(server.pid))
    wait_until(lambda: gone(worker))
    assert read_server(data) is None
    take = data / "store-1" / "jobs" / job_id / "take"
    assert frame_files(take) == frame_files(place / "true")
    verify_take(take)


def test_a_client_that_was_killed_lets_the_lease_run_out(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    command = [str(PYTHON), "-m", "backend", "serve", "--data", str(data), "--lease", "1"]
    process = psutil.Popen(command, cwd=ROOT)
    try:
        wait_until(lambda: read_server(data) is not None)
        assert process.wait(60) == 0
    finally:
        end_server(data)
    assert read_server(data) is None


def test_a_server_that_is_asked_to_end_queues_its_job_again(backend, place, tmp_path):
    data = tmp_path / "data"
    job_id = submit(backend, place)
    worker = hold_at_first_frame(backend, job_id)
    end_server(data)
    wait_until(lambda: gone(worker))
    assert read_server(data) is None
    backend.reattach()
    assert all_events(backend.follow(job_id))[-1].kind == "done"
    assert backend.job(job_id)["attempts"] == 2
    take = data / "store-1" / "jobs" / job_id / "take"
    assert frame_files(take) == frame_files(place / "true")


def test_a_worker_that_dies_idle_is_replaced(shared):
    pid = worker_pid(shared)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: shared.health()["state"] == "ready" and worker_pid(shared) != pid)
