"""Downloads for tests: of the model of `tests.hubs`, in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from backend.errors import DepthshotError
from backend.models import hub, pull
from backend.models.card import Card
from tests.hubs import tiny_card


def get(data: Path, card: Card | None = None, *, accept: bool = True, **options: object) -> Path:
    options.setdefault("on_progress", lambda phase, done, total: None)
    options.setdefault("should_stop", lambda: False)
    return pull.pull(card or tiny_card(), data_dir=data, accept_licence=accept, **options)


def refusal(kind: type[DepthshotError], call: Callable[[], object]) -> str:
    """The one sentence with which a call is refused."""
    with pytest.raises(kind) as caught:
        call()
    text = str(caught.value)
    assert text.endswith(".") and "\n" not in text and ". " not in text, text
    return text


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def blobs(data: Path) -> list[Path]:
    return sorted((hub.repository_folder(hub.home(data), tiny_card()) / "blobs").iterdir())
