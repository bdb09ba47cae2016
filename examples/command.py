"""The command line that the scripts which write a scene share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import bpy

Build = Callable[..., bpy.types.Scene]


def own_arguments() -> list[str]:
    """Return what follows `--`, or everything when there is none (plain Python has no need)."""
    return sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for a scene and where it goes."""
    parser.add_argument("--out", type=Path, required=True, help="the .blend to write")
    add_scene_options(parser, frames=48)


def add_scene_options(parser: argparse.ArgumentParser, *, frames: int) -> None:
    """Add the options for a scene, `frames` long unless told otherwise."""
    parser.add_argument("--size", type=_size, default=(832, 480), metavar="WxH", help="in pixels")
    parser.add_argument("--frames", type=int, default=frames, help="length at 24 fps")
    parser.add_argument("--samples", type=int, help="Cycles samples a pixel; the scene's own")


def write(build: Build, options: argparse.Namespace) -> None:
    """Build one scene into an empty file and save it."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    empty = bpy.context.scene
    given = {} if options.samples is None else {"samples": options.samples}
    build(size=options.size, frames=options.frames, **given)
    bpy.data.scenes.remove(empty)
    out = options.out.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(out), compress=True)


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not like 832x480")
    return int(width), int(height)
