"""Measures the draft against its bars and prints markdown.

    python -m benchmarks.draft quality SHOTS [--weights FOLDER] [--out table.md] [--quick]
    python -m benchmarks.draft fills SHOTS [--out table.md]
    python -m benchmarks.draft depth SHOTS [--out table.md]
    python -m benchmarks.draft speed SHOTS [--scene courtyard] [--frames 24,81] [--repeats 3]
    python -m benchmarks.draft picture SHOTS --out docs/images/draft-seeds.jpg [--weights FOLDER]

SHOTS is the folder that `blender_shots.py` wrote. `quality` puts the draft beside what needs no
learning, and says of every bar whether it is met; `fills` is its part without a draft; `depth` says
how right the depth is that holes of an imported still are given; `speed` runs whole processes,
`picture` puts seeds beside each other.

What needs no learning is kept in `--cache` with its scores, until its code, the shot or the truth
change. One run at a time uses a cache; another at the same time needs a folder of its own.
`--quick` uses the last four true frames and leaves out random weights and the second seed: enough
to compare weights with each other, not for the tables. `--weights` is a folder that `save_pipeline`
wrote; without it, those in use. Where time is not measured, torch gets one thread unless
`--threads` says otherwise: on a busy machine several only wait for each other.
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
import tempfile
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch

from backend.errors import DepthshotError
from backend.locks import FileLock

from .arguments import count
from .scenes import EvalScene, find_scenes

QUICK_FRAMES = 4
CACHE = Path(tempfile.gettempdir()) / "depthshot-benchmarks"


def quality(options: argparse.Namespace) -> str:
    """Return the tables of numbers and of bars."""
    from .quality import measure_drafts
    from .tables import explanation, numbers_table, verdicts_table

    measured = measure_drafts(_scenes(options), options.weights, quick=options.quick)
    parts = [explanation(measured), verdicts_table(measured), numbers_table(measured)]
    return "\n\n".join(parts)


def fills(options: argparse.Namespace) -> str:
    """Return the table of numbers without a draft."""
    from .quality import measure_classical
    from .tables import explanation, numbers_table

    measured = measure_classical(_scenes(options))
    return "\n\n".join([explanation(measured), numbers_table(measured)])


def depth(options: argparse.Namespace) -> str:
    """Return the table of errors of depth that nobody knows."""
    from .depth import measure_depth

    return measure_depth(_scenes(options))


def speed(options: argparse.Namespace) -> str:
    """Return the table of seconds and memory."""
    from .speed import measure_speed

    shot = options.shots / options.scene / "shot"
    if not (shot / "shot.json").is_file():
        raise ValueError(f"'{shot}' holds no shot; make one with benchmarks/blender_shots.py")
    return measure_speed(shot, counts=options.frames, repeats=options.repeats)


def picture(options: argparse.Namespace) -> str:
    """Write the picture of seeds."""
    from .pictures import draw_seeds

    return draw_seeds(_scenes(options), options.weights, options.out)


def _scenes(options: argparse.Namespace) -> list[EvalScene]:
    names = tuple(filter(None, options.scenes.split(",")))
    most = QUICK_FRAMES if getattr(options, "quick", False) else None
    return find_scenes(options.shots, options.cache, names=names, most=most)


def _check_out(out: Path | None) -> None:
    """Refuse a file that could not be written, before anything is measured."""
    if out is not None and not out.parent.is_dir():
        raise ValueError(f"'{out.parent}' is no folder; make it first or give another --out")


def _alone(options: argparse.Namespace) -> AbstractContextManager[object]:
    """Return what keeps other runs away from the cache; nothing where there is none."""
    if options.run is speed:
        return nullcontext()
    try:
        options.cache.mkdir(parents=True, exist_ok=True)
    except OSError as reason:
        raise ValueError(
            f"'{options.cache}' cannot keep what is made ({reason.strerror}); name another folder"
            " with --cache"
        ) from reason
    return FileLock(options.cache / "in-use.lock")


def _counts(text: str) -> tuple[int, ...]:
    return tuple(count(part) for part in text.split(","))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmarks.draft",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True)
    for run in (quality, fills, depth, speed, picture):
        command = commands.add_parser(run.__name__, help=run.__doc__)
        command.set_defaults(run=run)
        command.add_argument("shots", type=Path)
        command.add_argument("--out", type=Path, required=run is picture)
        if run is speed:
            command.add_argument("--scene", default="courtyard")
            command.add_argument("--frames", type=_counts, default=(24, 81))
            command.add_argument("--repeats", type=count, default=3)
            continue
        command.add_argument("--threads", type=count, default=1)
        command.add_argument("--cache", type=Path, default=CACHE)
        command.add_argument("--scenes", default="", help="names, with commas between; all")
        if run not in (fills, depth):
            command.add_argument("--weights", type=Path)
        if run is quality:
            command.add_argument("--quick", action="store_true")
    return parser


def main() -> int:
    """Run what the command line asks for."""
    options = _parser().parse_args()
    if options.run is not speed:
        torch.set_num_threads(options.threads)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        _check_out(options.out)
        with _alone(options):
            text = options.run(options)
    except (ValueError, DepthshotError, subprocess.CalledProcessError) as reason:
        sys.stderr.write(f"{reason}\n")
        return 1
    sys.stdout.write(text + "\n")
    if options.out is not None and options.run is not picture:
        options.out.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
