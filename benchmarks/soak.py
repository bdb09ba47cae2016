"""Many small shots through one server: its memory and open files must stay what they are.

    python -m benchmarks.soak --shots 500

sends shots one after the other as the add-on does (send, follow, fetch, delete), and reads resident
memory and open handles of server and worker between two of them. The first fifth is warm-up; after
it the last third is held against the first. Exit status 1 says that something grows.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from backend.bundle import pack
from backend.client import Backend
from backend.errors import JobFailed
from backend.paths import ROOT
from backend.rendezvous import read_server
from tests.analytic import analytic_shot

from .arguments import count

SIZE = (64, 40)
FRAMES = 3
WARM_UP = 0.2  # of all shots
# Between first and last third after the warm-up. Memory is given back in steps of an arena of
# Python's or a heap of the C library's; a leak of 10 kB a shot shows in 500 shots.
MEMORY_BAR = 4.0  # MB
HANDLES_BAR = 1.0
_MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """One process between two shots: resident memory in MB, open files and sockets, threads."""

    memory: float
    handles: int
    threads: int


@dataclass(frozen=True, slots=True)
class Growth:
    """How much a process has grown: medians of first and last third after the warm-up."""

    process: str
    memory: tuple[float, float]
    handles: tuple[float, float]
    threads: tuple[float, float]

    @property
    def flat(self) -> bool:
        """Whether that is within the bars."""
        return (
            self.memory[1] - self.memory[0] <= MEMORY_BAR
            and self.handles[1] - self.handles[0] <= HANDLES_BAR
            and self.threads[1] - self.threads[0] <= HANDLES_BAR
        )


def soak(
    folder: Path,
    *,
    shots: int,
    model: str = "projection",
    on_shot: Callable[[int, dict[str, Sample]], None] = lambda done, samples: None,
) -> list[dict[str, Sample]]:
    """Send shots one after the other; return what each process held after each of them.

    Args:
        folder: An empty folder for the shot, the takes and the backend's data.
        shots: How many.
        model: Id of a card.
        on_shot: Called after each with its number and the samples.

    Raises:
        JobFailed: a shot failed.
    """
    analytic_shot(folder / "shot", frames=FRAMES, size=SIZE)
    pack(folder / "shot", folder / "shot.zip")
    backend = Backend.start_or_attach(Path(sys.executable), ROOT, folder / "data")
    samples = []
    try:
        server = psutil.Process(read_server(folder / "data").pid)
        for done in range(1, shots + 1):
            _one(backend, folder, model)
            samples.append({"server": _sample(server), "worker": _sample(_worker(backend))})
            on_shot(done, samples[-1])
    finally:
        backend.close()  # it ends, because nobody else is attached
    server.wait()
    return samples


def judge(samples: Sequence[dict[str, Sample]]) -> list[Growth]:
    """Return how each process has grown after the warm-up."""
    steady = samples[int(WARM_UP * len(samples)) :]
    third = max(len(steady) // 3, 1)

    def medians(process: str, name: str) -> tuple[float, float]:
        values = [getattr(sample[process], name) for sample in steady]
        return statistics.median(values[:third]), statistics.median(values[-third:])

    return [
        Growth(
            process,
            memory=medians(process, "memory"),
            handles=medians(process, "handles"),
            threads=medians(process, "threads"),
        )
        for process in samples[0]
    ]


def _one(backend: Backend, folder: Path, model: str) -> None:
    job = backend.submit(folder / "shot.zip", model=model, settings={})
    following, last = backend.follow(job), None
    while last is None or not last.final:
        time.sleep(0.01)
        last = (following.drain() or [last])[-1]
    if last.kind != "done":
        raise JobFailed(f"A shot of the soak ended as '{last.kind}': {last.message}")
    backend.download(job, folder / "take")
    backend.delete(job)
    shutil.rmtree(folder / "take")


def _worker(backend: Backend) -> psutil.Process:
    return psutil.Process(backend.health()["devices"][0]["pid"])


def _sample(process: psutil.Process) -> Sample:
    with process.oneshot():
        handles = process.num_handles() if sys.platform == "win32" else process.num_fds()
        return Sample(process.memory_info().rss / _MB, handles, process.num_threads())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--shots", type=count, default=500)
    parser.add_argument("--model", default="projection")
    options = parser.parse_args(arguments)

    def show(done: int, samples: dict[str, Sample]) -> None:
        if done % 25 == 0:
            sys.stderr.write(f"{done}: {samples}\n")

    with tempfile.TemporaryDirectory(prefix="depthshot-soak-") as folder:
        samples = soak(Path(folder), shots=options.shots, model=options.model, on_shot=show)
    growths = judge(samples)
    lines = [
        "| process | MB, first third | MB, last third | handles | threads | |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {each.process} | {each.memory[0]:.1f} | {each.memory[1]:.1f} |"
        f" {each.handles[0]:g} → {each.handles[1]:g} | {each.threads[0]:g} → {each.threads[1]:g} |"
        f" {'flat' if each.flat else 'grows'} |"
        for each in growths
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if all(each.flat for each in growths) else 1


if __name__ == "__main__":
    sys.exit(main())
