"""The table of jobs: its schema, and a row of it as the rest of the code sees it."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

VERSION = 2
SCHEMA = """
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
    cancelling INTEGER NOT NULL DEFAULT 0,
    last_seq INTEGER NOT NULL DEFAULT 0,
    format TEXT NOT NULL DEFAULT 'png8'
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
# What brings a table of an earlier version to the next one.
UPGRADES = {1: "ALTER TABLE jobs ADD COLUMN format TEXT NOT NULL DEFAULT 'png8';"}
COLUMNS = (
    "id, name, model, settings, seed, format, frames, frame_start, state, message, attempts,"
    " crashes, created, started, heartbeat, finished, cancelling,"
    " (SELECT count(frame) FROM events WHERE job = jobs.number) AS frames_done"
)


@dataclass(frozen=True, slots=True)
class Job:
    """One row of the table.

    Times are seconds since 1970. `attempts` counts how often it began, `crashes` how often that
    ended with the worker's death, `frames_done` frames that are whole on disk. `cancelling` says
    that it was asked to stop. `format` is what its frames are written as (`formats`).
    """

    id: str
    name: str
    model: str
    settings: dict[str, bool | int | float | str]
    seed: int
    format: str
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
    cancelling: bool
    frames_done: int

    @property
    def over(self) -> bool:
        """Whether it will not run again."""
        return self.state in ("done", "failed", "cancelled")


def read_row(row: sqlite3.Row) -> Job:
    """Return the job that a row of `COLUMNS` describes."""
    values = dict(row)
    values["settings"] = json.loads(values["settings"])
    values["cancelling"] = bool(values["cancelling"])
    return Job(**values)
