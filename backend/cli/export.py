"""`export`: a take as a movie, a shot or a take as a nerfstudio dataset."""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..events import Event
from .talk import json_lines, progress_bar, stop_on_signal


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("export", help="write a take or a shot for other programs")
    kinds = parser.add_subparsers(metavar="WHAT", required=True, title="what")
    _add_movie(kinds)
    _add_dataset(kinds)


def _add_movie(kinds: argparse._SubParsersAction) -> None:
    parser = kinds.add_parser("movie", help="a take as a movie file")
    parser.add_argument("take", type=Path, metavar="TAKE", help="folder of a finished take")
    parser.add_argument(
        "--codec", choices=("h264", "prores", "prores4444"), default="h264",
        help="H.264 (.mp4), ProRes 422 HQ or ProRes 4444 (.mov); default: h264",
    )  # fmt: skip
    parser.add_argument(
        "--quality", choices=("high", "normal", "small"), default="normal",
        help="of H.264 (default: normal)",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    _add_talk(parser)
    parser.set_defaults(run=_movie)


def _add_dataset(kinds: argparse._SubParsersAction) -> None:
    parser = kinds.add_parser("dataset", help="a shot's stills or a take's frames for nerfstudio")
    parser.add_argument(
        "source", type=Path, metavar="SHOT|TAKE", help="folder of a shot or of a finished take"
    )
    parser.add_argument("--shot", type=Path, metavar="SHOT", help="the take's shot, for depth")
    parser.add_argument(
        "--captures", type=Path, metavar="DIR", help="folder of shots to look for the take's in"
    )
    parser.add_argument(
        "--stills", action="store_true", help="of a take, export the stills of its shot instead"
    )
    parser.add_argument(
        "--depth", choices=("png", "npy", "none"), default="png",
        help="16-bit millimetres up to 65 m, or float32 (default: png)",
    )  # fmt: skip
    parser.add_argument(
        "--masks", choices=("none", "seen"), default="none",
        help="seen: train only on pixels that a still shows (default: none)",
    )  # fmt: skip
    parser.add_argument("--no-points", action="store_true", help="write no point cloud")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to make")
    _add_talk(parser)
    parser.set_defaults(run=_dataset)


def _add_talk(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print events as JSON lines")
    parser.add_argument(
        "--stop-with-stdin", action="store_true", help="cancel as soon as stdin is closed"
    )


def _movie(options: argparse.Namespace) -> int:
    from ..export.movie import export_movie

    with _talk(options) as (on_event, stop):
        movie = export_movie(
            options.take,
            options.out,
            codec=options.codec,
            quality=options.quality,
            overwrite=options.overwrite,
            on_progress=lambda done, total: on_event(_progress("encoding", done, total)),
            should_stop=stop.is_set,
        )
        for sentence in movie.warnings:
            on_event(Event("warning", message=sentence))
    if not options.json:
        width, height = movie.size
        sys.stdout.write(
            f"{movie.frames} frames of {width} x {height} at {float(movie.rate):.6g} a second in"
            f" {options.out}\n"
        )
    return 0


def _dataset(options: argparse.Namespace) -> int:
    from ..export.dataset import export_dataset
    from ..export.nerfstudio import DatasetSettings

    with _talk(options) as (on_event, stop):
        dataset = export_dataset(
            options.source,
            options.out,
            settings=DatasetSettings(
                depth=options.depth, masks=options.masks, points=not options.no_points
            ),
            shot=options.shot,
            captures=options.captures,
            stills=options.stills,
            on_progress=lambda done, total: on_event(_progress("writing pictures", done, total)),
            should_stop=stop.is_set,
        )
        for sentence in dataset.warnings:
            on_event(Event("warning", message=sentence))
    if not options.json:
        sys.stdout.write(f"{dataset.pictures} pictures with their cameras in {options.out}\n")
    return 0


@contextmanager
def _talk(
    options: argparse.Namespace,
) -> Iterator[tuple[Callable[[Event], None], threading.Event]]:
    """Yield what shows an event as asked for, and what is set once the export has to stop."""
    with (
        stop_on_signal() as stop,
        json_lines() if options.json else progress_bar() as on_event,
    ):
        _watch(options, stop)
        yield on_event, stop


def _progress(phase: str, done: int, total: int) -> Event:
    return Event("progress", phase=phase, done=done, total=total, share=done / total)


def _watch(options: argparse.Namespace, stop: threading.Event) -> None:
    """Stop when whoever started this process closes its stdin, or ends."""
    if not options.stop_with_stdin:
        return

    def wait() -> None:
        while sys.stdin.buffer.read(4096):
            pass
        stop.set()

    threading.Thread(target=wait, name="stdin", daemon=True).start()
