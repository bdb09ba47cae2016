"""Made-up computers, and what preflight tells of them."""

from __future__ import annotations

from backend.models import find_card
from backend.models.machine import Gpu, Machine
from backend.models.preflight import Preflight, preflight

GB = 10**9
SMALL, LARGE, LARGEST = "wan-vace-1.3b", "wan-vace-14b", "wan2.2-vace-fun-a14b"


def computer(name: str, vram: int, ram: int) -> Machine:
    """Return a computer whose memory is free but for half a GB of the GPU's, and a tenth."""
    gpu = Gpu("cuda:0", name, vram * GB, vram * GB - GB // 2, "8.9")
    return Machine((gpu,), ram * GB, ram * GB * 9 // 10)


EIGHT = computer("NVIDIA GeForce RTX 4060", 8, 32)
TWENTY_FOUR = computer("NVIDIA GeForce RTX 4090", 24, 64)
HUGE = computer("NVIDIA H200", 140, 128)
NO_GPU = Machine((), 64 * GB, 56 * GB)
MAC = Machine((Gpu("mps", "Apple GPU", 48 * GB, 40 * GB),), 64 * GB, 40 * GB)


def told(card_id: str, machine: Machine, **changes: object) -> Preflight:
    """Return what preflight tells of a card; changes are of what it is given."""
    values = {"download": 0, "disk_free": 500 * GB} | changes
    return preflight(find_card(card_id), machine, **values)
