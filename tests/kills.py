"""Processes killed with signal 9 at drawn moments: how many, which draws, and the kill itself.

    DEPTHSHOT_KILLS=200 DEPTHSHOT_KILL_SEED=7 python3 dev.py test --only backend -k random_kill

The seed is part of every test's name, so that a run that fails names it. The same seed draws the
same victims and the same shares of a job's time; how far a machine has come by then is its own
affair.
"""

from __future__ import annotations

import os
import random
import secrets
import signal
import threading
import time
from collections.abc import Callable

KILLS_VARIABLE = "DEPTHSHOT_KILLS"
SEED_VARIABLE = "DEPTHSHOT_KILL_SEED"
_AT_WORK = 6  # CI sets more

SEED = int(os.environ.get(SEED_VARIABLE) or secrets.randbelow(10**6))
KILLS = int(os.environ.get(KILLS_VARIABLE) or _AT_WORK)


def name(number: int) -> str:
    """Return what a test calls one kill."""
    return f"seed {SEED}, kill {number}"


def draws(name: str, number: int) -> random.Random:
    """Return the random numbers of one kill of one suite."""
    return random.Random(f"{SEED} {name} {number}")


def kill(pid: int) -> bool:
    """Kill a process as the system does in need; return whether there was one."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


class KillLater:
    """Kills what is found after a while, beside whatever goes on; to be used with `with`.

    Leaving the block before its time has come calls the kill off.

    Attributes:
        killed: Process ids that were killed.
        seen: What `look` returned right after the kill.
    """

    def __init__(
        self,
        seconds: float,
        victims: Callable[[], list[int]],
        *,
        look: Callable[[], list[str]] = list,
    ) -> None:
        """Prepare; `victims` is asked for process ids when the time has come."""
        self.killed: list[int] = []
        self.seen: list[str] = []
        self._victims = victims
        self._look = look
        self._called_off = threading.Event()
        self._when = time.monotonic() + seconds
        self._thread = threading.Thread(target=self._run, name="killer")

    def __enter__(self) -> KillLater:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._called_off.set()
        self._thread.join()

    def _run(self) -> None:
        if not self._called_off.wait(max(0.0, self._when - time.monotonic())):
            self.killed += [pid for pid in self._victims() if kill(pid)]
            self.seen += self._look()
