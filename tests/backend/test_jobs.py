"""The table of jobs: states, order, and what is left after a crash."""

import contextlib
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from backend.errors import StorageError
from backend.events import Event
from backend.jobs import KEEP_DAYS, MAX_CRASHES, JobStore


@pytest.fixture
def store(tmp_path: Path):
    store = JobStore(tmp_path)
    yield store
    store.close()


def add(store: JobStore, name: str = "shot") -> str:
    job_id, folder = store.new_folder()
    (folder / "shot").mkdir()
    store.add(
        job_id,
        name=name,
        model="projection",
        settings={"fill": False},
        seed=7,
        frames=3,
        frame_start=-2,
    )
    return job_id


def kinds(store: JobStore, job_id: str, after: int = 0) -> list[str]:
    return [event.kind for event in store.events(job_id, after=after)]


def test_a_job_is_stored_as_it_was_asked_for(store):
    job = store.job(add(store, "Anna's shot"))
    assert (job.name, job.model, job.settings, job.seed) == (
        "Anna's shot",
        "projection",
        {"fill": False},
        7,
    )
    assert (job.frames, job.frame_start, job.state, job.attempts) == (3, -2, "queued", 0)


def test_jobs_are_claimed_in_order_each_once(store):
    ids = [add(store) for _ in range(30)]
    claimed: list[str] = []

    def claim() -> None:
        while (job := store.claim()) is not None:
            claimed.append(job.id)

    threads = [threading.Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(ids)
    assert store.claim() is None
    assert {job.state for job in store.jobs()} == {"running"}


def test_one_claimer_gets_the_oldest_first(store):
    ids = [add(store) for _ in range(3)]
    assert [store.claim().id for _ in range(3)] == ids


def test_a_new_owner_queues_again_what_was_running(tmp_path):
    first = JobStore(tmp_path)
    job_id = add(first)
    first.claim()
    first.record(job_id, Event("frame", index=0))
    second = JobStore(tmp_path)  # the first one was killed: it never closed
    second.recover()
    assert second.job(job_id).state == "queued"
    assert second.job(job_id).frames_done == 1
    assert second.claim().attempts == 2
    first.close()
    second.close()


def test_a_new_owner_ends_what_was_to_be_cancelled(tmp_path):
    first = JobStore(tmp_path)
    job_id = add(first)
    first.claim()
    assert first.cancel(job_id)
    first.close()
    second = JobStore(tmp_path)
    second.recover()
    assert second.job(job_id).state == "cancelled"
    assert kinds(second, job_id) == ["cancelled"]
    second.close()


def test_a_new_owner_removes_folders_without_a_job_and_jobs_of_long_ago(tmp_path):
    first = JobStore(tmp_path)
    kept, old, waiting = add(first), add(first), add(first)
    _, orphan = first.new_folder()
    for job_id in (kept, old):
        first.claim()
        first.end(job_id, Event("done"))
    first.close()
    with sqlite3.connect(tmp_path / "jobs.sqlite") as database:
        long_ago = time.time() - (KEEP_DAYS + 1) * 86_400
        database.execute("UPDATE jobs SET finished = ? WHERE id = ?", (long_ago, old))
        database.execute("UPDATE jobs SET created = ?", (long_ago,))
    database.close()
    second = JobStore(tmp_path)
    second.recover()
    assert [job.id for job in second.jobs()] == [kept, waiting]
    assert sorted(path.name for path in (tmp_path / "jobs").iterdir()) == sorted([kept, waiting])
    assert not orphan.exists()
    second.close()


def test_a_job_that_kills_its_workers_is_given_up(store):
    job_id = add(store)
    states = []
    for _ in range(MAX_CRASHES):
        store.claim()
        states.append(store.crashed(job_id))
    assert states == ["queued"] * (MAX_CRASHES - 1) + ["failed"]


def test_a_cancelled_job_is_not_queued_again_when_its_worker_dies(store):
    job_id = add(store)
    store.claim()
    assert store.cancel(job_id)
    assert store.crashed(job_id) == "cancelled"


def test_cancelling_a_queued_job_ends_it_and_one_that_is_over_stays_as_it_is(store):
    job_id = add(store)
    assert not store.cancel(job_id)
    assert store.job(job_id).state == "cancelled"
    assert store.claim() is None
    done = add(store)
    store.claim()
    store.end(done, Event("done"))
    assert not store.cancel(done)
    assert store.job(done).state == "done"


def test_a_job_ends_once(store):
    job_id = add(store)
    store.claim()
    store.end(job_id, Event("failed", message="Too dark."))
    store.end(job_id, Event("done"))
    assert (store.job(job_id).state, store.job(job_id).message) == ("failed", "Too dark.")
    assert kinds(store, job_id) == ["failed"]


def test_events_come_in_order_and_after_any_of_them(store):
    job_id = add(store)
    for index in range(3):
        store.record(job_id, Event("frame", index=index))
    store.record(job_id, Event("warning", message="Dark."))
    store.end(job_id, Event("done"))
    events = store.events(job_id, after=0)
    assert [event.seq for event in events] == [1, 2, 3, 4, 5]
    assert [event.kind for event in events] == ["frame", "frame", "frame", "warning", "done"]
    assert events[3].message == "Dark."
    for position, event in enumerate(events):
        assert store.events(job_id, after=event.seq) == events[position + 1 :]


def test_only_the_latest_progress_is_kept_and_its_number_rises(store):
    job_id = add(store)
    for done in range(50):
        store.record(job_id, Event("progress", phase="projecting", done=done, total=50))
    events = store.events(job_id, after=0)
    assert [(event.seq, event.done) for event in events] == [(50, 49)]


def test_a_frame_of_an_earlier_attempt_is_said_once(store):
    job_id = add(store)
    for index in (0, 1, 0, 1, 2):
        store.record(job_id, Event("frame", index=index))
    assert [event.index for event in store.events(job_id, after=0)] == [0, 1, 2]
    assert store.job(job_id).frames_done == 3


def test_only_what_is_over_can_be_deleted(store):
    job_id = add(store)
    assert not store.delete(job_id)
    store.claim()
    assert not store.delete(job_id)
    assert store.job_folder(job_id).is_dir()
    store.end(job_id, Event("done"))
    assert store.delete(job_id)
    assert store.job(job_id) is None
    assert not store.job_folder(job_id).exists()
    assert store.events(job_id, after=0) == []


def test_ids_are_opaque(store):
    ids = {add(store) for _ in range(50)}
    assert len(ids) == 50
    assert all(len(job_id) == 16 for job_id in ids)


def test_readers_do_not_block_the_writer(store, tmp_path):
    reader = sqlite3.connect(tmp_path / "jobs.sqlite")
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM jobs").fetchone() == (0,)
    add(store)  # without WAL this waits for the reader and fails
    reader.close()


def test_a_full_disk_is_said_and_the_table_stays_usable(store, tmp_path):
    job_id = add(store)
    store.claim()
    database = store._database
    database.execute("PRAGMA cache_size = 1")
    pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageError, match=r"cannot be used .*full.*free some space"):
        for index in range(10_000):
            store.record(job_id, Event("frame", index=index))
    before = len(store.events(job_id, after=0))
    database.execute("PRAGMA max_page_count = 1000000")
    store.end(job_id, Event("done"))
    assert len(store.events(job_id, after=0)) == before + 1


def test_a_damaged_table_is_said(tmp_path):
    (tmp_path / "jobs.sqlite").write_bytes(b"this is no database, and never was one" * 100)
    with pytest.raises(StorageError, match="job table"):
        JobStore(tmp_path)


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="job table"):
        JobStore(tmp_path / "file" / "store")


def test_a_table_of_a_newer_version_is_left_as_it_is(tmp_path):
    JobStore(tmp_path).close()
    with contextlib.closing(sqlite3.connect(tmp_path / "jobs.sqlite")) as database:
        database.execute("PRAGMA user_version = 99")
    before = (tmp_path / "jobs.sqlite").read_bytes()
    with pytest.raises(StorageError, match="made by a newer version of Depthshot"):
        JobStore(tmp_path)
    assert (tmp_path / "jobs.sqlite").read_bytes() == before


@pytest.mark.parametrize("there", [0, 4096])
def test_a_damaged_table_is_named_and_nothing_is_tidied_away(tmp_path, there):
    store = JobStore(tmp_path)
    add(store)
    store.close()
    table = tmp_path / "jobs.sqlite"
    damaged = table.read_bytes()[:there] + b"no database" * 2000
    table.write_bytes(damaged)
    with pytest.raises(StorageError, match=r"jobs\.sqlite' is damaged \(.*\); rename the folder"):
        opened = JobStore(tmp_path)
        try:
            opened.recover()
        finally:
            opened.close()
    assert table.read_bytes() == damaged
    assert len(list((tmp_path / "jobs").iterdir())) == 1
