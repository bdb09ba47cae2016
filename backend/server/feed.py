"""Wakes the event streams of a job when the store has something new; any thread may say so."""

from __future__ import annotations

import asyncio
import threading


class Feed:
    """Follower wake-ups by job."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self.closed = False

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin; followers wait in `loop`."""
        self._loop = loop

    def close(self) -> None:
        """Wake everybody for the last time: the server ends."""
        self.closed = True
        with self._lock:
            for waiting in self._waiting.values():
                for event in waiting:
                    self._wake(event)

    def follow(self, job_id: str) -> asyncio.Event:
        """Return an event that is set whenever the job has something new."""
        event = asyncio.Event()
        with self._lock:
            self._waiting.setdefault(job_id, set()).add(event)
        return event

    def leave(self, job_id: str, event: asyncio.Event) -> None:
        """Stop following."""
        with self._lock:
            waiting = self._waiting[job_id]
            waiting.remove(event)
            if not waiting:
                del self._waiting[job_id]

    def notify(self, job_id: str) -> None:
        """Say that the store has something new about a job."""
        with self._lock:
            for event in self._waiting.get(job_id, ()):
                self._wake(event)

    def _wake(self, event: asyncio.Event) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(event.set)
