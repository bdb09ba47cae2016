"""`python -m backend.training`: the command line of the training, started in the project's folder.

    train --out RUN --pool FOLDER --minutes 60
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import DepthshotError


_FIRST = 64  # examples that a training begins with


def train(options: argparse.Namespace) -> int:
    """Train, or go on with a training."""
    import torch

    from .evaluate import evaluate, held_out, load_examples
    from .pool import Pool
    from .train import Settings, Trainer

    blender = load_examples(options.blender) if options.blender else []
    settings = Settings(
        minutes=options.minutes,
        crop=options.crop,
        batch=options.batch,
        rate=options.rate,
        seed=options.seed,
        threads=options.threads,
        compile=options.compile,
        evaluate_seconds=options.evaluate_minutes * 60,
    )
    trainer = Trainer(options.out, settings, device=options.device, start=options.start)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: trainer.stop())
    pool = Pool.start(
        options.pool,
        examples=options.pool_size,
        size=256,
        processes=options.processes,
        seed=options.seed,
    )
    try:
        scenes = held_out()

        def measure(network):
            metrics = evaluate(network, scenes)
            if blender:
                found = evaluate(network, blender)
                metrics |= {f"blender_{name}": value for name, value in found.items()}
            return metrics

        pool.wait(min(_FIRST, options.pool_size))
        torch.backends.cudnn.benchmark = True
        trainer.fit(pool.draw, measure)
    finally:
        pool.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m backend.training", description=__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True, title="commands")
    command = commands.add_parser("train", help=train.__doc__)
    command.set_defaults(run=train)
    command.add_argument("--out", type=Path, required=True, metavar="RUN")
    command.add_argument("--pool", type=Path, required=True, metavar="FOLDER")
    command.add_argument("--pool-size", type=int, default=6000, metavar="EXAMPLES")
    command.add_argument("--processes", type=int, default=1, help="that render scenes")
    command.add_argument("--minutes", type=float, required=True, help="wall clock, all starts")
    command.add_argument("--crop", type=int, default=128, metavar="PIXELS")
    command.add_argument("--batch", type=int, default=16, metavar="CROPS")
    command.add_argument("--rate", type=float, default=8e-4, help="the highest learning rate")
    command.add_argument("--device", default="cpu")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--threads", type=int, default=1, help="that make batches ahead")
    command.add_argument("--compile", action="store_true", help="let torch compile the network")
    command.add_argument("--evaluate-minutes", type=float, default=8.0, metavar="MINUTES")
    command.add_argument("--blender", type=Path, metavar="EXAMPLES.npz", help="of `prepare`")
    command.add_argument("--start", type=Path, metavar="PLACE", help="first weights: a run, ...")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run one command; return its exit status."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except DepthshotError as reason:
        sys.stderr.write(f"{reason}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
