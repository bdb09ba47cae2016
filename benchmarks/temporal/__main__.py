"""Makes clips, trains, makes the held-out clips in every way, scores them and prints the table.

    python -m benchmarks.temporal --out FOLDER --minutes 4.5

Minutes are of CPU time on one thread, for each network, the stage that all have in common
included. Clips and weights stay in FOLDER and are not made again, so an interrupted run goes on.
A folder keeps the settings that its weights hang on and is refused for others; `--held-out` and
`--seeds` are none of them.
"""

from __future__ import annotations

import argparse
import logging
import math
import sys
from pathlib import Path

import torch

from ..arguments import count
from .clips import Clip, make_clip
from .settings import WIDTHS, Settings
from .table import markdown
from .trial import measure, train_all

log = logging.getLogger(__name__)

HELD_OUT = 1_000_000  # first seed of the clips that are not trained on


def clips_of(folder: Path, seeds: range, *, size: int) -> list[Clip]:
    """Return the clips of some seeds, made where the folder lacks them."""
    folder.mkdir(parents=True, exist_ok=True)
    clips = []
    for seed in seeds:
        file = folder / f"{size}-{seed}.npz"
        if not file.exists():
            part = file.with_suffix(".part.npz")
            make_clip(seed, size=size).save(part)
            part.replace(file)
        clips.append(Clip.load(file))
    log.info("%d clips of %d pixels from seed %d on", len(clips), size, seeds.start)
    return clips


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = math.nan
    if not 0 < minutes < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of minutes above 0")
    return minutes


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmarks.temporal",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=_minutes, default=4.5)
    parser.add_argument("--clips", type=count, default=400, help="to train on")
    parser.add_argument("--held-out", type=count, default=16)
    parser.add_argument("--size", type=count, default=128, help="pixels a side")
    parser.add_argument("--seeds", type=count, default=3, help="takes of each clip in each way")
    parser.add_argument("--widths", type=count, nargs="+", default=WIDTHS, help="of the networks")
    return parser


def main() -> int:
    """Run what the command line asks for."""
    options = _parser().parse_args()
    try:
        settings = Settings(options.minutes, options.clips, options.size, tuple(options.widths))
        settings.claim(options.out)
    except ValueError as reason:
        sys.stderr.write(f"{reason}\n")
        return 1
    torch.set_num_threads(1)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    folder = options.out / "clips"
    clips = clips_of(folder, range(options.clips), size=options.size)
    held_out = clips_of(folder, range(HELD_OUT, HELD_OUT + options.held_out), size=options.size)
    trained = train_all(options.out, clips, settings)
    text = markdown(measure(trained, held_out, seeds=range(options.seeds)), trained, held_out)
    sys.stdout.write(text + "\n")
    (options.out / "table.md").write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
