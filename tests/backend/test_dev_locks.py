import re
from pathlib import Path

import pytest

from tools import torch_build

LOCKS = Path(__file__).resolve().parents[2] / "requirements"


@pytest.mark.parametrize("lock", sorted(LOCKS.glob("*.txt")), ids=lambda path: path.name)
def test_a_lock_is_exact_and_names_no_index(lock):
    if lock == torch_build.REQUIREMENT_FILE:
        assert re.fullmatch(r"torch==\d+\.\d+\.\d+", torch_build.requirement())
        return
    requirements = lock.read_text().replace("\\\n", " ").splitlines()
    for line in requirements:
        assert re.match(r"[\w.-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line), line
        assert not line.startswith("torch==")
    assert len(requirements) > 5


@pytest.mark.parametrize("lock", sorted(LOCKS.glob("*.in")), ids=lambda path: path.name)
def test_what_is_asked_for_is_locked(lock):
    names = re.findall(r"^([A-Za-z][\w.-]*)", lock.read_text(), re.MULTILINE)
    locked = lock.with_suffix(".txt").read_text().lower()
    assert [name for name in names if f"\n{name.lower()}==" not in f"\n{locked}"] == []


@pytest.mark.parametrize(
    ("url", "cpu"),
    [
        ("file:///wheels/torch-2.13.0%2Bcpu-cp311-cp311-manylinux_2_28_x86_64.whl", True),
        ("https://host/whl/torch-2.13.0+cpu-cp311-cp311-win_amd64.whl", True),
        ("https://host/cpu/torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl", False),
    ],
)
def test_a_build_without_gpu_libraries_is_known_by_its_name(url, cpu):
    assert torch_build.is_cpu_build(url) is cpu


def test_the_size_of_a_local_file_is_known(tmp_path):
    file = tmp_path / "a+b.whl"
    file.write_bytes(bytes(123))
    assert torch_build.download_size(file.as_uri()) == 123


def test_a_size_nobody_tells_is_unknown():
    assert torch_build.download_size("http://127.0.0.1:9/torch.whl") is None
