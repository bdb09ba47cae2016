"""Shots made out of other shots: gone through to and fro, cut to a share of holes, imported."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from backend import media
from backend.reader import ShotReader
from backend.wire import read_shot, write_shot
from tests.analytic import write_exr

_OFF = 0.6  # of the wanted share: farther off, another shot is needed


def repeat_shot(shot: Path, folder: Path, frames: int) -> Path:
    """Write a shot of `frames` frames that goes through those of another to and fro."""
    return pick_frames(shot, folder, _to_and_fro(range(read_shot(shot).frames), frames))


def cut_shot(
    shot: Path, folder: Path, *, frames: int, shares: Sequence[float], wanted: float
) -> tuple[Path, float]:
    """Write a shot of `frames` frames with about a `wanted` mean share of unseen pixels.

    It is the still's frame, then a part of the way up to its end, gone through to and fro.

    Args:
        shot: A shot with its still at the first frame.
        folder: Where it goes.
        frames: How many frames.
        shares: Unseen share of every frame of `shot`.
        wanted: Mean share to come near to.

    Returns:
        The folder and the mean share it has.

    Raises:
        ValueError: no part of the way has about that share.
    """
    count = read_shot(shot).frames
    ways = [[0, *_to_and_fro(range(first, count), frames - 1)] for first in range(1, count - 1)]
    means = [float(np.mean([shares[index] for index in way])) for way in ways]
    best = int(np.argmin(np.abs(np.subtract(means, wanted))))
    if abs(means[best] - wanted) > wanted * _OFF:
        raise ValueError(
            f"no {frames} frames of '{shot}' have about {wanted:.0%} unseen pixels (the nearest"
            f" have {means[best]:.1%}); give a shot with other holes"
        )
    return pick_frames(shot, folder, ways[best]), means[best]


def imported_shot(shot: Path, folder: Path) -> Path:
    """Write the shot as it is for an imported still: depth at the still's frame, nothing else."""
    source = read_shot(shot)
    known = {still.index for still in source.stills}
    depth = tuple(
        path if index in known else None for index, path in enumerate(source.guide("depth"))
    )
    imported = replace(source, guides={"depth": depth}, name=f"{source.name}, imported still")
    link_files(shot, folder, imported.files())
    write_shot(imported, folder)
    return folder


def pick_frames(shot: Path, folder: Path, order: Sequence[int]) -> Path:
    """Write a shot whose frames are those of another in the given order, flow included.

    Where a frame's neighbour is none of its own in the source, its flow is not known.

    Args:
        shot: Folder of the shot to take frames from; its stills' frames come first in `order`.
        folder: Where it goes; made here.
        order: 0-based indices.
    """
    source, reader = read_shot(shot), ShotReader(shot)
    link_files(shot, folder, source.files())
    guides = {"depth": tuple(source.guide("depth")[index] for index in order)}
    if any(source.guide("flow")):
        # The first frame has none before it, the last none after it: theirs is never read.
        ways = zip([order[0], *order[:-1]], order, [*order[1:], order[-1]], strict=True)
        guides["flow"] = tuple(_turned_flow(reader, folder, *way) for way in ways)
    cameras = tuple(source.cameras[index] for index in order)
    write_shot(replace(source, cameras=cameras, guides=guides), folder)
    return folder


def _to_and_fro(way: range, frames: int) -> list[int]:
    there = [*way, *way[-2:0:-1]]
    return [there[number % len(there)] for number in range(frames)]


def _turned_flow(
    reader: ShotReader, folder: Path, before: int, index: int, after: int
) -> str | None:
    """Return the path in `folder` of a frame's flow to two of its neighbours; None without flow."""
    source = reader.shot.guide("flow")[index]
    if source is None or (before, after) == (index - 1, index + 1):
        return source
    if max(abs(before - index), abs(after - index)) > 1:
        return None
    path = f"turned/{before}-{index}-{after}.exr"
    if not (folder / path).exists():
        (folder / "turned").mkdir(exist_ok=True)
        halves = np.split(reader.flow(index), 2, axis=2)
        flow = np.concatenate([halves[0 if other < index else 1] for other in (before, after)], 2)
        write_exr(folder / path, flow, media.FLOW_NAMES)
    return path


def link_files(shot: Path, folder: Path, files: Sequence[str]) -> None:
    """Put files of a shot into another folder; no bytes are copied where one disk holds both."""
    folder.mkdir()
    same_disk = shot.stat().st_dev == folder.stat().st_dev
    for path in files:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if same_disk:
            target.hardlink_to(shot / path)
        else:
            shutil.copyfile(shot / path, target)
