"""Large video models on a GPU with random weights of the published sizes: time and memory.

    python -m benchmarks.gpu_video [--model both] [--part PREFIX] [--minutes 8] [--out table.md]
        [--set compile=true]
    python -m benchmarks.gpu_video --device cpu --small          # a rehearsal, with tiny networks

Wan VACE 1.3B and 14B, 81 frames of 832x480 in one window: seconds of a step and which share of the
card's rate, measured in the same run, they keep up; memory against what preflight reckons, under
every memory plan; whole jobs of 4 and of 50 steps beside the bare diffusers pipeline in the same
process; the text encoder and the VAE by themselves.

It needs torch, diffusers, transformers, numpy, safetensors and psutil alone. No weights are read:
they are made up where they work. What was measured is kept in a JSON file beside the table after
every measurement; called again it goes on where it ended, and no measurement is begun that would
not end within the minutes. So a machine that is rented by the minute will do.
"""

from __future__ import annotations

import argparse
import gc
import importlib.metadata
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from backend.cli.given import given_settings
from backend.models.card import Value
from backend.models.memory import FOUR, FULL, ON_CPU, RESIDENT, estimate, plans_for
from backend.models.speeds import forward_work, video_seconds
from backend.models.video.place import free_memory, place_text
from backend.paths import OVERRIDE

from .gpu_video_table import Results, table
from .posts import make_shot
from .random_video import (
    PUBLISHED,
    TINY,
    Shape,
    Weights,
    card_of,
    keep_words,
    random_text_encoder,
    random_vae,
    work_type,
)
from .video_runs import CUDA, Run, clock, libraries_bytes, matrix_rate, run_bare, run_job

log = logging.getLogger(__name__)

LARGE, SMALL = ((832, 480), 81), ((96, 64), 9)  # size and frames
FAST, SLOW, FEW = 4, 50, 6  # steps; few are for a rehearsal
BOTH = "both"
_SETTINGS = {"size": "shot", "window": 81, "guidance": 1.0}
_BUILDING = 60.0  # seconds that are reckoned for weights to be made up and placed
_TEXT, _VAE = "text encoder", "vae"


@dataclass(slots=True)
class Bench:
    """What all measurements share.

    Attributes:
        device: What is measured.
        size: Of the pictures.
        frames: Of the shot.
        small: Whether networks are tiny.
        settings: Of every job, as text by name.
        rate: FLOP a second of large matrix products; None before it was measured.
        libraries: Bytes of the device that are taken beside tensors; None for a CPU.
    """

    device: torch.device
    size: tuple[int, int]
    frames: int
    small: bool
    settings: dict[str, object]
    rate: float
    libraries: int | None


class Held:
    """One size of the model with its generator, built when it is first needed."""

    def __init__(self, bench: Bench, shape: Shape) -> None:
        """Build nothing yet."""
        self.bench, self.shape, self.card = bench, shape, card_of(shape)
        self.weights = Weights(shape, device=bench.device)
        self._generator = None

    def run(self, settings: dict[str, Value]) -> Run:
        """Make the shot."""
        bench = self.bench
        if self._generator is None:
            began = clock(bench.device)
            self._generator = self.weights.generator()
            log.info("  weights made up in %.0f s", clock(bench.device) - began)
        reader = make_shot(bench.size, bench.frames)
        given = {**_SETTINGS, **bench.settings, **settings}
        return run_job(self._generator, self.card, reader, given, device=bench.device)

    def bare(self, *, steps: int) -> float:
        """Return the seconds of the bare pipeline, placed as the last job has placed it."""
        bench = self.bench
        return run_bare(
            self.weights.pipeline, keep_words(self.shape, device=bench.device), size=bench.size,
            frames=bench.frames, steps=steps, guidance=1.0, device=bench.device,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measurement:
    """One thing to measure: its name, about how many seconds it takes, and what does it."""

    name: str
    seconds: float
    measure: Callable[[], dict[str, object]]


def measurements(bench: Bench, models: dict[str, Shape]) -> Iterator[Measurement]:
    """Yield everything there is to measure, in an order in which no weights are built twice."""
    yield Measurement(_TEXT, _BUILDING, partial(measure_text, bench))
    yield Measurement(_VAE, _BUILDING, partial(measure_vae, bench))
    for name, shape in models.items():
        held = Held(bench, shape)
        first = True
        # Weights of 4 bits are made of files, and here there are none.
        plans = [p for p in plans_for(bench.device.type, held.card) if p.bits > FOUR]
        plan = "auto" if plans == [ON_CPU] else RESIDENT.id
        # Bare runs of 50 steps cost as much as the job again, and differ in the steps alone.
        for steps, repeats in ((FAST, 2), (FEW if bench.small else SLOW, 0)):
            forwards = (2 * repeats + 1) * steps + 1
            yield Measurement(
                f"{name}/{steps} steps",
                _seconds(held, bench, plans[0], forwards=forwards, build=first),
                partial(measure_jobs, held, steps=steps, plan=plan, repeats=repeats),
            )
            first = False
        for plan in plans:
            yield Measurement(
                f"{name}/plan {plan.id}",
                _seconds(held, bench, plan, forwards=5, build=True),
                partial(measure_plan, held, plan),
            )
        held.weights.pipeline = held._generator = None
        free_memory(bench.device)


def measure_jobs(held: Held, *, steps: int, plan: str, repeats: int) -> dict[str, object]:
    """Return what whole jobs cost, and the bare pipeline in turn with them.

    Args:
        held: The model.
        steps: How many.
        plan: How it is held.
        repeats: How often both are run in turn; 0 for the job alone, once.
    """
    settings: dict[str, Value] = {"steps": steps, "memory": plan}
    held.run({**settings, "steps": 1})  # places it, and lets libraries choose their ways
    runs, bare = [], []
    for _ in range(repeats):
        bare.append(held.bare(steps=steps))
        runs.append(held.run(settings))
    run = min(runs, key=lambda each: each.seconds) if runs else held.run(settings)
    return {
        "steps": steps,
        "job": run.seconds,
        "bare": min(bare) if bare else None,
        "phases": run.phases,
        **_pace(held, run),
    }


def measure_plan(held: Held, plan: object) -> dict[str, object]:
    """Return what a memory plan needs and how fast a step is under it."""
    settings = {"steps": 3, "memory": "auto" if plan is ON_CPU else plan.id}
    began = clock(held.bench.device)
    held.run({**settings, "steps": 1})
    first = clock(held.bench.device) - began
    if held.bench.device.type == CUDA:
        held.bench.libraries = libraries_bytes(held.bench.device)
    run = held.run(settings)
    need = estimate(held.card, plan, size=held.bench.size, frames=held.bench.frames)
    libraries = held.bench.libraries
    return {
        "plan": run.plan,
        "first": first,
        "job": run.seconds,
        "peaks": run.peaks,
        "libraries": libraries,
        "vram": None if libraries is None else libraries + max(run.peaks.values()),
        "vram_reckoned": need.vram,
        "ram": run.ram,
        "ram_reckoned": need.ram,
        **_pace(held, run),
    }


def measure_text(bench: Bench) -> dict[str, object]:
    """Return the seconds for the words of a job, the encoder whole and layer by layer."""
    shape = TINY if bench.small else PUBLISHED["1.3b"]
    device, tokens = bench.device, shape.words[0]
    encoder = random_text_encoder(tiny=bench.small, device=device)
    words = torch.ones(1, tokens, dtype=torch.long, device=device)

    def read() -> float:
        began = clock(device)
        with torch.inference_mode():
            for _ in ("prompt", "negative"):
                encoder(words, torch.ones_like(words)).last_hidden_state.cpu()
        return clock(device) - began

    found: dict[str, object] = {}
    for way in ("whole", "layer by layer"):
        began = clock(device)
        encoder.to("cpu")
        place_text(encoder, device, free=None if way == "whole" else 0)
        placed = clock(device) - began
        read()
        _reset(device)
        found[way] = {"placed": placed, "seconds": read(), "peak": _peak(device)}
    return found


def measure_vae(bench: Bench) -> dict[str, object]:
    """Return seconds and memory for what the pipeline encodes and decodes, whole and in tiles."""
    shape = TINY if bench.small else PUBLISHED["1.3b"]
    device, (width, height) = bench.device, bench.size
    vae = random_vae(shape, device=device)
    picture = torch.rand(1, 3, bench.frames, height, width, device=device)
    found: dict[str, object] = {}
    for way in ("whole", "tiles"):
        if way == "tiles":
            vae.enable_tiling()
        with torch.inference_mode():
            latents = vae.encode(picture).latent_dist.mode()
            vae.decode(latents)
            _reset(device)
            began = clock(device)
            for _ in ("what is kept", "what is to be made"):
                vae.encode(picture)
            encoded, encode_peak = clock(device) - began, _peak(device)
            _reset(device)
            began = clock(device)
            vae.decode(latents)
            decoded, decode_peak = clock(device) - began, _peak(device)
        found[f"encode twice, {way}"] = {"seconds": encoded, "peak": encode_peak}
        found[f"decode, {way}"] = {"seconds": decoded, "peak": decode_peak}
    found["video"] = FULL * picture.numel()
    return found


def _pace(held: Held, run: Run) -> dict[str, object]:
    if run.step is None:
        return {"step": None, "share": None}
    work = forward_work(held.card, size=held.bench.size, frames=held.bench.frames)
    return {"step": run.step, "share": work / run.step / held.bench.rate}


def _seconds(held: Held, bench: Bench, plan: object, *, forwards: int, build: bool) -> float:
    """Return about how long it takes; half as fast again as the card's measured rate allows."""
    if bench.small:
        return 0.0
    works = video_seconds(
        held.card, plan, size=bench.size, windows=(bench.frames,), forwards=forwards,
        rate=bench.rate,
    )  # fmt: skip
    return (works or 0.0) + (_BUILDING if build else 0.0) + 20.0


def _reset(device: torch.device) -> None:
    gc.collect()
    if device.type == CUDA:
        torch.cuda.reset_peak_memory_stats(device)


def _peak(device: torch.device) -> int | None:
    return torch.cuda.max_memory_allocated(device) if device.type == CUDA else None


def measure(bench: Bench, options: argparse.Namespace, results: Results) -> None:
    """Measure what is not there yet and fits into the minutes; keep each result at once."""
    began = time.monotonic()
    models = {"tiny": TINY} if bench.small else PUBLISHED
    if not bench.small and options.model != BOTH:
        models = {options.model: PUBLISHED[options.model]}
    for one in measurements(bench, models):
        if not one.name.startswith(options.part) or one.name in results.found:
            continue
        left = options.minutes * 60 - (time.monotonic() - began)
        if one.seconds > left:
            log.info("%s: put off, it takes about %.0f s of %.0f", one.name, one.seconds, left)
            results.put_off(one.name, one.seconds)
            continue
        log.info("%s (about %.0f s)", one.name, one.seconds)
        try:
            found = one.measure()
        except torch.OutOfMemoryError as reason:
            log.warning("%s: %s", one.name, reason)
            found = {"failed": "out of memory"}
        free_memory(bench.device)
        results.keep(one.name, found)


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.gpu_video",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--device", default=CUDA)
    parser.add_argument("--model", choices=(*PUBLISHED, BOTH), default=BOTH)
    parser.add_argument("--part", default="", help="only what begins so, such as '14b/plan'")
    parser.add_argument("--minutes", type=float, default=8.0, help="for this call")
    parser.add_argument("--small", action="store_true", help="tiny networks, few small frames")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="settings",
        help="a setting of every job, such as compile=true",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("gpu-video.md"))
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    device = torch.device(options.device)
    if device.type == CUDA and not torch.cuda.is_available():
        sys.stderr.write(
            "There is no GPU that torch can use here, so nothing was measured; --device cpu --small"
            " rehearses the same run.\n"
        )
        return 1
    with torch.inference_mode():
        rate = statistics.median(matrix_rate(device) for _ in range(3))
    size, frames = SMALL if options.small else LARGE
    settings = given_settings(options.settings)
    bench = Bench(device, size, frames, options.small, settings, rate, libraries_bytes(device))
    results = Results(options.out.with_suffix(".json"))
    machine = {
        "device": torch.cuda.get_device_name(device) if device.type == CUDA else device.type,
        "rate": rate,
        "numbers": str(work_type(device)).removeprefix("torch."),
        "versions": {name: importlib.metadata.version(name) for name in _VERSIONS},
        "size": list(size),
        "frames": frames,
        "small": options.small,
        "settings": settings,
    }
    if not results.describe(machine):
        sys.stderr.write(
            f"'{options.out}' is about another machine, version, size or setting; name another"
            " --out.\n"
        )
        return 1
    with tempfile.TemporaryDirectory() as data:
        os.environ[OVERRIDE] = data
        measure(bench, options, results)
    text = table(results)
    options.out.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return 0


_VERSIONS = ("torch", "diffusers", "transformers")


if __name__ == "__main__":
    sys.exit(main())
