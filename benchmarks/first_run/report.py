"""The report of a first run: Markdown, with the sheets beside it, to be sent back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.models.card import Card
from backend.models.machine import Machine
from backend.models.preflight import Preflight

from .shots import RunShot
from .ways import Way

# Heading, key of the metric, region, and how many digits.
_NUMBERS = (
    ("PSNR", "psnr", "all", 2),
    ("PSNR seen", "psnr", "seen", 2),
    ("PSNR unseen", "psnr", "unseen", 2),
    ("sharpness unseen", "sharpness", "unseen", 2),
    ("patches unseen", "swd_full", "unseen", 2),
    ("E_warp", "e_warp", "all", 2),
    ("flicker", "flicker", "all", 2),
    ("drift", "drift", "all", 2),
    ("join", "join", "all", 2),
)
_NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Made:
    """A take of a shot: how it was made, and what is kept of it."""

    shot: RunShot
    way: Way
    result: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Header:
    """What the whole run has in common."""

    card: Card
    machine: Machine
    told: Preflight
    versions: Mapping[str, str]
    seed: int
    small: bool
    left_out: Sequence[str]


def write_report(file: Path, header: Header, made: Sequence[Made], pictures: Path) -> None:
    """Write the report.

    Args:
        file: Made or replaced.
        header: What all takes have in common.
        made: All takes, by shot.
        pictures: Folder of the sheets, `<shot>.png` and `<shot>-holes.png`.
    """
    blocks = [*_head(header)]
    shots = list(dict.fromkeys(each.shot.name for each in made))
    for name in shots:
        own = [each for each in made if each.shot.name == name]
        blocks += [f"## {name}", _shares(own), _scores(own)]
        for suffix, words in (("", "takes"), ("-holes", "the largest hole, at full size")):
            picture = pictures / f"{name}{suffix}.png"
            if picture.is_file():
                blocks.append(f"![{name}: {words}]({picture.relative_to(file.parent).as_posix()})")
    blocks += ["## Time and memory", _costs(made), "## What was said", _said(made)]
    blocks.append(
        "To be sent back: this file, the pictures beside it, and `results/` with all numbers."
    )
    text = "\n\n".join(block for block in blocks if block)
    part = file.with_name(f"{file.name}.part")
    part.write_text(text + "\n", encoding="utf-8")
    part.replace(file)


def _head(header: Header) -> list[str]:
    card, machine = header.card, header.machine
    gpus = ", ".join(f"{gpu.name}, {_gigabytes(gpu.vram)}" for gpu in machine.gpus) or "none"
    versions = ", ".join(f"{name} {version}" for name, version in header.versions.items())
    return [
        f"# First run of {card.label}",
        "A rehearsal with few small frames: its numbers mean nothing." if header.small else "",
        f"`{card.id}`, revision `{card.revision}`, {card.licence}. Seed {header.seed}.",
        f"GPU: {gpus}. Memory: {_gigabytes(machine.ram)}. {versions}.",
        f"Preflight said: {header.told.sentence}",
        *(f"Left out: {sentence}" for sentence in header.left_out),
        "Scores are `backend.score`'s: PSNR in dB, higher is better; sharpness, E_warp and flicker"
        " as take / truth, best at 1; patches and drift in levels, lower is better; join as the"
        " jump between windows over those inside, best at 1.",
    ]


def _shares(made: Sequence[Made]) -> str:
    for each in made:
        shares = each.result.get("score", {}).get("shares")
        if shares is not None:
            return ", ".join(f"{share:.1%} {name}" for name, share in shares.items()) + "."
    return ""


def _scores(made: Sequence[Made]) -> str:
    rows = []
    for each in made:
        if "failed" in each.result:
            rows.append((each.way.name, "failed", *[_NOTHING] * (len(_NUMBERS) - 1)))
            continue
        metrics = each.result["score"]["metrics"]
        rows.append((each.way.name, *(_number(metrics, *which) for _, *which in _NUMBERS)))
    return _table(("way", *(heading for heading, *_ in _NUMBERS)), rows)


def _number(metrics: Mapping[str, Mapping], key: str, region: str, digits: int) -> str:
    value = metrics.get(key, {}).get("values", {}).get(region)
    return _NOTHING if value is None else f"{value:.{digits}f}"


def _costs(made: Sequence[Made]) -> str:
    rows = []
    phases = list(dict.fromkeys(phase for each in made for phase in each.result.get("phases", {})))
    for each in made:
        result = each.result
        if "failed" in result:
            continue
        rows.append((
            each.shot.name,
            each.way.name,
            ", ".join(result["details"].get("memory_plans", ())) or _NOTHING,
            f"{result['seconds']:.1f}",
            f"{result['loading']:.1f}",
            *(_seconds(result["phases"].get(phase)) for phase in phases),
            _NOTHING if result["vram_peak"] is None else _gigabytes(result["vram_peak"]),
            _gigabytes(result["ram"]),
        ))  # fmt: skip
    head = (
        "shot", "way", "memory plan", "seconds", "loading", *phases, "most of the GPU's memory",
        "process",
    )  # fmt: skip
    return _table(head, rows)


def _said(made: Sequence[Made]) -> str:
    lines = []
    for each in made:
        sentences = list(each.result.get("warnings", []))
        sentences += each.result.get("score", {}).get("warnings", [])
        if "failed" in each.result:
            sentences.append(f"failed: {each.result['failed']}")
        lines += [f"- {each.shot.name}, {each.way.name}: {sentence}" for sentence in sentences]
    return "\n".join(lines) or "Nothing."


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _seconds(seconds: float | None) -> str:
    return _NOTHING if seconds is None else f"{seconds:.1f}"


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.1f} GB"
