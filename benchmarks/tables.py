"""Markdown tables of what was measured, ready to be pasted into docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .bars import Numbers, Verdict
from .classical import CHEAT_ON_PROJECTION

HEAD = (
    "way",
    "PSNR",
    "sharpness",
    "patches",
    "patches, half",
    "E_warp",
    "flicker",
)


@dataclass(frozen=True, slots=True)
class Measured:
    """One scene.

    Attributes:
        scene: Its name.
        unseen: Mean share of unseen pixels.
        frames: How many true frames.
        rows: The numbers of every way.
        verdicts: Of every bar; empty where no draft was measured.
        seeds: Mean absolute difference of two seeds in unseen pixels, 8-bit levels; None if not
            measured.
    """

    scene: str
    unseen: float
    frames: int
    rows: Mapping[str, Numbers]
    verdicts: Sequence[Verdict] = field(default_factory=tuple)
    seeds: float | None = None


def numbers_table(measured: Sequence[Measured]) -> str:
    """Return the table of all ways in all scenes, and their means over the scenes."""
    lines = [_row("scene", *HEAD), "|" + "---|" * (len(HEAD) + 1)]
    for one in measured:
        name = f"{one.scene} ({one.unseen:.1%} unseen)"
        lines += [_numbers(name, way, numbers) for way, numbers in one.rows.items()]
    if len(measured) > 1:
        for way in measured[0].rows:
            mean = Numbers.mean([one.rows[way] for one in measured])
            lines.append(_numbers(f"mean of {len(measured)}", way, mean))
    return "\n".join(lines)


def verdicts_table(measured: Sequence[Measured]) -> str:
    """Return the table of the bars: one row a bar, one column a scene."""
    bars = list(dict.fromkeys(verdict.bar for one in measured for verdict in one.verdicts))
    lines = [_row("bar", *(one.scene for one in measured), "met in")]
    lines.append("|" + "---|" * (len(measured) + 2))
    for bar in bars:
        cells, met, asked = [], 0, 0
        for one in measured:
            found = next((verdict for verdict in one.verdicts if verdict.bar == bar), None)
            cells.append("-" if found is None else _cell(found))
            asked += found is not None
            met += found is not None and found.met
        lines.append(_row(bar, *cells, f"{met} of {asked}"))
    seeds = ["-" if one.seeds is None else f"{one.seeds:.1f} levels" for one in measured]
    lines.append(_row("two seeds differ by", *seeds, "reported"))
    return "\n".join(lines)


def explanation(measured: Sequence[Measured]) -> str:
    """Return the sentences that belong above the tables."""
    frames = sorted({one.frames for one in measured})
    counted = " or ".join(str(count) for count in frames)
    return (
        f"Unseen pixels alone, as `backend.score` defines them, over {counted} true frames a"
        " scene. PSNR in dB; sharpness, E_warp and flicker as take / truth; patches in 8-bit"
        " levels. Bars that name the best classical fill mean the best of Telea, push-pull and"
        f" projection for that very number; no bar is about `{CHEAT_ON_PROJECTION}`."
    )


def _numbers(scene: str, way: str, numbers: Numbers) -> str:
    return _row(
        scene,
        way,
        f"{numbers.psnr:.2f}",
        f"{numbers.sharpness:.2f}",
        f"{numbers.full:.2f}",
        f"{numbers.half:.2f}",
        f"{numbers.e_warp:.2f}",
        f"{numbers.flicker:.2f}",
    )


def _cell(verdict: Verdict) -> str:
    if verdict.met:
        return f"{verdict.value:.2f} ({verdict.limit})"
    return f"**{verdict.value:.2f}** ({verdict.limit}: missed by {verdict.missed_by:.2f})"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
