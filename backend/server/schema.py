"""The JSON that routes answer with; FastAPI derives the OpenAPI document from these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..job_row import Job
from .lane import LaneStatus


@dataclass(frozen=True, slots=True)
class Hello:
    """The handshake. This route and `/v1/drain` keep address and form in every later version.

    `machine` is its name, `store` names the place its jobs are kept in, wherever it is reached;
    `python` is the program that runs it. `lease_seconds` is None where it was served by hand: it
    stays until it is stopped, and no Blender ends it.
    """

    protocol: int
    software: str
    pid: int
    draining: bool
    lease_seconds: float | None
    machine: str
    store: str
    python: str


@dataclass(frozen=True, slots=True)
class Health:
    """More than alive: starting, ready, busy or failed, why, and what each device does."""

    state: str
    why: str
    queued: int
    clients: int
    devices: list[LaneStatus]


@dataclass(frozen=True, slots=True)
class JobList:
    """All jobs, oldest first."""

    jobs: list[Job]


@dataclass(frozen=True, slots=True)
class ModelList:
    """The card of every model, as `python -m backend models --json` prints them."""

    models: list[Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class PreflightAnswer:
    """What a model would cost here, as `python -m backend preflight --json` prints it.

    `sentence` says all of it, `cost` all but what is to be downloaded first; the numbers are bytes
    and seconds. `machine` is what the backend found when it started.
    """

    model: str
    verdict: str
    sentence: str
    cost: str
    device: str
    memory_plan: str
    need: Mapping[str, int]
    vram_free: int | None
    ram_free: int
    disk_free: int
    download: int
    licence: str
    licence_url: str
    size: list[int]
    windows: list[int]
    seconds: float | None
    machine: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Lease:
    """How long a lease holds; None: the server does not end by itself."""

    seconds: float | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """What every error answers with: one sentence for the artist."""

    detail: str
