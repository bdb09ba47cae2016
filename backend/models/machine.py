"""What this computer has to make videos with: GPUs and their memory, its own memory, disk.

Reading this needs the standard library; `look` needs the backend's environment.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ..setup import torch_build
from .memory import CPU, CUDA, MPS

_log = logging.getLogger(__name__)

_TOO_OLD = "too old"  # how torch says it of a driver


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU that torch can use; memory in bytes.

    Attributes:
        device: Torch's name of it: "cuda:0" (AMD's as well), "mps".
        name: What its maker calls it.
        vram: Its memory; on a Mac as much of the computer's as it may take.
        vram_free: How much of it was free when it was looked at.
        capability: CUDA's compute capability, "9.0"; "" for others.
    """

    device: str
    name: str
    vram: int
    vram_free: int
    capability: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """What was found, bytes.

    Attributes:
        gpus: Those that torch can use, best first.
        ram: The computer's memory.
        ram_free: How much of it was free.
        trouble: Why a GPU that is there cannot be used, one sentence with the way out; "" if
            nothing is wrong.
    """

    gpus: tuple[Gpu, ...]
    ram: int
    ram_free: int
    trouble: str = ""

    @property
    def device(self) -> str:
        """The device that is worked on."""
        return self.gpus[0].device if self.gpus else CPU

    def to_json(self) -> dict[str, object]:
        """Return the JSON object of it."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping) -> Machine:
        """Return what `to_json` of another process of ours gave."""
        return cls(**{**value, "gpus": tuple(Gpu(**gpu) for gpu in value["gpus"])})


def look(only: str | None = None) -> Machine:
    """Look at this computer; imports torch, and starts its part of the GPU's driver.

    Args:
        only: The one device to look at, because some of the memory of each is taken by looking;
            None for all.
    """
    import psutil
    import torch

    memory = psutil.virtual_memory()
    gpus = tuple(_cuda_gpus(torch, only))
    if not gpus and only != CPU and torch.backends.mps.is_available():
        most = torch.mps.recommended_max_memory()
        free = min(most, memory.available)
        gpus = (Gpu(MPS, "Apple GPU", most, free),)
    trouble = "" if gpus or torch.cuda.device_count() else _trouble(torch)
    return Machine(gpus, memory.total, memory.available, trouble)


def disk_free(folder: Path) -> int:
    """Return the free bytes where a folder is or will be."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(existing).free


def why_no_gpu(*, installed: str, built_for: str, version: str, said: str) -> str | None:
    """Return why torch uses no GPU on a computer that has one, None where nothing is wrong.

    Args:
        installed: What marks of drivers are there, see `torch_build.detect`.
        built_for: What torch was built for: NVIDIA, AMD or CPU.
        version: Torch's own.
        said: What torch said when it was asked for the GPU.
    """
    if installed not in (torch_build.NVIDIA, torch_build.AMD):
        return None
    gpu = torch_build.LABELS[installed]
    if built_for != installed:
        return (
            f"This computer has an {gpu}, and the torch that is installed cannot use it; press"
            " Repair in Depthshot's preferences, with that GPU chosen."
        )
    if _TOO_OLD in said:
        return (
            f"The driver of the {gpu} is too old for torch {version}; install a newer one, then"
            " start the computer again."
        )
    return (
        f"This computer has an {gpu} that torch cannot reach ({said or 'it sees none'}); start the"
        " computer again, and if that does not help install the GPU's driver again."
    )


def _cuda_gpus(torch: object, only: str | None) -> list[Gpu]:
    found = []
    for index in range(torch.cuda.device_count()):
        device = f"{CUDA}:{index}"
        if only not in (None, device):
            continue
        facts = torch.cuda.get_device_properties(index)
        try:
            free, total = torch.cuda.mem_get_info(index)
        except RuntimeError as reason:  # so full that not even the question fits
            _log.warning("the memory of %s cannot be asked for (%s)", device, reason)
            free, total = 0, facts.total_memory
        capability = "" if torch.version.hip else f"{facts.major}.{facts.minor}"
        found.append(Gpu(device, facts.name, total, free, capability))
    return found


def _trouble(torch: object) -> str:
    built_for = torch_build.CPU
    if torch.version.cuda is not None:
        built_for = torch_build.NVIDIA
    elif torch.version.hip is not None:
        built_for = torch_build.AMD
    said = ""
    if built_for != torch_build.CPU:
        try:
            torch.cuda.init()
        except RuntimeError as reason:
            said = str(reason).strip().splitlines()[0].rstrip(".")
    why = why_no_gpu(
        installed=torch_build.detect(),
        built_for=built_for,
        version=torch.__version__,
        said=said,
    )
    return why or ""
