"""`dev.py lint`: ruff's rules, ruff's format, and how long a module may be."""

import subprocess
from pathlib import Path

from backend.setup.process import clean_environment

from .console import say
from .environments import ROOT, Environment

MAX_LINES = 400
_ELSEWHERE = {"demo", "dist"}


def sources(root: Path) -> list[Path]:
    """Every Python file of the checkout, none of an environment or of something generated."""
    found = []
    for path in root.iterdir():
        if path.name.startswith(".") or path.name in _ELSEWHERE:
            continue
        found += path.rglob("*.py") if path.is_dir() else [path] * (path.suffix == ".py")
    return sorted(found)


def too_long(files: list[Path]) -> list[str]:
    """A sentence for every file above MAX_LINES lines."""
    sentences = []
    for path in files:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MAX_LINES:
            sentences.append(f"{path} has {lines} lines, at most {MAX_LINES}: split it.")
    return sentences


def main(environment: Environment) -> int:
    """Runs all three and returns 1 if any finds something."""
    ruff = [str(environment.python), "-m", "ruff"]
    files = sources(ROOT)
    names = [str(path) for path in files]
    failed = False
    style = [*ruff, "check", *names]
    layout = [*ruff, "format", "--check", "--output-format=concise", *names]
    for command in (style, layout):
        done = subprocess.run(command, cwd=ROOT, env=clean_environment(), check=False)
        failed |= done.returncode != 0
    for sentence in too_long(files):
        say(sentence)
        failed = True
    say(f"lint: {len(files)} files, {'something to mend' if failed else 'nothing to mend'}")
    return int(failed)
