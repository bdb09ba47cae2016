"""What is sent to a server's routes, and what comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.connection import Connection
from backend.errors import RequestRefused

FRAMES = 4


def job_folders(place: Path) -> set[str]:
    return {path.name for path in (place / "data" / "store-1" / "jobs").iterdir()}


def post(wire: Connection, body: bytes, **query: str) -> dict:
    return wire.json(
        "POST",
        "/v1/shots",
        params={"model": "projection"} | query,
        data=body,
        headers={"Content-Type": "application/zip"},
    )


def refusal(wire: Connection, method: str, path: str, **options) -> tuple[int, str]:
    with pytest.raises(RequestRefused) as caught:
        wire.json(method, path, **options)
    return caught.value.status, str(caught.value)
