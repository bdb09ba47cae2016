"""What was measured, as markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from math import nan
from statistics import mean, stdev

from backend.training.flops import count_parameters

from .clips import Clip
from .scoring import pool
from .trial import Measured, Trained

_COLUMNS = ("psnr", "sharpness", "patches", "e_warp", "flicker")


def markdown(
    measured: Sequence[Measured], trained: dict[str, Trained], clips: Sequence[Clip]
) -> str:
    """Return what was trained, and the table of all ways."""
    height, width = clips[0].still.shape[:2]
    lines = [
        f"{len(clips)} held-out clips of {len(clips[0].filled)} frames of {width} x {height},"
        f" {sum(float((clip.generated > 0).mean()) for clip in clips) / len(clips):.1%} generated.",
        "",
        "| network | parameters | last stage, CPU minutes | steps |",
        "|---|---|---|---|",
        *(
            f"| {name} | {count_parameters(each.network) / 1e6:.2f} M | {each.minutes:g} |"
            f" {each.steps} |"
            for name, each in trained.items()
        ),
        "",
        "| way | PSNR | sharpness | patches | E_warp | flicker | clips with higher PSNR than A |"
        " with lower E_warp | CPU s a clip | GFLOP a frame |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    ships = next(_by_clip(each) for each in measured if each.way.ships)
    for each in measured:
        seeds = [pool(scores, each.truths) for scores in zip(*each.scores, strict=True)]
        pairs = list(zip(_by_clip(each), ships, strict=True))
        higher = sum(own["psnr"] > its["psnr"] for own, its in pairs)
        lower = sum(own["e_warp"] < its["e_warp"] for own, its in pairs)
        cells = [
            each.way.name,
            *(_cell([asdict(numbers)[name] for numbers in seeds]) for name in _COLUMNS),
            *(("-", "-") if each.way.ships else (f"{higher} of {len(pairs)}", str(lower))),
            f"{each.seconds:.2f}",
            f"{each.gflop:.2f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _by_clip(measured: Measured) -> list[dict[str, float]]:
    """Return the means over seeds of each clip by itself; nan where a clip shows too little."""
    clips = []
    for scores, truth in zip(measured.scores, measured.truths, strict=True):
        seeds = [asdict(pool([score], [truth])) for score in scores]
        means = {}
        for name in ("psnr", "e_warp"):
            values = [nan if seed[name] is None else seed[name] for seed in seeds]
            means[name] = mean(values)
        clips.append(means)
    return clips


def _cell(values: Sequence[float | None]) -> str:
    """Return mean and standard deviation over seeds."""
    if any(value is None for value in values):
        return "-"
    return f"{mean(values):.2f}" + (f" ± {stdev(values):.2f}" if len(values) > 1 else "")
