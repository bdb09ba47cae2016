"""Who is attached to the server. When the last lease has run out, the server ends after its jobs.

A lease is counted in ticks of the server's own loop and not by the clock: a computer that slept
for the night has not run out any lease.
"""

from __future__ import annotations

import threading

TICK_SECONDS = 0.5


_COUNTED_SECONDS = 30.0


class Leases:
    """Leases by client id. `seconds` None: the server stays until it is stopped by hand.

    Clients are counted all the same: one that went away without a word is forgotten.
    """

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self._lock = threading.Lock()
        # The one who started the server has as long to attach as a client has to renew.
        self._left: dict[str, float] = {} if seconds is None else {"": seconds}

    def renew(self, client: str) -> None:
        """Attach a client or renew its lease."""
        with self._lock:
            self._left.pop("", None)
            self._left[client] = self.seconds or _COUNTED_SECONDS

    def release(self, client: str) -> None:
        """Detach a client."""
        with self._lock:
            self._left.pop(client, None)

    def clients(self) -> int:
        """Return how many clients are attached."""
        with self._lock:
            return len(self._left.keys() - {""})

    def tick(self) -> bool:
        """Count one tick; return whether nobody is left who holds the server."""
        with self._lock:
            self._left = {
                client: left - TICK_SECONDS
                for client, left in self._left.items()
                if left > TICK_SECONDS
            }
            return self.seconds is not None and not self._left
