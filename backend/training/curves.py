"""How a training went, as a picture: loss, PSNR and patch statistics against minutes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from ..errors import DepthshotError
from .train import LOG

_WIDTH, _HEIGHT = 300, 200  # of one panel's plot
_LEFT, _TOP, _BELOW, _BETWEEN = 50, 34, 76, 70
_FONT = 'font-family="sans-serif" font-size="11"'
_COLOURS = ("#888888", "#0072b2", "#d55e00", "#cc79a7", "#56b4e9", "#e69f00")  # Okabe and Ito
_SMOOTH = 0.9  # of the former value, for the noisy loss of single batches
_LINES = 3  # of the grid, at least

Points = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Curve:
    """One line: its name and points (minutes, value)."""

    name: str
    points: Points


@dataclass(frozen=True, slots=True)
class Panel:
    """One plot: its title and curves."""

    title: str
    curves: tuple[Curve, ...]


def read_log(run: Path) -> list[dict[str, Any]]:
    """Return the entries of a run's log in order; where steps were done again, the later ones.

    Raises:
        DepthshotError: there is no log, or it is damaged.
    """
    file = run / LOG
    try:
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as reason:
        raise DepthshotError(f"{file} cannot be read ({reason}); train first.") from reason
    entries: list[dict[str, Any]] = []
    for line in lines:
        while entries and entries[-1]["step"] > line["step"]:
            entries.pop()  # done after the checkpoint that the training went on from
        entries.append(line)
    return entries


def draw_curves(entries: Sequence[dict[str, Any]]) -> str:
    """Return an SVG picture of a log's entries.

    Raises:
        DepthshotError: the log has nothing to draw.
    """
    panels = [panel for panel in _panels(entries) if panel.curves]
    if not panels:
        raise DepthshotError("The log has no curves yet; train for longer.")
    width = len(panels) * (_WIDTH + _BETWEEN) + 10
    height = _TOP + _HEIGHT + _BELOW
    body = "\n".join(
        f'<g transform="translate({_LEFT + number * (_WIDTH + _BETWEEN)} {_TOP})">\n'
        f"{_draw_panel(panel)}\n</g>"
        for number, panel in enumerate(panels)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {_FONT}>\n'
        f'<rect width="{width}" height="{height}" fill="white"/>\n{body}\n</svg>\n'
    )


def _panels(entries: Sequence[dict[str, Any]]) -> list[Panel]:
    steps = [entry for entry in entries if "loss" in entry]
    made = [entry | entry["evaluation"] for entry in entries if "evaluation" in entry]
    panels = [
        Panel(
            "loss",
            _kept(
                Curve("batches", _smooth(_points(steps, "loss"))),
                Curve("at t = 1", _smooth(_points(steps, "pure"))),
                Curve("held-out scenes", _points(made, "loss")),
            ),
        )
    ]
    for name, title in (("psnr", "PSNR of unseen pixels, dB"), ("swd", "patch distance, levels")):
        for prefix, where in (("", "held-out scenes"), ("blender_", "Blender scenes")):
            curves = _kept(
                *(
                    Curve(way, _points(made, f"{prefix}{way}_{name}"))
                    for way in ("filled", "mean", "sample")
                )
            )
            panels.append(Panel(f"{title}: {where}", curves))
    return panels


def _kept(*curves: Curve) -> tuple[Curve, ...]:
    return tuple(curve for curve in curves if curve.points)


def _points(entries: Iterable[dict[str, Any]], name: str) -> Points:
    return [
        (entry["seconds"] / 60, entry[name]) for entry in entries if entry.get(name) is not None
    ]


def _smooth(points: Points) -> Points:
    """Return the running exponential mean, unbiased at the start."""
    result, mean, weight = [], 0.0, 0.0
    for minutes, value in points:
        mean = _SMOOTH * mean + (1 - _SMOOTH) * value
        weight = _SMOOTH * weight + (1 - _SMOOTH)
        result.append((minutes, mean / weight))
    return result


def _draw_panel(panel: Panel) -> str:
    values = [value for curve in panel.curves for _, value in curve.points]
    last = max(minutes for curve in panel.curves for minutes, _ in curve.points)
    ticks = _ticks(min(values), max(values))
    low, high = min(ticks[0], *values), max(ticks[-1], *values)

    def x(minutes: float) -> float:
        return _WIDTH * minutes / max(last, 1e-9)

    def y(value: float) -> float:
        return _HEIGHT * (1 - (value - low) / (high - low))

    parts = [f'<text y="-12" font-weight="bold">{escape(panel.title)}</text>']
    for tick in ticks:
        parts.append(f'<path d="M0 {y(tick):.1f}h{_WIDTH}" stroke="#dddddd"/>')
        parts.append(f'<text x="-6" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in _ticks(0.0, last):
        if tick <= last:
            where = f'x="{x(tick):.1f}" y="{_HEIGHT + 16}"'
            parts.append(f'<text {where} text-anchor="middle">{tick:g}</text>')
    parts.append(f'<text x="{_WIDTH}" y="{_HEIGHT + 32}" text-anchor="end">minutes</text>')
    for number, curve in enumerate(panel.curves):
        parts.append(_draw_curve(curve, number, x, y))
    return "\n".join(parts)


def _draw_curve(
    curve: Curve, number: int, x: Callable[[float], float], y: Callable[[float], float]
) -> str:
    colour = _COLOURS[number % len(_COLOURS)]
    line = " ".join(f"{x(minutes):.1f},{y(value):.1f}" for minutes, value in curve.points)
    at = number * _WIDTH // 3
    return (
        f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>\n'
        f'<rect x="{at}" y="{_HEIGHT + 46}" width="12" height="3" fill="{colour}"/>\n'
        f'<text x="{at + 16}" y="{_HEIGHT + 51}">{escape(curve.name)}</text>'
    )


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers that enclose a range: steps of 1, 2 or 5 times a power of ten."""
    reach = max(high - low, 1e-3)
    step = max(
        size * 10.0**power
        for power in range(-6, 7)
        for size in (1, 2, 5)
        if size * 10.0**power <= reach / _LINES
    )
    first, last = int(low // step), -int(-high // step)
    return [round(number * step, 9) for number in range(first, max(last, first + 1) + 1)]
