"""Whether a model fits, in a sentence: what there is too little of, and a way out that helps."""

from __future__ import annotations

from .card import Card, Layers
from .hub import gigabytes
from .machine import Machine
from .memory import ON_CPU, MemoryPlan, Need

FITS, OFFLOADED = "fits", "fits with offload"
TOO_LARGE, NOT_HERE, UNKNOWN = "does not fit", "needs download", "not known"
FREE_DISK = 1_000_000_000  # left over by a download, as `pull` wants it


def lacking(machine: Machine, plan: MemoryPlan, need: Need, *, lesser: str) -> str:
    """Return which memory there is too little of, in a sentence with the way out; "" for none.

    Args:
        machine: What the computer has.
        plan: How the model would be held.
        need: What that needs, with what is to spare.
        lesser: What could be done so that it fits where closing other programs is not enough; ""
            for nothing.
    """
    smaller = "take a smaller model ('draft' runs everywhere)"
    if machine.gpus and need.vram > machine.gpus[0].vram_free:
        gpu = machine.gpus[0]
        way_out = f"{smaller}, or a GPU with more memory, here or in a backend on another machine"
        if need.vram <= gpu.vram and need.ram <= machine.ram:
            way_out = "close other programs that use the GPU"
        elif lesser:
            way_out = lesser
        return (
            f"Does not fit: with “{plan.label}” it needs {gigabytes(need.vram)} of the GPU's"
            f" memory, and {gigabytes(gpu.vram_free)} of {gigabytes(gpu.vram)} are free; {way_out}."
        )
    if need.ram > machine.ram_free:
        more = "more memory" if machine.gpus else "more memory or a GPU"
        way_out = f"{smaller}, or {more}, here or in a backend on another machine"
        if need.ram <= machine.ram and (not machine.gpus or need.vram <= machine.gpus[0].vram):
            way_out = "close other programs"
        elif lesser:
            way_out = lesser
        return (
            f"Does not fit: it needs {gigabytes(need.ram)} of the computer's memory, and"
            f" {gigabytes(machine.ram_free)} of {gigabytes(machine.ram)} are free; {way_out}."
        )
    return ""


def lacking_disk(*, download: int, made: int, disk_free: int) -> str:
    """Return the same of the disk, for bytes to be downloaded and 4-bit weights to be made."""
    if download and download + FREE_DISK > disk_free:
        return (
            f"Does not fit: {gigabytes(download)} have to be downloaded, and"
            f" {gigabytes(disk_free)} are free on the disk; make room, or choose another data"
            " folder."
        )
    if made and download + made + FREE_DISK > disk_free:
        return (
            f"Does not fit: weights of 4 bits take {gigabytes(made)}, and"
            f" {gigabytes(max(0, disk_free - download))} are free on the disk for them; make room,"
            " or choose another data folder."
        )
    return ""


def fitting(
    card: Card, machine: Machine, plan: MemoryPlan, *, need: Need, seconds: float | None
) -> tuple[str, str]:
    """Return the verdict and the sentence of what lacks nothing."""
    if not need.ram:
        if card.parts:
            return UNKNOWN, "How much memory it needs is not known."
        return FITS, "Fits: it takes little memory."
    if plan is ON_CPU:
        return FITS, (
            f"Fits into {gigabytes(need.ram)} of the computer's memory, but without a GPU a video"
            " takes hours or days."
        )
    verdict = OFFLOADED if plan.offload else FITS
    free = machine.gpus[0].vram_free
    slower = any(isinstance(part.shape, Layers) and part.shape.in_full for part in card.parts)
    time = "how long it takes is not known"
    if seconds is not None:
        time = f"{'at least' if slower else 'about'} {_duration(seconds)}"
    return verdict, (
        f"{verdict.capitalize()} ({_lower(plan.label)}): {gigabytes(need.vram)} of"
        f" {gigabytes(free)} of the GPU's free memory, {time}; these are estimates."
    )


def _lower(label: str) -> str:
    return label[0].lower() + label[1:]


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
