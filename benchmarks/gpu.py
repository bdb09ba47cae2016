"""Projection and draft on a GPU: seconds, frames a second, and agreement with the CPU.

    python -m benchmarks.gpu [--device cuda] [--weights FOLDER] [--out table.md]
    python -m benchmarks.gpu --device cpu --small          # a rehearsal

Whole shots made up here (posts before a wall, a camera that passes them), so it needs torch, numpy,
diffusers and the standard library alone: no files are read but the weights, no PNG is written. The
first run of each model warms it up and is not counted.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from backend.models.draft import CARDS as DRAFT_CARDS
from backend.models.draft.load import load_pipeline
from backend.models.draft.model import DraftModel
from backend.models.interface import Model, Request
from backend.models.projection import CARDS as PROJECTION_CARDS
from backend.models.projection.pipeline import ProjectionModel

from .posts import FPS, Frames, MemoryReader, MemorySink, make_shot

LARGE, SMALL = ((832, 480), 81), ((208, 120), 9)  # size and frames
COMPARED = 8  # frames that the CPU makes as well


def run(
    model: Model, reader: MemoryReader, settings: Mapping[str, object], *, wanted: Sequence[int]
) -> Frames:
    """Let a model make some frames of a shot in memory."""
    sink = MemorySink()
    others = frozenset(range(reader.shot.frames)) - frozenset(wanted)
    model.generate(Request(reader, settings, 0, finished=others), sink)
    return {index: sink.frames[index] for index in wanted}


def measure(device: torch.device, *, small: bool, weights: Path | None) -> str:
    """Return the table of all models on a device, beside the CPU."""
    size, count = SMALL if small else LARGE
    reader = make_shot(size, count)
    every = range(count)
    some = sorted({round(n * (count - 1) / COMPARED) for n in range(1, COMPARED + 1)})
    lines = [
        f"{_name(device)}, torch {torch.__version__}; {count} frames of {size[0]} x {size[1]} at"
        f" {FPS:.0f} fps.",
        "",
        "| model | unseen | seconds | frames a second | of real time | device memory MB |"
        " same bytes twice | other bytes than the CPU | by levels, mean | most |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, (here, there, settings) in _models(device, weights).items():
        run(here, reader, settings, wanted=some)
        _reset_peak(device)
        began = time.perf_counter()
        first = run(here, reader, settings, wanted=every)
        _wait(device)
        seconds = time.perf_counter() - began
        peak = _peak(device)
        second = run(here, reader, settings, wanted=some)
        same = all(np.array_equal(first[i][part], second[i][part]) for i in some for part in (0, 1))
        other = run(there, reader, settings, wanted=some)
        away = np.concatenate([_difference(first[i][0], other[i][0]) for i in some])
        unseen = np.mean([first[i][1].mean() / 255 for i in every])
        lines.append(
            f"| {name} | {unseen:.1%} | {seconds:.2f} | {count / seconds:.1f} |"
            f" {count / seconds / FPS:.2f} | {peak} | {'yes' if same else '**no**'} |"
            f" {np.mean(away > 0):.4%} | {away.mean():.5f} | {away.max()} |"
        )
    return "\n".join(lines)


def _models(device: torch.device, weights: Path | None) -> dict[str, tuple]:
    """Return (model on the device, on the CPU, settings) by name."""
    (projection,), (draft,) = PROJECTION_CARDS, DRAFT_CARDS
    both = (device, torch.device("cpu"))
    made = {
        "projection": (
            *(ProjectionModel(projection, device=str(each)) for each in both),
            projection.check_settings({}),
        )
    }
    drafts = [
        DraftModel(draft, pipeline=load_pipeline(weights, device=each), device=str(each))
        for each in both
    ]
    made["draft, `mean`"] = (*drafts, draft.check_settings({"mean": True}))
    made["draft, one sample"] = (*drafts, draft.check_settings({}))
    return made


def _difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.abs(first.astype(np.int16) - second.astype(np.int16)).ravel()


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def _peak(device: torch.device) -> str:
    if device.type != "cuda":
        return "-"
    return f"{torch.cuda.max_memory_allocated(device) / 1e6:.0f}"


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="few and small frames")
    parser.add_argument("--weights", type=Path, help="the draft's; those in use if left out")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        sys.stderr.write(
            "There is no GPU that torch can use here, so nothing was measured; --device cpu --small"
            " rehearses the same run.\n"
        )
        return 1
    text = measure(device, small=options.small, weights=options.weights)
    sys.stdout.write(text + "\n")
    if options.out is not None:
        options.out.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
