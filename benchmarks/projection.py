"""Measures the projection and prints markdown tables.

    python -m benchmarks.projection quality SHOT TRUTH [SHOT TRUTH ...]
    python -m benchmarks.projection sampling SHOT TRUTH [SHOT TRUTH ...]
    python -m benchmarks.projection speed SHOT [--frames 9,27,81]

SHOT is a shot's folder, TRUTH one with `frames/0001.png` of some of its frames. `quality` puts the
fill beside the still repeated, Telea and push-pull; `sampling` compares kernels away from
silhouettes and with the edges as they are handled; `speed` makes whole takes of a shot, gone
through to and fro up to the given numbers of frames, in processes of their own. Flow goes along: on
the way back, previous and next change places.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from backend import media
from backend.generate import generate
from backend.projection.backward import transfer_pixels
from backend.projection.frame import project_frame
from backend.projection.output import to_image
from backend.projection.source import Source, prepare_source
from backend.projection.surface import describe_surface, edges, inverse_depth
from backend.reader import ShotReader
from backend.wire import read_shot

from .rivals import push_pull, resample, telea, to_bytes
from .shots import repeat_shot

CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Sample:
    """One frame with its truth: images (H, W, 3) float 0 to 1, and where the still shows it."""

    name: str
    truth: np.ndarray
    still: np.ndarray
    filled: np.ndarray
    bare: np.ndarray
    seen: np.ndarray
    surface: torch.Tensor
    source: Source
    x: np.ndarray
    y: np.ndarray


def samples(shot: Path, truth: Path) -> Iterator[Sample]:
    """Yield every true frame of a shot but the still's own."""
    reader = ShotReader(shot)
    still = reader.still(0).pixels
    source = prepare_source(still, reader.still_depth(0), reader.still_camera(0), device=CPU)
    small = cv2.resize(still, reader.shot.size, interpolation=cv2.INTER_AREA)
    for file in sorted((truth / "frames").glob("*.png")):
        index = int(file.stem) - reader.shot.frame_start
        if index == reader.shot.stills[0].index or not 0 <= index < reader.shot.frames:
            continue
        surface = describe_surface(inverse_depth(reader.depth(index), device=CPU))
        camera = reader.shot.cameras[index]
        filled = project_frame([source], surface, camera, nearness=[1.0])
        bare = project_frame([source], surface, camera, nearness=[1.0], fill=False)
        moved = transfer_pixels(surface, camera, source.camera)
        yield Sample(
            name=shot.parent.name if shot.name == "shot" else shot.name,
            truth=media.read_still(file).pixels,
            still=small,
            filled=to_image(filled.colour) / 255.0,
            bare=to_image(bare.colour) / 255.0,
            seen=bare.generated.numpy() == 0,
            surface=surface,
            source=source,
            x=moved.x.numpy(),
            y=moved.y.numpy(),
        )


def quality(pairs: list[tuple[Path, Path]]) -> None:
    """Print PSNR of whole frame, seen and unseen, and sharpness in holes, for each way to fill."""
    out("| scene | holes | way | PSNR all | seen | unseen | sharpness unseen |")
    out("|---|---|---|---|---|---|---|")
    for shot, truth in pairs:
        rows: dict[str, list[list[float]]] = {}
        holes, name = [], ""
        for one in samples(shot, truth):
            name, unseen = one.name, ~one.seen
            holes.append(unseen.mean())
            ways = {
                "still repeated": one.still,
                "Telea": telea(to_bytes(one.bare), one.seen) / 255.0,
                "push-pull": push_pull(one.bare, one.seen),
                "**projection**": one.filled,
            }
            for way, picture in ways.items():
                values = [psnr(picture, one.truth, part) for part in (True, one.seen, unseen)]
                values.append(detail(picture, unseen) / detail(one.truth, unseen))
                rows.setdefault(way, []).append(values)
        for way, values in rows.items():
            whole, seen, unseen, sharp = np.mean(values, axis=0)
            out(
                f"| {name} | {np.mean(holes):.1%} | {way} | {whole:.2f} | {seen:.2f} |"
                f" {unseen:.2f} | {sharp:.2f} |"
            )


def sampling(pairs: list[tuple[Path, Path]]) -> None:
    """Print PSNR of seen pixels for each kernel, with and without silhouettes, and as made."""
    out("| scene | seen pixels | bilinear | bicubic | Lanczos | as made |")
    out("|---|---|---|---|---|---|")
    for shot, truth in pairs:
        rows: dict[str, list[list[float]]] = {"all": [], "away from silhouettes": []}
        for one in samples(shot, truth):
            near = (
                edges(one.surface).numpy()
                | one.source.near_edge.numpy()[
                    one.y.clip(0, one.seen.shape[0] - 1).astype(int),
                    one.x.clip(0, one.seen.shape[1] - 1).astype(int),
                ]
            )
            ways = [
                resample(one.still, one.x, one.y, kernel=kernel)
                for kernel in ("bilinear", "bicubic", "lanczos")
            ]
            for part, where in (("all", one.seen), ("away from silhouettes", one.seen & ~near)):
                rows[part].append([psnr(way, one.truth, where) for way in (*ways, one.filled)])
        for part, values in rows.items():
            numbers = " | ".join(f"{value:.2f}" for value in np.mean(values, axis=0))
            out(f"| {one.name} | {part} | {numbers} |")


def speed(shot: Path, counts: list[int]) -> None:
    """Print seconds and memory of whole takes: reading, projecting, filling, writing."""
    size = read_shot(shot).size
    out("| size | frames | seconds | ms a frame | CPU ms a frame | peak memory MB |")
    out("|---|---|---|---|---|---|")
    for frames in counts:
        command = [sys.executable, "-m", "benchmarks.projection", "take", str(shot), str(frames)]
        result = subprocess.run(command, check=True, capture_output=True, text=True)
        made = json.loads(result.stdout.splitlines()[-1])
        out(
            f"| {size[0]} x {size[1]} | {frames} | {made['wall']:.1f} |"
            f" {1000 * made['wall'] / frames:.0f} | {1000 * made['cpu'] / frames:.0f} |"
            f" {made['peak'] / 1024:.0f} |"
        )


def take(shot: Path, frames: int) -> None:
    """Make one take of the shot, gone through to and fro up to `frames`; print its cost as JSON."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        long = repeat_shot(shot, folder / "shot", frames)
        wall, cpu = time.perf_counter(), time.process_time()
        generate(
            long,
            model="projection",
            settings={},
            out=folder / "take",
            device="cpu",
            on_event=lambda event: None,
            should_stop=lambda: False,
        )
        cost = {
            "wall": time.perf_counter() - wall,
            "cpu": time.process_time() - cpu,
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        }
    out(json.dumps(cost))


def psnr(picture: np.ndarray, truth: np.ndarray, where: np.ndarray | bool) -> float:
    """Return decibels over the pixels `where` of pictures (H, W, 3) 0 to 1."""
    error = ((picture - truth) ** 2).mean(-1)
    return float(-10 * np.log10(error[np.broadcast_to(where, error.shape)].mean()))


def detail(picture: np.ndarray, where: np.ndarray) -> float:
    """Return the mean absolute Laplacian of grey (H, W, 3) over the pixels `where`."""
    grey = picture.astype(np.float64).mean(-1)
    return float(np.abs(cv2.Laplacian(grey, cv2.CV_64F))[where].mean())


def out(line: str) -> None:
    """Write one line to the terminal."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="benchmarks.projection", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("quality", "sampling"):
        commands.add_parser(name).add_argument("folders", type=Path, nargs="+")
    fast = commands.add_parser("speed")
    fast.add_argument("shot", type=Path)
    fast.add_argument("--frames", default="9,27,81")
    one = commands.add_parser("take")
    one.add_argument("shot", type=Path)
    one.add_argument("frames", type=int)
    options = parser.parse_args()
    if options.command == "take":
        take(options.shot, options.frames)
    elif options.command == "speed":
        speed(options.shot, [int(part) for part in options.frames.split(",")])
    elif len(options.folders) % 2:
        parser.error("give a TRUTH folder after each SHOT folder")
    else:
        torch.set_num_threads(1)
        pairs = list(zip(options.folders[::2], options.folders[1::2], strict=True))
        {"quality": quality, "sampling": sampling}[options.command](pairs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
