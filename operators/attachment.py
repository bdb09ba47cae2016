"""The backend that this Blender is attached to, kept for a while between generations.

A backend ends when nobody is attached: without this, the next take would have to wait for its start
and for its model again. Nothing here touches bpy; `take` blocks and belongs into a thread.
"""

from __future__ import annotations

import threading

from ..backend.client import Backend, Local, Remote
from ..backend.errors import BackendLost
from ..preferences import Preferences
from .backend_place import place_of

# How long a loaded model may hold its memory while the artist looks at a take.
IDLE_SECONDS = 180.0
_CLOSE_SECONDS = 1.0


class Attachment:
    """At most one attached backend, counted by its users."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._backend: Backend | None = None
        self._place: Local | Remote | None = None
        self._users = 0
        self._timer: threading.Timer | None = None

    def take(self, preferences: Preferences) -> Backend:
        """Return the backend, started or attached to if need be; give it back afterwards.

        Raises:
            BackendError: it cannot be started, or one elsewhere does not answer as it should.
            StorageError: the data folder cannot be written.
        """
        place = place_of(preferences)
        with self._lock:
            self._stop_timer()
            if self._backend is not None and self._place == place:
                try:
                    self._backend.health()
                except BackendLost:
                    self._backend.reattach()
            else:
                self._close()
                self._backend = Backend(place)
                self._place = place
            self._users += 1
            return self._backend

    def give_back(self) -> None:
        """Say that a taken backend is no longer used."""
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._timer = threading.Timer(IDLE_SECONDS, self._idle)
                self._timer.daemon = True
                self._timer.start()

    def close(self) -> None:
        """Detach now; waits at most a second for a start that is under way."""
        if self._lock.acquire(timeout=_CLOSE_SECONDS):
            try:
                self._stop_timer()
                self._close()
            finally:
                self._lock.release()

    def _idle(self) -> None:
        with self._lock:
            if self._users == 0:
                self._close()

    def _close(self) -> None:
        if self._backend is not None:
            self._backend.close()
            self._backend = None

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


attachment = Attachment()
