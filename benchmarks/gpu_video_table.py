"""What `gpu_video` has measured, kept in a JSON file, and its tables in Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

# On an H200: seconds of a job by model and steps, and the share of the measured rate.
GOALS = {("1.3b", 4): 6.0, ("14b", 4): 15.0}
SHARE_GOAL = 0.60
MEMORY_GOAL = 0.20  # how far what is reckoned may be off
OVERHEAD_GOAL = 0.03
GOALS_ON = "H200"
_NOTHING = "-"


class Results:
    """Results by name, written whenever there is another."""

    def __init__(self, file: Path) -> None:
        """Read what was measured before."""
        self._file = file
        content = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        self.machine: dict[str, object] = content.get("machine", {})
        self.found: dict[str, dict[str, object]] = content.get("found", {})
        self.waiting: dict[str, float] = {}

    def describe(self, machine: Mapping[str, object]) -> bool:
        """Say what is measured on; False if the file has results of something else."""
        same = ("device", "versions", "size", "frames", "small", "settings")
        if self.found and any(self.machine.get(key) != machine[key] for key in same):
            return False
        self.machine = {**machine, "rates": [*self.machine.get("rates", []), machine["rate"]]}
        self._write()
        return True

    def keep(self, name: str, found: Mapping[str, object]) -> None:
        """Keep one result."""
        self.found[name] = dict(found)
        self._write()

    def put_off(self, name: str, seconds: float) -> None:
        """Remember what did not fit into this call, for the table."""
        self.waiting[name] = seconds

    def _write(self) -> None:
        part = self._file.with_name(f"{self._file.name}.part")
        part.parent.mkdir(parents=True, exist_ok=True)
        content = {"machine": self.machine, "found": self.found}
        part.write_text(json.dumps(content, indent=1), encoding="utf-8")
        part.replace(self._file)


def table(results: Results) -> str:
    """Return everything that was measured as Markdown."""
    machine = results.machine
    (width, height), frames = machine["size"], machine["frames"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    rates = ", ".join(f"{rate / 1e12:.3g}" for rate in machine["rates"])
    given = "".join(f", {name}={value}" for name, value in machine["settings"].items())
    blocks = [
        f"{machine['device']}, {versions}; {frames} frames of {width} x {height} in one window,"
        f" random weights{given}. Rate of large matrix products in {machine['numbers']}, measured"
        f" in each call: {rates} TFLOP a second.",
    ]
    if machine["small"]:
        blocks.append("A rehearsal with tiny networks: its numbers mean nothing.")
    failed = [name for name, found in results.found.items() if "failed" in found]
    found = {name: each for name, each in results.found.items() if name not in failed}
    for make in (_jobs, _phases, _plans, _parts):
        if text := make(found, goals=GOALS_ON in machine["device"]):
            blocks.append(text)
    if failed:
        reasons = (f"{name} ({results.found[name]['failed']})" for name in failed)
        blocks.append(f"Failed: {', '.join(reasons)}.")
    if results.waiting:
        waiting = (f"{name} (about {seconds:.0f} s)" for name, seconds in results.waiting.items())
        blocks.append(
            f"Not measured yet: {', '.join(waiting)}; call again, or with more --minutes."
        )
    return "\n\n".join(blocks) + "\n"


def _jobs(found: Mapping[str, Mapping], *, goals: bool) -> str:
    rows = []
    for name, one in _of(found, "steps"):
        model, steps = name.split("/")[0], one["steps"]
        bare, job = one["bare"], one["job"]
        over = None if bare is None else job / bare - 1.0
        goal = GOALS.get((model, steps)) if goals else None
        rows.append((
            model,
            steps,
            _seconds(bare),
            _seconds(job),
            _NOTHING if over is None else _judged(f"{over:+.1%}", over <= OVERHEAD_GOAL),
            _NOTHING if goal is None else _judged(f"{goal:.0f} s", job <= goal),
            _seconds(one["step"]),
            _share(one["share"], goals=goals),
        ))  # fmt: skip
    head = (
        "model", "steps", "bare pipeline s", "our job s", "more", "goal", "s a step",
        "of the measured rate",
    )  # fmt: skip
    return _table("Whole jobs without prompt guidance, warm; bold misses its goal.", head, rows)


def _phases(found: Mapping[str, Mapping], *, goals: bool) -> str:
    rows = []
    for name, one in _of(found, "steps"):
        phases = one["phases"]
        rows.append((name, *(_seconds(seconds) for seconds in phases.values())))
        head = ("job", *phases)
    return _table("Where the time goes, seconds.", head, rows) if rows else ""


def _plans(found: Mapping[str, Mapping], *, goals: bool) -> str:
    rows = []
    for name, one in _of(found, "plan"):
        model, wanted = name.split("/plan ")
        taken = wanted if one["plan"] == wanted else f"{wanted}, ended as {one['plan']}"
        vram, reckoned = one["vram"], one["vram_reckoned"]
        off = None if vram is None or not reckoned else vram / reckoned
        peaks = one["peaks"]
        rows.append((
            model,
            taken,
            _seconds(one["first"]),
            _seconds(one["step"]),
            _share(one["share"], goals=False),
            *(_gigabytes(peaks.get(phase)) for phase in ("encoding", "denoising", "decoding")),
            _gigabytes(one["libraries"]),
            _gigabytes(vram),
            _gigabytes(reckoned),
            _NOTHING if off is None else _judged(f"{off:.2f}", abs(off - 1.0) <= MEMORY_GOAL),
            _gigabytes(one["ram"]),
            _gigabytes(one["ram_reckoned"]),
        ))  # fmt: skip
    head = (
        "model", "memory plan", "first job s", "s a step", "of the rate", "encoding GB",
        "denoising GB", "decoding GB", "libraries GB", "most GB", "reckoned GB",
        "most / reckoned", "process GB", "reckoned GB",
    )  # fmt: skip
    return _table(
        "Memory plans, jobs of 3 steps. Tensors at their peak by phase, and with what the libraries"
        " hold, beside what preflight reckons.",
        head,
        rows,
    )


def _parts(found: Mapping[str, Mapping], *, goals: bool) -> str:
    rows = []
    for name in ("text encoder", "vae"):
        for way, one in found.get(name, {}).items():
            if isinstance(one, Mapping):
                rows.append((
                    name, way, _seconds(one.get("placed")), _seconds(one["seconds"]),
                    _gigabytes(one["peak"]),
                ))  # fmt: skip
    head = ("part", "how", "placed in s", "seconds", "peak GB")
    return _table(
        "Parts by themselves: the words of a job (prompt and negative, all tokens), and what the"
        " pipeline encodes and decodes.",
        head,
        rows,
    )


def _of(found: Mapping[str, Mapping], kind: str) -> list[tuple[str, Mapping]]:
    return [(name, one) for name, one in found.items() if "/" in name and kind in one]


def _table(title: str, head: tuple[str, ...], rows: list[tuple]) -> str:
    if not rows:
        return ""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join([title, "", *(f"| {' | '.join(map(str, line))} |" for line in lines)])


def _judged(text: str, met: bool) -> str:
    return text if met else f"**{text}**"


def _share(share: float | None, *, goals: bool) -> str:
    if share is None:
        return _NOTHING
    return _judged(f"{share:.0%}", not goals or share >= SHARE_GOAL)


def _seconds(seconds: float | None) -> str:
    return _NOTHING if seconds is None else f"{seconds:.2f}"


def _gigabytes(size: float | None) -> str:
    return _NOTHING if size is None else f"{size / 1e9:.1f}"
