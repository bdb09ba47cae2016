"""What the backend's tests share: small shots, a server, and how hard hypothesis tries."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from backend.bundle import pack
from backend.client import Backend
from backend.connection import Connection
from backend.rendezvous import read_server
from tests.analytic import analytic_shot
from tests.backend.sent import FRAMES
from tests.backends import all_events, running_backend
from tests.hub_server import TinyHub, running_hub
from tests.hubs import model_files

# HYPOTHESIS_PROFILE=ci makes all cases of test_fuzz.py (20 times `max_examples`), the same each
# time; the default makes a twentieth of them, and others each time.
CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("dev", deadline=None, max_examples=25, suppress_health_check=CHECKS)
settings.register_profile(
    "ci", parent=settings.get_profile("dev"), max_examples=500, derandomize=True, database=None
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "dev"))


@pytest.fixture
def make_shot(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes an analytic shot and returns its folder.

    It takes a name for the folder and what `tests.analytic.analytic_shot` takes.
    """

    def make(name: str = "shot", **options: object) -> Path:
        return analytic_shot(tmp_path / name, **options)

    return make


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """As the pipeline does: torch's threads wait for each other on a busy machine."""
    import torch  # late: most of the backend's tests do without

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a shot, also packed, and room for a server's `data`."""
    folder = tmp_path_factory.mktemp("http")
    analytic_shot(folder / "shot", frames=FRAMES, frame_start=-1)
    pack(folder / "shot", folder / "shot.zip")
    return folder


@pytest.fixture(scope="module")
def backend(place: Path) -> Iterator[Backend]:
    """The client of a server whose data are in `place`."""
    with running_backend(place / "data") as backend:
        yield backend


@pytest.fixture(scope="module")
def wire(backend: Backend, place: Path) -> Connection:
    """A connection to that server, to send it whatever a test likes."""
    return Connection(read_server(place / "data"))


@pytest.fixture(scope="module")
def done(backend: Backend, place: Path) -> str:
    """A job that is done."""
    job_id = backend.submit(place / "shot.zip", model="projection", settings={"fill": True}, seed=9)
    assert all_events(backend.follow(job_id))[-1].kind == "done"
    return job_id


@pytest.fixture
def hub_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[TinyHub]:
    """A hub that the library asks, and nobody signed in."""
    from huggingface_hub import constants  # late: most of the backend's tests do without

    from backend.models import pull

    with running_hub(model_files()) as here:
        monkeypatch.setattr(constants, "ENDPOINT", here.url)
        template = here.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.setattr(pull, "_PAUSES", (0.0, 0.0))
        for name in (
            "HF_TOKEN",
            "HUGGING_FACE_HUB_TOKEN",
            "HF_HUB_OFFLINE",
            "TRANSFORMERS_OFFLINE",
        ):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
        for name in ("HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK", "HF_HUB_DISABLE_XET"):
            monkeypatch.setenv(name, "1")  # so that what `pull` sets is gone after the test
        yield here
