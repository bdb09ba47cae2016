"""A short soak in every run; `python -m benchmarks.soak` is the long one."""

from pathlib import Path

import pytest

from benchmarks.soak import Sample, judge, soak

SHOTS = 30


@pytest.mark.timeout(900)
def test_many_shots_through_one_server_leave_its_files_and_threads_as_they_are(tmp_path: Path):
    samples = soak(tmp_path, shots=SHOTS)
    assert len(samples) == SHOTS
    growths = {growth.process: growth for growth in judge(samples)}
    assert set(growths) == {"server", "worker"}
    assert all(growth.flat for growth in growths.values()), growths
    assert list((tmp_path / "data" / "store-1" / "jobs").iterdir()) == []


def some(memory: float = 50.0, handles: int = 20, threads: int = 8) -> dict[str, Sample]:
    return {"server": Sample(memory, handles, threads)}


@pytest.mark.parametrize(
    ("samples", "flat"),
    [
        ([some() for _ in range(500)], True),
        ([some(memory=50 + min(n, 100) / 2) for n in range(500)], True),  # warm-up alone
        ([some(memory=50 + n * 0.013) for n in range(500)], True),  # below what can be told
        ([some(memory=50 + n * 0.02) for n in range(500)], False),
        ([some(handles=20 + n // 100) for n in range(500)], False),
        ([some(threads=8 + n // 100) for n in range(500)], False),
        ([some(memory=50 + n % 7) for n in range(500)], True),
    ],
)
def test_what_grows_is_told_from_what_wavers(samples, flat):
    (growth,) = judge(samples)
    assert growth.flat == flat
