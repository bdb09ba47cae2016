"""The training's command line: `python -m backend.training COMMAND`, in the project's folder.

train     train, or go on with a training that was stopped
prepare   examples of rendered shots, to evaluate on
evaluate  numbers and a picture for any weights
export    weights as they ship
samples   what the training sees
curves    how a training went
flops     what the network costs

exit status: 0 it worked; 1 it failed, with one sentence on stderr; 2 the command was wrong; 130 it
was stopped, and what is finished is kept
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..errors import Cancelled, DepthshotError, SettingError
from ..locks import FileLock

log = logging.getLogger(__name__)

_FIRST = 64  # examples that a training begins with
_LOOKED_AT = 24  # windows of rendered shots at an evaluation within a training
_LOCK_FILE = "in-use.lock"  # in a run's folder
_SIZES = ((128, 128), (480, 832))  # of `flops`


def train(options: argparse.Namespace) -> None:
    """Train, or go on with a training."""
    import torch

    from .checkpoint import writing
    from .evaluate import evaluate, held_out, load_examples, spread
    from .pool import Pool, check_pool
    from .settings import Settings
    from .train import Trainer

    settings = Settings(
        minutes=options.minutes,
        crop=options.crop,
        batch=options.batch,
        rate=options.rate,
        seed=options.seed,
        threads=options.threads,
        texture=options.texture,
        texture_share=options.texture_share,
        compile=options.compile,
        evaluate_minutes=options.evaluate_minutes,
    )
    ring = {"examples": options.pool_size, "size": options.size, "processes": options.processes}
    check_pool(**ring)
    if options.crop > options.size:
        raise SettingError(f"--crop {options.crop} is larger than --size {options.size}; cut less.")
    rendered = spread(load_examples(options.blender), _LOOKED_AT) if options.blender else []
    torch.backends.cudnn.benchmark = True
    with ExitStack() as held:
        with writing(options.out):
            options.out.mkdir(parents=True, exist_ok=True)
            # First: another process may be writing the checkpoint that is read.
            held.enter_context(FileLock(options.out / _LOCK_FILE))
        trainer = Trainer(options.out, settings, device=options.device, start=options.start)
        if trainer.finished:
            _say(f"The {options.minutes:g} minutes of {options.out} are over; to go on, give more.")
            return
        held.enter_context(_heard(trainer.stop))
        pool = None
        if not trainer.over:  # else it was stopped before its last evaluation
            pool = held.enter_context(Pool.start(options.pool, seed=options.seed, **ring))
        log.info("Rendering the scenes to evaluate on")
        scenes = held_out()

        def measure(network):
            metrics = evaluate(network, scenes)
            found = evaluate(network, rendered) if rendered else {}
            return metrics | {f"blender_{name}": value for name, value in found.items()}

        if pool is not None:
            pool.wait(min(_FIRST, options.pool_size), until=lambda: trainer.stopped)
        if not trainer.stopped:
            trainer.fit(pool.draw, measure) if pool is not None else trainer.finish(measure)
    if not trainer.finished:
        step = trainer.progress.step
        raise Cancelled(f"Stopped at step {step}; give the same command again to go on.")
    _say(f"Trained, {trainer.progress.step} steps; `evaluate {options.out}` measures the weights.")


@contextmanager
def _heard(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at the first signal to end; the second ends the process at once."""

    def hear(number: int, _: object) -> None:
        stop()
        signal.signal(number, signal.SIG_DFL)  # who asks again need not wait
        sys.stderr.write("Stopping after this step or evaluation; again to end at once.\n")

    former = {number: signal.signal(number, hear) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in former.items():
            # None: set by something else than Python, and cannot be set from it.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def prepare(options: argparse.Namespace) -> None:
    """Make examples of shots whose true frames are known."""
    from .evaluate import save_examples
    from .prepare import prepare as windows_of

    if len(options.folders) % 2:
        raise DepthshotError("Give a TRUTH folder after each SHOT folder.")
    pairs = zip(options.folders[::2], options.folders[1::2], strict=True)
    examples = [example for shot, truth in pairs for example in windows_of(shot, truth)]
    save_examples(examples, options.out)
    _say(f"{len(examples)} examples in {options.out}")


def evaluate(options: argparse.Namespace) -> None:
    """Print numbers for weights as JSON; with --sheet, write a picture of what they make."""
    from .checkpoint import load_network
    from .evaluate import evaluate as measure
    from .evaluate import held_out, load_examples
    from .settings import find_device
    from .sheet import compare

    network = load_network(options.place).to(find_device(options.device))
    examples = load_examples(options.blender) if options.blender else held_out()
    settings = {"steps": options.steps, "shift": options.shift}
    _say(json.dumps(measure(network, examples, **settings), indent=1))
    if options.sheet:
        _write_png(compare(network, examples, **settings), options.sheet)


def export(options: argparse.Namespace) -> None:
    """Write weights as they ship."""
    from ..models.weights import fingerprint
    from .export import export as write

    size = write(options.place, options.out, shift=options.shift)
    revision = fingerprint(options.out)
    _say(f"{options.out}: {size / 1e6:.2f} MB; to ship, the card's revision is '{revision}'")


def samples(options: argparse.Namespace) -> None:
    """Write a contact sheet of scenes."""
    from .scenes import contact_sheet

    _write_png(contact_sheet(options.seeds), options.out)


def curves(options: argparse.Namespace) -> None:
    """Draw a training's loss and evaluations."""
    from .curves import draw_curves, read_log

    _write(draw_curves(read_log(options.place)).encode(), options.out)


def flops(options: argparse.Namespace) -> None:
    """Print what the network costs."""
    from ..models.draft.network import DraftNetwork
    from .checkpoint import load_network
    from .flops import count_cost, count_parameters

    network = load_network(options.place) if options.place else DraftNetwork()
    _say(f"{count_parameters(network):,} parameters")
    for height, width in _SIZES:
        gflop = count_cost(network, height, width)
        _say(f"{width} x {height}: {gflop:.2f} GFLOP an evaluation")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def _write_png(picture, path: Path) -> None:
    from ..png import encode

    _write(encode(picture), path)


def _write(content: bytes, path: Path) -> None:
    from .checkpoint import writing

    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _seeds(text: str) -> list[int]:
    if not all(part.isdecimal() for part in text.split(",")):
        raise argparse.ArgumentTypeError(f"{text!r} are no seeds; give numbers, as in 0,1,2")
    return [int(part) for part in text.split(",")]


def _steps(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of steps from 1 up")
    return int(text)


def _shift(text: str) -> float:
    try:
        shift = float(text)
    except ValueError:
        shift = math.nan
    if not 0 < shift < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no shift; give a number above 0")
    return shift


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m backend.training",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True, title="commands")

    def add(run) -> argparse.ArgumentParser:
        command = commands.add_parser(run.__name__, help=run.__doc__, description=run.__doc__)
        command.set_defaults(run=run)
        return command

    _add_train(add(train))
    command = add(prepare)
    command.add_argument("folders", type=Path, nargs="+", metavar="SHOT TRUTH")
    command.add_argument("--out", type=Path, required=True, metavar="EXAMPLES.npz")
    command = add(evaluate)
    command.add_argument("place", type=Path, metavar="RUN|WEIGHTS")
    command.add_argument("--blender", type=Path, metavar="EXAMPLES.npz", help="of `prepare`")
    command.add_argument("--sheet", type=Path, metavar="OUT.png")
    command.add_argument("--steps", type=_steps, default=4)
    command.add_argument("--shift", type=_shift, default=1.0, help="of the sampler's flow times")
    command.add_argument("--device", default="cpu")
    command = add(export)
    command.add_argument("place", type=Path, metavar="RUN|CHECKPOINT")
    command.add_argument("--out", type=Path, default=Path("backend/models/draft/weights"))
    command.add_argument("--shift", type=_shift, default=1.0, help="of the sampler's flow times")
    command = add(samples)
    command.add_argument("--out", type=Path, required=True, metavar="SHEET.png")
    command.add_argument("--seeds", type=_seeds, default=[0, 1, 2], metavar="0,1,2")
    command = add(curves)
    command.add_argument("place", type=Path, metavar="RUN")
    command.add_argument("--out", type=Path, required=True, metavar="CURVES.svg")
    command = add(flops)
    command.add_argument("place", type=Path, nargs="?", metavar="RUN|WEIGHTS")
    return parser


def _add_train(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", type=Path, required=True, metavar="RUN")
    command.add_argument("--pool", type=Path, required=True, metavar="FOLDER")
    command.add_argument("--pool-size", type=int, default=6000, metavar="EXAMPLES")
    command.add_argument("--size", type=int, default=256, metavar="PIXELS", help="of an example")
    command.add_argument("--processes", type=int, default=1, help="that render scenes")
    command.add_argument("--minutes", type=float, required=True, help="wall clock, all starts")
    command.add_argument("--crop", type=int, default=128, metavar="PIXELS")
    command.add_argument("--batch", type=int, default=16, metavar="CROPS")
    command.add_argument("--rate", type=float, default=8e-4, help="the highest learning rate")
    command.add_argument("--device", default="cpu")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--threads", type=int, default=1, help="that make batches ahead")
    command.add_argument("--texture", type=float, default=0.0, help="weight of the last stage")
    command.add_argument("--texture-share", type=float, default=0.3, help="of the time, for it")
    command.add_argument("--compile", action="store_true", help="let torch compile the network")
    command.add_argument("--evaluate-minutes", type=float, default=8.0, metavar="MINUTES")
    command.add_argument("--blender", type=Path, metavar="EXAMPLES.npz", help="of `prepare`")
    command.add_argument("--start", type=Path, metavar="RUN|WEIGHTS",
                         help="first weights of a new training (random ones)")  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Run one command; return its exit status."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except SettingError as reason:
        return _fail(reason, 2)
    except (Cancelled, KeyboardInterrupt) as reason:
        return _fail(reason if isinstance(reason, Cancelled) else "Stopped.", 130)
    except DepthshotError as reason:
        return _fail(reason, 1)
    return 0


def _fail(reason: object, status: int) -> int:
    sys.stderr.write(f"{reason}\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
