"""The durable table of jobs: what was asked, how far it is, and everything that was said.

SQLite in WAL mode under the user's data folder, written by the server alone. A job is

    queued -> running -> done | failed | cancelled

and goes back from running to queued when its worker or the server dies; the frames on disk are
kept. Files of a job lie in `jobs/<id>/shot` and `jobs/<id>/take`.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .errors import StorageError
from .events import Event
from .formats import PNG8
from .job_row import COLUMNS, SCHEMA, UPGRADES, VERSION, Job, read_row

log = logging.getLogger(__name__)

MAX_CRASHES = 3
KEEP_DAYS = 30
_TABLE = "jobs.sqlite"
_LONGEST_PATH = 480  # bytes; SQLite takes 512 with the name of the table in it


class JobStore:
    """The table and the folders. One process owns it; its threads may share it."""

    def __init__(self, folder: Path) -> None:
        """Open the table in `folder`, or make it.

        Raises:
            StorageError: the folder cannot be written, or the table is damaged or of a newer
                version; it stays as it is.
        """
        self.folder = folder
        self._lock = threading.RLock()
        try:
            (folder / "jobs").mkdir(parents=True, exist_ok=True)
            self._open(folder / _TABLE)
        except (OSError, sqlite3.DatabaseError) as reason:
            raise _storage(folder, reason) from reason

    def close(self) -> None:
        """Close the database; the store is not usable afterwards."""
        with self._lock:
            self._database.close()

    def recover(self) -> None:
        """Begin as the owner: queue again what was running when the last one ended, and tidy.

        Folders without a job go, and jobs that have been over for `KEEP_DAYS`.
        """
        with self._transaction() as database:
            for row in database.execute("SELECT id FROM jobs WHERE cancelling").fetchall():
                self.end(row["id"], Event("cancelled"))
            database.execute("UPDATE jobs SET state = 'queued' WHERE state = 'running'")
            # What nobody fetched or deleted for so long would fill the disk.
            database.execute(
                "DELETE FROM jobs WHERE finished < ? AND state IN ('done', 'failed', 'cancelled')",
                (time.time() - KEEP_DAYS * 86_400,),
            )
            known = {row["id"] for row in database.execute("SELECT id FROM jobs")}
        for folder in (self.folder / "jobs").iterdir():
            if folder.name not in known:
                log.info("removing %s, which belongs to no job", folder)
                shutil.rmtree(folder, ignore_errors=True)

    def new_folder(self, job_id: str = "") -> tuple[str, Path]:
        """Return an opaque id and its folder; without `add` the next start removes it.

        Args:
            job_id: An id that no job has, "" for a fresh one.

        Raises:
            StorageError: the folder cannot be made.
        """
        job_id = job_id or secrets.token_urlsafe(12)
        folder = self.job_folder(job_id)
        try:
            folder.mkdir()
        except OSError as reason:
            raise _storage(self.folder, reason) from reason
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
        format: str = PNG8,
    ) -> Job:
        """Queue a job whose shot lies in its folder."""
        asked = json.dumps(dict(settings))
        values = (job_id, name, model, asked, seed, format, frames, frame_start)
        with self._transaction() as database:
            database.execute(
                "INSERT INTO jobs (id, name, model, settings, seed, format, frames,"
                " frame_start, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
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

    def crashed(self, job_id: str) -> str:
        """Note that the worker of a job died; return the state that follows from it.

        "queued": it is queued again. "cancelled" (it was asked to stop) and "failed" (it has
        killed `MAX_CRASHES` workers): the caller has to `end` it with that.
        """
        with self._transaction() as database:
            row = database.execute(
                "UPDATE jobs SET crashes = crashes + 1 WHERE id = ? RETURNING crashes, cancelling",
                (job_id,),
            ).fetchone()
            if row["cancelling"]:
                return "cancelled"
            if row["crashes"] >= MAX_CRASHES:
                return "failed"
            database.execute("UPDATE jobs SET state = 'queued' WHERE id = ?", (job_id,))
            return "queued"

    def cancel(self, job_id: str) -> bool:
        """Note that a job is to stop; return whether it runs, so that its worker must be told.

        A queued job is over with this. Without effect on one that is over.
        """
        with self._transaction() as database:
            job = self.job(job_id)
            if job is None or job.over:
                return False
            if job.state == "queued":
                self.end(job_id, Event("cancelled"))
                return False
            database.execute("UPDATE jobs SET cancelling = 1 WHERE id = ?", (job_id,))
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

    def _open(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(path)
        except BaseException:
            self._database.close()
            raise

    def _prepare(self, path: Path) -> None:
        self._database.row_factory = sqlite3.Row
        there = self._database.execute("PRAGMA user_version").fetchone()[0]
        if there > VERSION:
            raise StorageError(
                f"The backend's job table '{path}' was made by a newer version of Depthshot (it is"
                f" {there}, this version knows {VERSION}); update Depthshot, or use the version"
                " that made it."
            )
        self._database.execute("PRAGMA journal_mode = WAL")
        # FULL: a submitted job survives a power cut too; there are a few writes a second.
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute("PRAGMA foreign_keys = ON")
        if there < VERSION:
            steps = SCHEMA if there == 0 else "".join(UPGRADES[n] for n in range(there, VERSION))
            self._database.executescript(f"BEGIN; {steps} PRAGMA user_version = {VERSION}; COMMIT;")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._database.in_transaction:  # part of a larger step of this thread
                yield self._database
                return
            try:
                self._database.execute("BEGIN IMMEDIATE")
                yield self._database
                self._database.commit()
            except BaseException as error:
                if self._database.in_transaction:
                    self._database.rollback()
                if isinstance(error, sqlite3.OperationalError) or _is_damage(error):
                    raise _storage(self.folder, error) from error
                raise

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
        rows = self._database.execute(f"SELECT {COLUMNS} FROM jobs {clause}", values).fetchall()
        return [read_row(row) for row in rows]


def _is_damage(reason: Exception) -> bool:
    """Return whether it says that the file is no database, or a broken one.

    sqlite3 has no class of its own for that; its subclasses mean a full disk, a lock, a mistake.
    """
    return type(reason) is sqlite3.DatabaseError


def _storage(folder: Path, reason: Exception) -> StorageError:
    if len(os.fsencode(folder)) > _LONGEST_PATH:
        return StorageError(
            f"The path of the backend's job table in '{folder}' is too long for a database; choose"
            " a data folder with a shorter one in the preferences."
        )
    if _is_damage(reason):
        # Not put aside by itself: without the table, the files of its jobs would be tidied away.
        return StorageError(
            f"The backend's job table '{folder / _TABLE}' is damaged ({reason}); rename the folder"
            f" '{folder}', in which the jobs' frames stay, so that a new one is made, or put the"
            " table back from a copy."
        )
    return StorageError(
        f"The backend's job table in '{folder}' cannot be used ({reason}); free some space, or"
        " choose another data folder in the preferences."
    )
