"""What the repository weighs, as everybody who tries it clones it, and what its documents name."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAX_BYTES = 40_000_000
needs_git = pytest.mark.skipif(
    not (ROOT / ".git").exists(), reason="no clone, but a copy of the files"
)


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name]


@needs_git
def test_the_checkout_stays_small():
    sizes = {path: path.stat().st_size for path in tracked() if path.is_file()}
    assert ROOT / "backend" / "wire.py" in sizes
    largest = sorted(sizes, key=sizes.get, reverse=True)[:5]
    assert sum(sizes.values()) < MAX_BYTES, [path.name for path in largest]


@needs_git
def test_modules_that_documents_name_are_there():
    """Under `docs/` and beside it: "`lend.py`" is enough where one folder is spoken of."""
    there = {path.relative_to(ROOT).as_posix() for path in tracked()}
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    named = {
        (document.name, name)
        for document in documents
        for name in re.findall(r"`([\w./-]+\.py)`", document.read_text(encoding="utf-8"))
    }
    assert len(named) > 100
    ends = {path[at:] for path in there for at in _starts(path)}
    assert sorted(pair for pair in named if pair[1] not in ends) == []


def _starts(path: str) -> list[int]:
    """Return where the parts of a path begin."""
    return [0, *(match.end() for match in re.finditer("/", path))]
