"""What our whole job costs beside the bare diffusers pipeline, in one process on the CPU.

    python -m benchmarks.overhead [--size 416x240] [--frames 33] [--steps 8] [--repeats 2]

A shot on disk becomes a take on disk, through `backend.generate`: read, projected, guided,
generated, composited, hashed and written. Beside it the stock pipeline makes the same number of
frames, in the same process, with the same weights: random ones of a middle size, large enough for
taking the noise away to be most of it. Both take turns; the least of each counts. Seconds of the
clock, and of the processor, which other programs disturb less.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from backend.generate import LOADING, generate
from backend.models.video.job import VideoModel
from backend.models.video.window import DECODING, DENOISING, ENCODING
from backend.paths import OVERRIDE
from backend.take import Take

from .arguments import count
from .posts_folder import write_posts
from .random_video import Shape, Weights, card_of, keep_words
from .video_runs import run_bare

MIDDLE = Shape(
    "wan-vace-1.3b",
    {
        "num_attention_heads": 4,
        "text_dim": 64,
        "ffn_dim": 2048,
        "num_layers": 6,
        "vace_layers": [0, 3],
        "rope_max_seq_len": 128,
    },
    vae={
        "base_dim": 8,
        "dim_mult": [1, 1, 2, 2],
        "num_res_blocks": 1,
        "temperal_downsample": [False, True, True],
    },
    words=(64, 64),
    published=False,
)
_CPU = torch.device("cpu")
_PIPELINE = (ENCODING, DENOISING, DECODING)


def measure(*, size: tuple[int, int], frames: int, steps: int, repeats: int) -> str:
    """Return the tables of both."""
    weights = Weights(MIDDLE, device=_CPU)
    card = card_of(MIDDLE)
    model = VideoModel(card, weights.generator(), device="cpu")
    words = keep_words(MIDDLE, device=_CPU)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_posts(folder, size=size, frames=frames)

        def job(name: str, *, steps: int = steps) -> Take:
            return generate(
                folder / "shot",
                model=card.id,
                settings={"size": "shot", "window": 81, "guidance": 1.0, "steps": steps},
                out=folder / name,
                device="cpu",
                on_event=lambda event: None,
                should_stop=lambda: False,
                load=lambda card, *, device: model,
                find=lambda card: None,
            )

        take = job("warm", steps=1)
        worked = tuple(take.details["working_size"])

        def bare() -> float:
            return run_bare(
                weights.pipeline, words, size=worked, frames=frames, steps=steps, guidance=1.0,
                device=_CPU,
            )  # fmt: skip

        bares, jobs = [], []
        for number in range(repeats):
            bares.append(_cost(bare)[1:])
            take, *cost = _cost(lambda number=number: job(f"take-{number}"))
            jobs.append((*cost, take))
    return _table(bares, jobs, size=size, frames=frames, steps=steps)


def _cost(work: Callable[[], object]) -> tuple:
    """Return what a call returns, and its seconds of the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    made = work()
    return made, time.perf_counter() - clock, time.process_time() - processor


def _table(
    bares: list[tuple], jobs: list[tuple], *, size: tuple[int, int], frames: int, steps: int
) -> str:
    wall, processor = ([min(each[n] for each in runs) for runs in (bares, jobs)] for n in (0, 1))
    lines = [
        f"{frames} frames of {size[0]} x {size[1]} in one window, {steps} steps without prompt"
        f" guidance, {os.cpu_count()} cores, torch {torch.__version__}.",
        "",
        "| | bare pipeline s | our job s | more |",
        "|---|---|---|---|",
    ]
    for name, (bare, job) in (("clock", wall), ("processor", processor)):
        lines.append(f"| {name} | {bare:.1f} | {job:.1f} | {job / bare - 1:+.1%} |")
    seconds, _, take = min(jobs, key=lambda each: each[0])
    phases = {name: each for name, each in take.details["seconds"].items() if name != LOADING}
    phases["anything else"] = seconds - sum(phases.values())
    lines += ["", "| phase of our job | seconds | share | in the pipeline |", "|---|---|---|---|"]
    for name, each in phases.items():
        inside = "yes" if name in _PIPELINE else ""
        lines.append(f"| {name} | {each:.2f} | {each / seconds:.1%} | {inside} |")
    outside = sum(each for name, each in phases.items() if name not in _PIPELINE)
    lines += [
        "",
        f"Outside the pipeline: {1e3 * outside / frames:.0f} ms a frame.",
    ]
    return "\n".join(lines)


def size_of(text: str) -> tuple[int, int]:
    """Return width and height of WxH; for argparse."""
    width, cross, height = text.partition("x")
    if not cross or not (width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not WxH")
    return int(width), int(height)


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.overhead",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--size", type=size_of, default=(416, 240), metavar="WxH")
    parser.add_argument("--frames", type=count, default=33)
    parser.add_argument("--steps", type=count, default=8)
    parser.add_argument("--repeats", type=count, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as data:
        os.environ[OVERRIDE] = data
        text = measure(
            size=options.size, frames=options.frames, steps=options.steps, repeats=options.repeats
        )
    sys.stdout.write(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
