"""What the backend's tests share: small shots, and how hard hypothesis tries."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.analytic import analytic_shot

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
