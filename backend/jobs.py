"""The durable table of jobs: what was asked, how far it is, and everything that was said.

SQLite in WAL mode under the user's data folder, written by the server alone. A job is

    queued -> running -> done | failed | cancelled

and goes back from running to queued when its worker or the server dies; the frames on disk are
kept. Files of a job lie in `jobs/<id>/shot` and `jobs/<id>/take`.
"""

from __future__ import annotations

import json
import logging
import secrets
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .events import Event

log = logging.getLogger(__name__)

MAX_CRASHES = 3
_VERSION = 1
_SCHEMA = """
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    model TEXT NOT NULL,
    settings TEXT NOT NULL,
    seed INTEGER NOT NULL,
    frames INTEGER NOT NULL,
    frame_start INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'queued',
    message TEXT NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,
    created REAL NOT NULL,
    started REAL,
    heartbeat REAL,
    finished REAL,
    last_seq INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX by_state ON jobs(state, number);
CREATE TABLE events (
    job INTEGER NOT NULL REFERENCES jobs(number) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    frame INTEGER,
    body TEXT NOT NULL,
    PRIMARY KEY (job, seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX a_frame_once ON events(job, frame) WHERE frame IS NOT NULL;
"""
_COLUMNS = (
    "id, name, model, settings, seed, frames, frame_start, state, message, attempts, crashes,"
    " created, started, heartbeat, finished,"
    " (SELECT count(frame) FROM events WHERE job = jobs.number) AS frames_done"
)


@dataclass(frozen=True, slots=True)
class Job:
    """One row of the table. Times are seconds since 1970; `frames_done` counts finished frames."""

    id: str
    name: str
    model: str
    settings: dict[str, bool | int | float | str]
    seed: int
    frames: int
    frame_start: int
    state: str
    message: str
    attempts: int
    crashes: int
    created: float
    started: float | None
    heartbeat: float | None
    finished: float | None
    frames_done: int

    @property
    def over(self) -> bool:
        """Whether it will not run again."""
        return self.state in ("done", "failed", "cancelled")


class JobStore:
    """The table and the folders. One process owns it; its threads may share it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "jobs").mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._database = sqlite3.connect(
            folder / "jobs.sqlite", isolation_level=None, check_same_thread=False
        )
        self._database.row_factory = sqlite3.Row
        self._database.execute("PRAGMA journal_mode = WAL")
        # FULL: a submitted job survives a power cut too; there are a few writes a second.
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute("PRAGMA foreign_keys = ON")
        if self._database.execute("PRAGMA user_version").fetchone()[0] < _VERSION:
            self._database.executescript(
                f"BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;"
            )

    def close(self) -> None:
        """Close the database; the store is not usable afterwards."""
        with self._lock:
            self._database.close()

    def recover(self) -> None:
        """Queue again what was running when the last owner ended, and remove orphaned folders."""
        with self._transaction() as database:
            database.execute("UPDATE jobs SET state = 'queued' WHERE state = 'running'")
            known = {row["id"] for row in database.execute("SELECT id FROM jobs")}
        for folder in (self.folder / "jobs").iterdir():
            if folder.name not in known:
                log.info("removing %s, which belongs to no job", folder)
                shutil.rmtree(folder, ignore_errors=True)

    def new_folder(self) -> tuple[str, Path]:
        """Return a fresh opaque id and its folder; without `add` the next start removes it."""
        job_id = secrets.token_urlsafe(12)
        folder = self.job_folder(job_id)
        folder.mkdir()
        return job_id, folder

    def job_folder(self, job_id: str) -> Path:
        """Return where the files of a job lie."""
        return self.folder / "jobs" / job_id

    def add(
        self,
        job_id: str,
        *,
        name: str,
        model: str,
        settings: Mapping[str, object],
        seed: int,
        frames: int,
        frame_start: int,
    ) -> Job:
        """Queue a job whose shot lies in its folder."""
        values = (job_id, name, model, json.dumps(dict(settings)), seed, frames, frame_start)
        with self._transaction() as database:
            database.execute(
                "INSERT INTO jobs (id, name, model, settings, seed, frames, frame_start, created)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*values, time.time()),
            )
            return self._row(job_id)

    def job(self, job_id: str) -> Job | None:
        """Return one job, None if there is no such job."""
        with self._lock:
            rows = self._select("WHERE id = ?", job_id)
        return rows[0] if rows else None

    def jobs(self) -> list[Job]:
        """Return all jobs, oldest first."""
        with self._lock:
            return self._select("ORDER BY number")

    def open_jobs(self) -> int:
        """Return how many jobs are queued or running."""
        with self._lock:
            query = "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')"
            return self._database.execute(query).fetchone()[0]

    def claim(self) -> Job | None:
        """Take the oldest queued job for a worker; None if there is none."""
        with self._transaction() as database:
            row = database.execute(
                "SELECT id FROM jobs WHERE state = 'queued' ORDER BY number LIMIT 1"
            ).fetchone()
            if row is None:
                return None
            now = time.time()
            database.execute(
                "UPDATE jobs SET state = 'running', attempts = attempts + 1,"
                " started = coalesce(started, ?), heartbeat = ? WHERE id = ?",
                (now, now, row["id"]),
            )
            return self._row(row["id"])

    def beat(self, job_id: str) -> None:
        """Note that the worker of a running job is alive."""
        with self._transaction() as database:
            database.execute("UPDATE jobs SET heartbeat = ? WHERE id = ?", (time.time(), job_id))

    def record(self, job_id: str, event: Event) -> None:
        """Store an event that does not end the job.

        Only the latest progress event of a job is kept: that is all a client that comes back
        needs, and a long job stays small. A frame that an earlier attempt wrote counts once.
        """
        with self._transaction() as database:
            if event.kind == "progress":
                database.execute(
                    "DELETE FROM events WHERE kind = 'progress'"
                    " AND job = (SELECT number FROM jobs WHERE id = ?)",
                    (job_id,),
                )
            self._append(job_id, event)

    def end(self, job_id: str, event: Event) -> None:
        """Store the last event of a job and its state in one step; a job ends only once."""
        with self._transaction() as database:
            changed = database.execute(
                "UPDATE jobs SET state = ?, message = ?, finished = ?"
                " WHERE id = ? AND state IN ('queued', 'running')",
                (event.kind, event.message, time.time(), job_id),
            ).rowcount
            if changed:
                self._append(job_id, event)

    def crashed(self, job_id: str) -> bool:
        """Note that the worker of a job died; return whether it was queued again.

        After `MAX_CRASHES` the caller has to end the job: it is what kills the workers.
        """
        with self._transaction() as database:
            database.execute("UPDATE jobs SET crashes = crashes + 1 WHERE id = ?", (job_id,))
            return (
                database.execute(
                    "UPDATE jobs SET state = 'queued'"
                    " WHERE id = ? AND state = 'running' AND crashes < ?",
                    (job_id, MAX_CRASHES),
                ).rowcount
                > 0
            )

    def requeue(self, job_id: str) -> None:
        """Give a running job back untouched, because the server ends."""
        with self._transaction() as database:
            database.execute(
                "UPDATE jobs SET state = 'queued' WHERE id = ? AND state = 'running'", (job_id,)
            )

    def cancel_queued(self, job_id: str) -> bool:
        """Cancel a job that has not begun; False if it has."""
        with self._transaction() as database:
            row = database.execute(
                "SELECT 1 FROM jobs WHERE id = ? AND state = 'queued'", (job_id,)
            ).fetchone()
            if row is None:
                return False
            self.end(job_id, Event("cancelled"))
            return True

    def events(self, job_id: str, *, after: int) -> list[Event]:
        """Return the events of a job with a number above `after`, in order."""
        with self._lock:
            rows = self._database.execute(
                "SELECT seq, body FROM events WHERE seq > ?"
                " AND job = (SELECT number FROM jobs WHERE id = ?) ORDER BY seq",
                (after, job_id),
            ).fetchall()
        return [Event.from_json(json.loads(row["body"])).numbered(row["seq"]) for row in rows]

    def delete(self, job_id: str) -> bool:
        """Forget a job that is over, and its files; False if it is queued or running."""
        with self._transaction() as database:
            deleted = database.execute(
                "DELETE FROM jobs WHERE id = ? AND state NOT IN ('queued', 'running')", (job_id,)
            ).rowcount
        if deleted:
            # A file that cannot be removed now (open in a viewer) goes at the next start.
            shutil.rmtree(self.job_folder(job_id), ignore_errors=True)
        return bool(deleted)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._database.in_transaction:  # part of a larger step of this thread
                yield self._database
                return
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
            except BaseException:
                self._database.rollback()
                raise
            self._database.commit()

    def _append(self, job_id: str, event: Event) -> None:
        row = self._database.execute(
            "UPDATE jobs SET last_seq = last_seq + 1 WHERE id = ? RETURNING number, last_seq",
            (job_id,),
        ).fetchone()
        if row is not None:
            self._database.execute(
                "INSERT OR IGNORE INTO events (job, seq, kind, frame, body) VALUES (?, ?, ?, ?, ?)",
                (
                    row["number"],
                    row["last_seq"],
                    event.kind,
                    event.index,
                    json.dumps(event.to_json()),
                ),
            )

    def _row(self, job_id: str) -> Job:
        return self._select("WHERE id = ?", job_id)[0]

    def _select(self, clause: str, *values: object) -> list[Job]:
        rows = self._database.execute(f"SELECT {_COLUMNS} FROM jobs {clause}", values).fetchall()
        return [Job(**{**dict(row), "settings": json.loads(row["settings"])}) for row in rows]
