"""All devices: one lane each. The first worker says which devices there are."""

from __future__ import annotations

import threading

from ..jobs import JobStore
from ..models.machine import Machine
from .feed import Feed
from .lane import Lane, LaneStatus


class Lanes:
    """The lanes of this computer, started with the first one."""

    def __init__(self, *, store: JobStore, feed: Feed) -> None:
        self._store = store
        self._feed = feed
        self._lock = threading.Lock()
        self._lanes: list[Lane] = []
        self._complete = False
        self._stopped = False

    def start(self) -> None:
        """Start the first lane on the best device; lanes for further GPUs follow."""
        self._add(None)

    def stop(self) -> None:
        """End all workers; running jobs are queued again."""
        with self._lock:
            self._stopped = True
            lanes = list(self._lanes)
        for lane in lanes:
            lane.stop()

    def wake(self) -> None:
        """Say that a job was queued."""
        for lane in list(self._lanes):
            lane.wake()

    def cancel(self, job_id: str) -> None:
        """Cancel a job that runs."""
        for lane in list(self._lanes):
            lane.cancel(job_id)

    def status(self) -> list[LaneStatus]:
        """Return the state of every device."""
        return [lane.status() for lane in list(self._lanes)]

    def machine(self) -> Machine | None:
        """Return what the first worker found that has said it, None before that.

        The memory that was free then was free before a model was loaded.
        """
        found = (lane.machine() for lane in list(self._lanes))
        return next((machine for machine in found if machine is not None), None)

    def _on_ready(self, device: str, devices: list[str]) -> None:
        with self._lock:
            if self._complete:
                return
            self._complete = True
        # The CPU is a device for computers without any other: beside a GPU it only slows.
        for other in devices:
            if other not in (device, "cpu"):
                self._add(other)

    def _all_failed(self) -> bool:
        return all(status.state == "failed" for status in self.status())

    def _add(self, device: str | None) -> None:
        with self._lock:
            if self._stopped:
                return
            lane = Lane(
                device,
                store=self._store,
                feed=self._feed,
                on_ready=self._on_ready,
                is_last_hope=self._all_failed,
            )
            self._lanes.append(lane)
            lane.start()
