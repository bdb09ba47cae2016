"""What the repository weighs: it is cloned by everybody who tries it."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAX_BYTES = 40_000_000


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no clone, but a copy of the files")
def test_the_checkout_stays_small():
    sizes = {path: path.stat().st_size for path in tracked() if path.is_file()}
    assert ROOT / "backend" / "wire.py" in sizes
    largest = sorted(sizes, key=sizes.get, reverse=True)[:5]
    assert sum(sizes.values()) < MAX_BYTES, [path.name for path in largest]
