"""Seconds and memory of whole processes: `python -m backend generate`, start included.

The models take turns in one run, so that what else the machine does falls on all of them. Needs
`os.wait4`, which Windows lacks.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.wire import read_shot

from .shots import cut_shot
from .takes import read_mask

log = logging.getLogger(__name__)

ROOT = Path(__file__).parents[1]
PROJECTION, DRAFT = "projection", "draft"
UNSEEN = 0.10
BARS = {24: 20.0, 81: 60.0}  # frames: seconds on two CPU cores
MEMORY_BAR = 2000.0  # MB
_PEAK_BYTES = 1 if sys.platform == "darwin" else 1024  # the unit of ru_maxrss


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process cost: seconds on the clock, seconds of CPU, peak memory in MB."""

    wall: float
    cpu: float
    peak: float


def measure_speed(shot: Path, *, counts: Sequence[int], repeats: int) -> str:
    """Return the table of both models' costs.

    Args:
        shot: A shot with its still at the first frame, and with more unseen pixels than a tenth
            at the end of its way.
        counts: Numbers of frames.
        repeats: How often each is run; the middle one counts.
    """
    size = read_shot(shot).size
    lines = [
        "| size | frames | unseen | model | seconds | of projection's | CPU seconds | peak MB |"
        " bar |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        shares = _shares(shot, folder / "shares")
        for count in counts:
            cut, share = cut_shot(
                shot, folder / f"shot-{count}", frames=count, shares=shares, wanted=UNSEEN
            )
            costs: dict[str, list[Cost]] = {PROJECTION: [], DRAFT: []}
            for turn in range(repeats):
                for model, spent in costs.items():
                    spent.append(_generate(cut, model, folder / f"{model}-{count}-{turn}"))
                    log.info("%d frames, %s: %s", count, model, spent[-1])
            base = _middle(costs[PROJECTION]).wall
            for model, spent in costs.items():
                cost = _middle(spent)
                bar = "-" if model == PROJECTION else _bar(count, cost)
                lines.append(
                    f"| {size[0]} x {size[1]} | {count} | {share:.1%} | {model} |"
                    f" {cost.wall:.1f} | {cost.wall / base:.1f} | {cost.cpu:.1f} |"
                    f" {cost.peak:.0f} | {bar} |"
                )
    return "\n".join(lines)


def _generate(shot: Path, model: str, out: Path) -> Cost:
    """Run the command line as an artist would; return what it cost."""
    command = [sys.executable, "-m", "backend", "generate", shot, "--model", model, "--out", out]
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _PEAK_BYTES / 1e6)


def _shares(shot: Path, take: Path) -> list[float]:
    """Return the share of every frame of a shot that the projection has to make up."""
    _generate(shot, PROJECTION, take)
    source = read_shot(shot)
    return [
        float(read_mask(take, source.frame(index)).mean() / 255) for index in range(source.frames)
    ]


def _middle(costs: Sequence[Cost]) -> Cost:
    return sorted(costs, key=lambda cost: cost.wall)[(len(costs) - 1) // 2]


def _bar(count: int, cost: Cost) -> str:
    """Return in words whether both bars are met."""
    words = []
    limit = BARS.get(count)
    if limit is not None:
        over = cost.wall - limit
        words.append(f"{limit:.0f} s: " + ("met" if over <= 0 else f"missed by {over:.1f} s"))
    over = cost.peak - MEMORY_BAR
    words.append(f"{MEMORY_BAR:.0f} MB: " + ("met" if over <= 0 else f"missed by {over:.0f} MB"))
    return ", ".join(words)
