"""What was measured, as markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from statistics import mean, stdev

from backend.training.flops import count_parameters

from .clips import Clip
from .scoring import Numbers, pool
from .trial import Measured, Trained

_DIGITS = {"psnr": 2, "sharpness": 2, "patches": 2, "e_warp": 2, "flicker": 2}


def markdown(
    measured: Sequence[Measured], trained: dict[str, Trained], clips: Sequence[Clip]
) -> str:
    """Return what was trained, and the table of all ways."""
    height, width = clips[0].still.shape[:2]
    lines = [
        f"{len(clips)} held-out clips of {len(clips[0].filled)} frames of {width} x {height},"
        f" {sum(float((clip.generated > 0).mean()) for clip in clips) / len(clips):.1%} generated.",
        "",
        "| network | parameters | CPU minutes | steps |",
        "|---|---|---|---|",
        *(
            f"| {name} | {count_parameters(each.network) / 1e6:.2f} M | {each.minutes:g} |"
            f" {each.steps} |"
            for name, each in trained.items()
        ),
        "",
        "| way | PSNR | sharpness | patches | E_warp | flicker | CPU s a clip | GFLOP a frame |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for each in measured:
        seeds = [pool(scores, each.truths) for scores in each.scores]
        cells = [_cell(seeds, name, digits) for name, digits in _DIGITS.items()]
        lines.append(
            f"| {each.way.name} | {' | '.join(cells)} | {each.seconds:.2f} | {each.gflop:.2f} |"
        )
    return "\n".join(lines)


def _cell(seeds: Sequence[Numbers], name: str, digits: int) -> str:
    """Return mean and standard deviation over seeds."""
    values = [asdict(numbers)[name] for numbers in seeds]
    if any(value is None for value in values):
        return "-"
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{mean(values):.{digits}f}{spread}"
