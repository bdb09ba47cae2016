"""The backend that this Blender is attached to, kept for a while between generations.

A backend ends when nobody is attached: without this, the next take would have to wait for its start
and for its model again. Nothing here touches bpy; `take` blocks and belongs into a thread.
"""

from __future__ import annotations

import dataclasses
import threading
from dataclasses import dataclass

from ..backend.client import Backend, Local, Remote
from ..backend.connection import Connection
from ..backend.errors import BackendError, BackendLost
from ..backend.rendezvous import ServerInfo, read_server
from ..preferences import Preferences
from .backend_place import place_of

# How long a loaded model may hold its memory while the artist looks at a take.
IDLE_SECONDS = 180.0
_CLOSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Kept:
    """The server that is held because somebody asked for it, and what holds it."""

    place: Local
    server: ServerInfo | None
    backend: Backend


class Attachment:
    """At most one attached backend, counted by its users, and at most one that is kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._backend: Backend | None = None
        self._place: Local | Remote | None = None
        self._users = 0
        self._timer: threading.Timer | None = None
        self._kept: _Kept | None = None

    def keep(self, preferences: Preferences) -> None:
        """Start the backend of this machine, or attach to it, and hold it until it is let go.

        One that was held elsewhere is let go. Raises as `take`.
        """
        place = place_of(dataclasses.replace(preferences, elsewhere=None))
        backend = Backend(place)
        with self._lock:
            self._let_go()
            self._kept = _Kept(place, read_server(place.data_dir), backend)

    def keeps(self, preferences: Preferences) -> bool:
        """Return whether the server that runs there now is held by `keep`; never waits."""
        kept = self._kept
        if kept is None or kept.server is None:
            return False
        place = place_of(dataclasses.replace(preferences, elsewhere=None))
        return kept.place == place and kept.server == read_server(place.data_dir)

    def forget_gone(self) -> None:
        """Let go of a kept server that does not answer any more; blocks."""
        kept = self._kept
        if kept is None:
            return
        gone = kept.server is None
        if not gone:
            try:
                gone = Connection(kept.server).hello()["pid"] != kept.server.pid
            except BackendError:
                gone = True
        if gone:
            with self._lock:
                if self._kept is kept:
                    self._let_go()

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
                self._let_go()
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

    def _let_go(self) -> None:
        if self._kept is not None:
            self._kept.backend.close()
            self._kept = None

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


attachment = Attachment()
