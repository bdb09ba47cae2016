"""The first run of a large model with its real weights, on a machine with a GPU.

    python -m benchmarks.first_run --model wan-vace-1.3b --out DIR [--shots DIR] [--device cuda]

A fixed set of shots is made in every way there is (each guidance mode, locked to the still and
not, in few steps where that can be had, and by the draft and the projection), every take is scored
against true frames, and DIR/report.md says it all, with pictures. Nothing is downloaded: what is
missing is named with the command that brings it. A finished take is not made again, so it can be
stopped at any time and called once more.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from backend.errors import DepthshotError
from backend.generate import choose_device, quiet_libraries, versions
from backend.models import find_card
from backend.models.machine import Machine, disk_free, look
from backend.models.preflight import Preflight, preflight
from backend.models.weights import as_installed
from backend.paths import default_data_dir
from backend.wire import read_shot

from .report import Header, Made, write_report
from .run import Models, Runner
from .sheets import draw_holes, draw_sheet
from .shots import RunShot, chosen, find_shots
from .ways import Way, has_fast, missing, ways_of

log = logging.getLogger(__name__)

_SMALL = {"steps": 2, "size": "shot", "window": 9, "overlap": "5"}
_REPORT, _PICTURES = "report.md", "pictures"


def first_run(options: argparse.Namespace) -> int:
    """Make, score and report.

    Raises:
        DepthshotError: with one sentence.
        ValueError: the folder of shots is not one.
    """
    card = find_card(options.model)
    needed, useful = missing(card)
    if needed:
        sys.stderr.write("\n".join(["Not here yet; get it first:", *needed, *useful, ""]))
        return 1
    quiet_libraries()
    device = choose_device(options.device)
    given = dict(_SMALL) if options.small else {}
    known = {setting.name for setting in card.settings}
    ways = ways_of(card, {name: value for name, value in given.items() if name in known})
    shots = find_shots(options.shots, options.out / "shots", small=options.small)
    shots = chosen(shots, options.only)
    machine = look(device)
    _say_how_long(card.id, shots, ways, machine)
    left_out = [f"4 steps, until this was done: `{command}`." for command in useful]
    if card.fast is not None and not has_fast(card) and not useful:
        left_out = ["4 steps, because what that takes is not on this computer."]
    header = Header(
        card=as_installed(card),
        machine=machine,
        told=_told(card.id, machine, None),
        versions=versions(learned=True),
        seed=options.seed,
        small=options.small,
        left_out=left_out,
    )
    runner, models, made = Runner(options.out, device, options.seed), Models(), []
    for shot in shots:
        for way in ways:
            made.append(Made(shot, way, runner.make(shot, way, models)))
            write_report(options.out / _REPORT, header, made, options.out / _PICTURES)
        takes = {
            each.way.name: runner.take(shot, each.way)
            for each in made
            if each.shot is shot and "failed" not in each.result
        }
        draw_sheet(shot, takes, options.out / _PICTURES / f"{shot.name}.png")
        draw_holes(shot, takes, options.out / _PICTURES / f"{shot.name}-holes.png")
        write_report(options.out / _REPORT, header, made, options.out / _PICTURES)
    sys.stdout.write(f"{options.out / _REPORT}\n")
    return 1 if any("failed" in each.result for each in made) else 0


def _say_how_long(model: str, shots: list[RunShot], ways: list[Way], machine: Machine) -> None:
    """Say about how long it will take, where that can be reckoned."""
    seconds = 0.0
    for shot in shots:
        for way in ways:
            if way.model == model:
                told = _told(model, machine, shot, settings=way.settings)
                if told.seconds is None:
                    log.info("%d takes; how long they take is not known", len(shots) * len(ways))
                    return
                seconds += told.seconds
    log.info("%d takes, about %.1f h", len(shots) * len(ways), seconds / 3600)


def _told(model: str, machine: Machine, shot: RunShot | None, **options: object) -> Preflight:
    if shot is not None:
        content = read_shot(shot.shot)
        options |= {"size": content.size, "frames": content.frames}
    free = disk_free(default_data_dir())
    return preflight(find_card(model), machine, download=0, disk_free=free, **options)


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.first_run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", required=True, metavar="ID", help="one of `models`")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--shots", type=Path, metavar="DIR",
        help="NAME/shot and NAME/truth, as benchmarks/blender_shots.py writes them; without it"
        " posts before a wall are made up",
    )  # fmt: skip
    parser.add_argument("--only", default="", metavar="NAMES", help="shots, with commas between")
    parser.add_argument("--device", help="a torch device; the best one if left out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--small", action="store_true", help="a rehearsal: few, small frames")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        return first_run(options)
    except (DepthshotError, ValueError) as reason:
        sys.stderr.write(f"{reason}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
