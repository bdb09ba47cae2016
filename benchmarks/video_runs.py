"""One run of a large video model and what it cost: our whole job, and the bare pipeline beside it.

A device works on after it was asked to, so every reading of the clock waits for it first.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import psutil
import torch
from diffusers import WanVACEPipeline

from backend.models.card import Card, Value
from backend.models.interface import Request
from backend.models.video.job import VideoModel
from backend.models.video.window import DENOISING
from backend.models.wan_vace.generator import WanVaceGenerator

from .posts import MemoryReader, MemorySink

CUDA = "cuda"
_MATRIX = {CUDA: 8192, "cpu": 1024}  # side of the matrices that the rate is measured with
_WARM, _COUNTED = 3, 10


@dataclass(slots=True)
class TimedSink(MemorySink):
    """Keeps the frames, and how long each phase took and how much memory it held.

    The pipeline says that a step is done when it is done, so the first one counts as encoding; what
    `Run` gives is mended.

    Attributes:
        device: Whose clock and memory are read.
        seconds: By phase.
        peaks: Bytes of tensors on the device at most, by phase; empty for a CPU.
        steps: When each step was done.
        recorded: What the job has recorded.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    seconds: dict[str, float] = field(default_factory=dict)
    peaks: dict[str, int] = field(default_factory=dict)
    steps: list[float] = field(default_factory=list)
    recorded: dict[str, object] = field(default_factory=dict)
    phase: str = ""
    began: float = 0.0

    def progress(
        self, phase: str, done: int, total: int, *, part: str = "", share: float | None = None
    ) -> None:
        """See `models.interface.Sink`."""
        if phase != self.phase:
            self.close()
            self.phase = phase
        if phase == DENOISING and done > len(self.steps):
            self.steps.append(clock(self.device))

    def record(self, name: str, value: object) -> None:
        """See `models.interface.Sink`."""
        self.recorded[name] = value

    def close(self) -> None:
        """End the phase that runs."""
        now = clock(self.device)
        if self.phase:
            self.seconds[self.phase] = self.seconds.get(self.phase, 0.0) + now - self.began
            if self.device.type == CUDA:
                most = torch.cuda.max_memory_allocated(self.device)
                self.peaks[self.phase] = max(self.peaks.get(self.phase, 0), most)
                torch.cuda.reset_peak_memory_stats(self.device)
        self.began = now


@dataclass(frozen=True, slots=True)
class Run:
    """What one job cost.

    Attributes:
        seconds: Of all of it.
        phases: Seconds by phase.
        step: Seconds of a step, the middle one; None where only one was made.
        peaks: Bytes of tensors on the device at most, by phase; empty for a CPU.
        plan: Id of the memory plan.
        ram: Bytes of this process after it.
    """

    seconds: float
    phases: dict[str, float]
    step: float | None
    peaks: dict[str, int]
    plan: str
    ram: int


def run_job(
    generator: WanVaceGenerator,
    card: Card,
    reader: MemoryReader,
    settings: Mapping[str, Value],
    *,
    device: torch.device,
) -> Run:
    """Make a shot in one window as a job does, without files."""
    if device.type == CUDA:
        torch.cuda.reset_peak_memory_stats(device)
    sink = TimedSink(device=device)
    model = VideoModel(card, generator, device=str(device))
    began = sink.began = clock(device)
    model.generate(Request(reader, card.check_settings(settings), 0), sink)
    sink.close()
    seconds = clock(device) - began
    between = [after - before for before, after in zip(sink.steps, sink.steps[1:], strict=False)]
    step = statistics.median(between) if between else None
    return Run(
        seconds=seconds,
        phases=dict(sink.seconds),
        step=step,
        peaks=sink.peaks,
        plan=", ".join(sink.recorded.get("memory_plans", ())),
        ram=psutil.Process().memory_info().rss,
    )


def run_bare(
    pipeline: WanVACEPipeline,
    words: Mapping[str, torch.Tensor],
    *,
    size: tuple[int, int],
    frames: int,
    steps: int,
    guidance: float,
    device: torch.device,
) -> float:
    """Return the seconds of a call of the stock pipeline as it is placed, pictures included."""
    width, height = size
    generator = torch.Generator().manual_seed(0)
    video = torch.rand(1, frames, 3, height, width, generator=generator)
    mask = (torch.rand(1, frames, 1, height, width, generator=generator) > 0.5).float()
    began = clock(device)
    with torch.inference_mode():
        made = pipeline(
            prompt_embeds=words["prompt"].to(device),
            negative_prompt_embeds=words["negative"].to(device),
            video=video,
            mask=mask,
            height=height,
            width=width,
            num_frames=frames,
            num_inference_steps=steps,
            guidance_scale=guidance,
            generator=torch.Generator().manual_seed(0),
            output_type="pt",
        ).frames[0]
        made.float().cpu()
    return clock(device) - began


def matrix_rate(device: torch.device) -> float:
    """Return the FLOP a second of large products of random matrices: bfloat16, float32 on a CPU."""
    side = _MATRIX.get(device.type, _MATRIX[CUDA])
    dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
    first, second = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    for _ in range(_WARM):
        first @ second
    began = clock(device)
    for _ in range(_COUNTED):
        first @ second
    return 2.0 * side**3 * _COUNTED / (clock(device) - began)


def libraries_bytes(device: torch.device) -> int | None:
    """Return what is taken of a GPU's memory beside this process's tensors; None for a CPU."""
    if device.type != CUDA:
        return None
    free, total = torch.cuda.mem_get_info(device)
    return total - free - torch.cuda.memory_reserved(device)


def clock(device: torch.device) -> float:
    """Return seconds on a steady clock, once the device has done what it was asked to."""
    if device.type == CUDA:
        torch.cuda.synchronize(device)
    return time.perf_counter()
