"""What a model would cost on this computer, told before anything is downloaded or loaded.

Everything here is reckoned (see `memory` and `speeds`), and nothing is asked of the computer: what
it has is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ..errors import SettingError
from . import hub
from . import rounded as four_bits
from .card import Card, Value
from .machine import Machine
from .machine import disk_free as free_bytes
from .memory import (
    AUTO,
    HALF,
    MARGIN,
    Need,
    check_memory,
    choose_plan,
    estimate,
    find_plan,
    kept_on_disk,
    nearest_plan,
)
from .plan import plan_frames
from .speeds import rate_of, video_seconds
from .verdict import NOT_HERE, TOO_LARGE, fitting, lacking, lacking_disk
from .weights import installed, is_own, needed, trouble

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
        need: Bytes that this plan needs, with `MARGIN` to spare; the sentences say the same.
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
    trouble: str = "",
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
        trouble: Why Depthshot does not download them, a sentence; "" where it does, or did.
        size: Width and height of the shot; None for the model's own.
        frames: Of the shot; None for as many as the model makes at once.
        settings: As for a job; the card's defaults stand for the rest.

    Raises:
        SettingError: the settings do not fit the card, or the shot.
    """
    checked = card.check_settings(settings or {})
    shot = {
        "size": size or card.native_size or _ANY_SIZE,
        "count": frames or card.frame_rule.most or _ANY_FRAMES,
        "stills": (0,),
    }
    made = plan_frames(card, checked, **shot)
    windows = tuple(len(window.frames) for window in made.windows)
    work = {"size": made.fit.model, "frames": max(windows)}
    gpu = machine.gpus[0] if machine.gpus else None
    free = {"vram": 0 if gpu is None else gpu.vram_free, "ram": machine.ram_free}
    check_memory(card, checked, machine.device)
    plan = find_plan(str(checked.get("memory", AUTO)))
    if plan is None:
        chosen = choose_plan(card, machine.device, **work, **free)
        plan = chosen or nearest_plan(card, machine.device, **work, **free)
    need = _with_margin(estimate(card, plan, **work))
    seconds = None
    if gpu is not None and (rate := rate_of(gpu.name)) is not None:
        forwards = _forwards(card, checked)
        seconds = video_seconds(
            card, plan, size=work["size"], windows=windows, forwards=forwards, rate=rate
        )
    first = last = ""
    if trouble:
        first = f"{trouble} "
    elif download:
        first = f"{hub.gigabytes(download)} to download first ({card.licence}). "
    fits = need.fits(vram=free["vram"], ram=free["ram"])
    way_out = "" if fits else _way_out(card, checked, machine, shot)
    if cost := lacking(machine, plan, need, lesser=way_out):
        verdict = TOO_LARGE
        if first and not trouble:
            first, last = "", f" {hub.gigabytes(download)} would have to be downloaded first."
    elif cost := lacking_disk(
        download=0 if trouble else download,
        made=max(0, kept_on_disk(card, plan) - rounded),
        disk_free=disk_free,
    ):
        verdict, first = TOO_LARGE, f"{trouble} " if trouble else ""
    else:
        verdict, cost = fitting(card, machine, plan, need=need, seconds=seconds)
        verdict = NOT_HERE if first else verdict
    cost = f"{cost} {machine.trouble}".rstrip()
    return Preflight(
        model=card.id,
        verdict=verdict,
        sentence=first + cost + last,
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


def preflight_here(
    card: Card,
    machine: Machine,
    data: Path,
    *,
    settings: Mapping[str, object] | None = None,
    **asked: object,
) -> Preflight:
    """Return the same for the weights that a data folder has, or of the user's own.

    Args:
        card: The card.
        machine: What the computer has.
        data: The data folder.
        settings: As for a job.
        **asked: `size` and `frames` of the shot.

    Raises:
        SettingError: as `preflight`.
    """
    wanted = needed(card, card.check_settings(settings or {}))
    lacks = [each for each in wanted if installed(each, data=data) is None]
    foreign = [each for each in lacks if is_own(each, data=data) or not each.revision]
    return preflight(
        as_on_disk(card, data),
        machine,
        download=sum(_missing(each, data) for each in lacks),
        disk_free=free_bytes(data),
        rounded=four_bits.size(data, card),
        trouble=trouble(foreign[0], data=data) if foreign else "",
        settings=settings,
        **asked,
    )


def as_on_disk(card: Card, data: Path) -> Card:
    """Return the card with networks as small as those on the disk, where these are far smaller.

    A network that has less than a byte for each of its parameters is another one: somebody tries
    the way with small weights.
    """
    folder = None if card.hub is None else installed(card, data=data)
    if folder is None:
        return card
    parts = []
    for part in card.parts:
        size = hub.size_on_disk(folder / part.name)
        small = 0 < size < part.parameters
        parts.append(replace(part, parameters=size // HALF) if small else part)
    return replace(card, parts=tuple(parts))


def missing_bytes(card: Card, data: Path, settings: Mapping[str, object] | None = None) -> int:
    """Return how many bytes of a card's weights are still to be downloaded, about.

    Among them what its setting `fast` takes, if it is on in `settings`.
    """
    wanted = needed(card, card.check_settings(settings or {}))
    return sum(_missing(each, data) for each in wanted)


def _missing(card: Card, data: Path) -> int:
    if card.hub is None or installed(card, data=data) is not None:
        return 0
    return to_arrive(card, data)


def to_arrive(card: Card, data: Path) -> int:
    """Return how many bytes a download of a card's weights would still bring, about; at least 1.

    The data folder alone is looked at: the weights may be elsewhere too.
    """
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


def _with_margin(need: Need) -> Need:
    return Need(int(need.vram * MARGIN), int(need.ram * MARGIN), need.disk)


def _way_out(card: Card, settings: dict[str, Value], machine: Machine, shot: dict) -> str:
    """Return what could be done so that it fits, with what is free or with all; "" for nothing."""
    gpu = machine.gpus[0] if machine.gpus else None
    free, whole = (gpu.vram_free, gpu.vram) if gpu else (0, 0)
    if said := _lesser(card, settings, machine, shot, vram=free, ram=machine.ram_free):
        return said
    said = _lesser(card, settings, machine, shot, vram=whole, ram=machine.ram)
    return f"{said}, and close other programs" if said else ""


def _lesser(
    card: Card, settings: dict[str, Value], machine: Machine, shot: dict, *, vram: int, ram: int
) -> str:
    """Return what could be set so that it fits into so many bytes; "" for nothing."""

    def fits(changed: dict[str, Value]) -> bool:
        wanted = settings | changed
        try:
            made = plan_frames(card, wanted, **shot)
        except SettingError:
            return False
        work = {"size": made.fit.model, "frames": max(len(each.frames) for each in made.windows)}
        if (plan := find_plan(str(wanted.get("memory", AUTO)))) is not None:
            return estimate(card, plan, **work).fits(vram=vram, ram=ram)
        return choose_plan(card, machine.device, **work, vram=vram, ram=ram) is not None

    changes = _smaller(card, settings)
    if settings.get("memory", AUTO) != AUTO:
        auto = {"memory": AUTO}
        changes = [auto, *changes, *({**auto, **each} for each in changes)]
    found = next(filter(fits, changes), {})
    words = [f"'{name}' to {value}" for name, value in found.items()]
    return f"set {' and '.join(words)}" if words else ""


def _smaller(card: Card, settings: Mapping[str, Value]) -> list[dict[str, Value]]:
    """Return what could be set for less work: another size, a shorter window, or both."""
    known = {setting.name: setting for setting in card.settings}
    sizes = [{"size": size} for size in (known["size"].choices if "size" in known else ())]
    rule, overlap = card.frame_rule, int(settings.get("overlap", card.overlap))
    lengths = range(
        int(settings.get("window", 0)) - rule.multiple, overlap + rule.multiple, -rule.multiple
    )
    windows = [{"window": length} for length in lengths]
    return [*sizes, *windows, *(size | windows[-1] for size in sizes if windows)]
