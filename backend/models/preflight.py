"""What a model would cost on this computer, told before anything is downloaded or loaded.

Everything here is reckoned (see `memory` and `speeds`), and nothing is asked of the computer: what
it has is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from . import hub
from .card import Card, Value
from .machine import Machine
from .memory import (
    AUTO,
    MARGIN,
    ON_CPU,
    MemoryPlan,
    Need,
    check_memory,
    choose_plan,
    estimate,
    find_plan,
    kept_on_disk,
    plans_for,
)
from .plan import plan_frames
from .speeds import rate_of, video_seconds
from .weights import installed

FITS, OFFLOADED = "fits", "fits with offload"
TOO_LARGE, NOT_HERE, UNKNOWN = "does not fit", "needs download", "not known"
_FREE_DISK = 1_000_000_000  # left over by a download, as `pull` wants it
_ANY_SIZE, _ANY_FRAMES = (832, 480), 81  # where a card names none


@dataclass(frozen=True, slots=True)
class Preflight:
    """What was reckoned for one card.

    Attributes:
        model: The card's id.
        verdict: "fits", "fits with offload", "needs download" (it fits then), "does not fit", or
            "not known" for a model whose shape the card does not tell.
        sentence: All of it for the artist.
        cost: The same but for what is to be downloaded first.
        device: What it would work on.
        memory_plan: Id of the memory plan that was chosen, that it would take, or of the leanest;
            "" for a model that needs none.
        need: Bytes that this plan needs.
        vram_free: Bytes of the GPU's memory that were free; None without a GPU.
        ram_free: The same of the computer's.
        disk_free: The same of the disk with the data folder.
        download: Bytes still to be downloaded.
        licence: Of the weights.
        licence_url: Where it can be read, "" where nothing is downloaded.
        size: Width and height that the model works at.
        windows: How many frames each of its windows has.
        seconds: About how long taking the noise away takes; None where that is not known.
    """

    model: str
    verdict: str
    sentence: str
    cost: str
    device: str
    memory_plan: str
    need: Need
    vram_free: int | None
    ram_free: int
    disk_free: int
    download: int
    licence: str
    licence_url: str
    size: tuple[int, int]
    windows: tuple[int, ...]
    seconds: float | None

    def to_json(self) -> dict[str, object]:
        """Return the JSON object of it."""
        return asdict(self)


def preflight(
    card: Card,
    machine: Machine,
    *,
    download: int,
    disk_free: int,
    rounded: int = 0,
    size: tuple[int, int] | None = None,
    frames: int | None = None,
    settings: Mapping[str, object] | None = None,
) -> Preflight:
    """Return what a card's model would cost.

    Args:
        card: The card.
        machine: What the computer has.
        download: Bytes of its weights that are not here, see `missing_bytes`.
        disk_free: Free bytes where they would go.
        rounded: Bytes of its weights of 4 bits that are kept there.
        size: Width and height of the shot; None for the model's own.
        frames: Of the shot; None for as many as the model makes at once.
        settings: As for a job; the card's defaults stand for the rest.

    Raises:
        SettingError: the settings do not fit the card, or the shot.
    """
    checked = card.check_settings(settings or {})
    made = plan_frames(
        card,
        checked,
        size=size or card.native_size or _ANY_SIZE,
        count=frames or card.frame_rule.most or _ANY_FRAMES,
        stills=(0,),
    )
    windows = tuple(len(window.frames) for window in made.windows)
    work = {"size": made.fit.model, "frames": max(windows)}
    gpu = machine.gpus[0] if machine.gpus else None
    free = {"vram": 0 if gpu is None else gpu.vram_free, "ram": machine.ram_free}
    check_memory(card, checked, machine.device)
    plan = find_plan(str(checked.get("memory", AUTO)))
    if plan is None:
        chosen = choose_plan(card, machine.device, **work, **free)
        plan = chosen or _leanest(card, machine.device, work, free)
    need = estimate(card, plan, **work)
    seconds = None
    if gpu is not None and (rate := rate_of(gpu.name)) is not None:
        forwards = _forwards(card, checked)
        seconds = video_seconds(
            card, plan, size=work["size"], windows=windows, forwards=forwards, rate=rate
        )
    first = ""
    verdict, cost = (
        TOO_LARGE,
        _lacking(
            machine,
            plan,
            need,
            download=download,
            made=max(0, kept_on_disk(card, plan) - rounded),
            disk_free=disk_free,
        ),
    )
    if not cost:
        verdict, cost = _fitting(card, machine, plan, need=need, seconds=seconds)
        if download:
            verdict = NOT_HERE
            first = f"{_gigabytes(download)} to download first ({card.licence}). "
    cost = f"{cost} {machine.trouble}".rstrip()
    return Preflight(
        model=card.id,
        verdict=verdict,
        sentence=first + cost,
        cost=cost,
        device=machine.device,
        memory_plan=plan.id if card.parts else "",
        need=need,
        vram_free=None if gpu is None else gpu.vram_free,
        ram_free=machine.ram_free,
        disk_free=disk_free,
        download=download,
        licence=card.licence,
        licence_url="" if card.hub is None else card.hub.licence_url,
        size=made.fit.model,
        windows=windows,
        seconds=None if seconds is None else round(seconds, 1),
    )


def missing_bytes(card: Card, data: Path, settings: Mapping[str, object] | None = None) -> int:
    """Return how many bytes of a card's weights are still to be downloaded, about.

    Among them what its setting `fast` takes, if it is on in `settings`.
    """
    fast = _is_fast(card, card.check_settings(settings or {}))
    return sum(_missing(each, data) for each in ((card, card.fast_card) if fast else (card,)))


def _missing(card: Card, data: Path) -> int:
    if card.hub is None or installed(card, data=data) is not None:
        return 0
    arrived = hub.size_on_disk(hub.repository_folder(hub.home(data), card))
    return max(1, card.download_bytes - arrived)


def _forwards(card: Card, settings: Mapping[str, Value]) -> int:
    """Return how often a window goes through the denoising network: twice a step with guidance."""
    if _is_fast(card, settings):
        return card.fast.steps
    twice = any(float(settings.get(name, 1.0)) > 1.0 for name in ("guidance", "guidance_max"))
    return int(settings.get("steps", 1)) * (2 if twice else 1)


def _is_fast(card: Card, settings: Mapping[str, Value]) -> bool:
    return card.fast is not None and bool(settings.get("fast"))


def _leanest(card: Card, device: str, work: dict, free: dict[str, int]) -> MemoryPlan:
    """Return the plan that lacks the least memory; of several, the one that needs least of it."""

    def lack(plan: MemoryPlan) -> tuple[float, int]:
        need = estimate(card, plan, **work)
        missing = (need.vram * MARGIN - free["vram"], need.ram * MARGIN - free["ram"])
        return sum(max(0.0, each) for each in missing), need.vram + need.ram

    return min(plans_for(device, card), key=lack)


def _lacking(
    machine: Machine, plan: MemoryPlan, need: Need, *, download: int, made: int, disk_free: int
) -> str:
    """Return what there is too little of, in a sentence with the way out; "" for nothing."""
    if machine.gpus and need.vram * MARGIN > machine.gpus[0].vram_free:
        gpu = machine.gpus[0]
        way_out = (
            "close other programs that use the GPU"
            if need.vram * MARGIN <= gpu.vram
            else "take a smaller model or working size, or shorter windows"
        )
        return (
            f"Does not fit: with “{plan.label}” it needs"
            f" {_gigabytes(need.vram * MARGIN)} of the GPU's memory, and"
            f" {_gigabytes(gpu.vram_free)} of {_gigabytes(gpu.vram)} are free; {way_out}."
        )
    if need.ram * MARGIN > machine.ram_free:
        way_out = (
            "close other programs"
            if need.ram * MARGIN <= machine.ram
            else "take a smaller model or working size"
        )
        return (
            f"Does not fit: it needs {_gigabytes(need.ram * MARGIN)} of the computer's memory, and"
            f" {_gigabytes(machine.ram_free)} of {_gigabytes(machine.ram)} are free; {way_out}."
        )
    if download and download + _FREE_DISK > disk_free:
        return (
            f"Does not fit: {_gigabytes(download)} have to be downloaded, and"
            f" {_gigabytes(disk_free)} are free on the disk; make room, or choose another data"
            " folder."
        )
    if made and download + made + _FREE_DISK > disk_free:
        return (
            f"Does not fit: weights of 4 bits take {_gigabytes(made)}, and"
            f" {_gigabytes(max(0, disk_free - download))} are free on the disk for them; make room,"
            " or choose another data folder."
        )
    return ""


def _fitting(
    card: Card, machine: Machine, plan: MemoryPlan, *, need: Need, seconds: float | None
) -> tuple[str, str]:
    """Return the verdict and the sentence of what lacks nothing."""
    if not need.ram:
        if card.parts:
            return UNKNOWN, "How much memory it needs is not known."
        return FITS, "Fits: it takes little memory."
    if plan is ON_CPU:
        return FITS, (
            f"Fits into {_gigabytes(need.ram)} of the computer's memory, but without a GPU a video"
            " takes hours or days."
        )
    verdict = OFFLOADED if plan.offload else FITS
    free = machine.gpus[0].vram_free
    time = "how long it takes is not known" if seconds is None else f"about {_duration(seconds)}"
    return verdict, (
        f"{verdict.capitalize()} ({_lower(plan.label)}): {_gigabytes(need.vram)} of"
        f" {_gigabytes(free)} of the GPU's free memory, {time}; these are estimates."
    )


def _lower(label: str) -> str:
    return label[0].lower() + label[1:]


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.1f} GB"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
