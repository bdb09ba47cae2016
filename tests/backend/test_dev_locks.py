import re
from pathlib import Path

import pytest

from backend.setup import torch_build

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
    assert len(requirements) > 5 or lock.name == "pip.txt"


@pytest.mark.parametrize("lock", sorted(LOCKS.glob("*.in")), ids=lambda path: path.name)
def test_what_is_asked_for_is_locked(lock):
    names = re.findall(r"^([A-Za-z][\w.-]*)", lock.read_text(), re.MULTILINE)
    locked = lock.with_suffix(".txt").read_text().lower()
    assert [name for name in names if f"\n{name.lower()}==" not in f"\n{locked}"] == []
