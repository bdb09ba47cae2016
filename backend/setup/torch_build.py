"""Which build of torch a machine gets: the locks leave torch out, because builds differ."""

from __future__ import annotations

import os
import platform
import sys
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from ..errors import SetupError
from ..paths import ROOT
from . import addresses, pip
from .process import Work

REQUIREMENT_FILE = ROOT / "requirements" / "torch.txt"

NVIDIA, AMD, APPLE, CPU = "NVIDIA", "AMD", "APPLE", "CPU"
LABELS = {NVIDIA: "NVIDIA GPU", AMD: "AMD GPU", APPLE: "Apple GPU", CPU: "CPU"}

_NVIDIA_SIGNS = {
    # The driver; WSL's stands elsewhere.
    "linux": ("/dev/nvidiactl", "/proc/driver/nvidia/version", "/usr/lib/wsl/lib/libcuda.so.1"),
    "win32": (str(Path(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "nvcuda.dll")),),
}
_AMD_SIGN = "/dev/kfd"


@dataclass(frozen=True, slots=True)
class TorchBuild:
    """How to install torch.

    Attributes:
        arguments: for `pip install`.
        url: the wheel's address.
        needs_gpu_libraries: whether the build brings gigabytes of GPU libraries along.
    """

    arguments: tuple[str, ...]
    url: str
    needs_gpu_libraries: bool


def requirement() -> str:
    """The version that is asked for, as `torch==1.2.3`."""
    lines = REQUIREMENT_FILE.read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith("torch=="))


def detect(*, system: str = sys.platform, machine: str | None = None, exists=os.path.exists) -> str:
    """Which device this machine has, by the marks that its driver leaves; loads nothing.

    Args:
        system: the platform, as `sys.platform` names it.
        machine: the processor, as `platform.machine()` names it.
        exists: whether a path exists.
    """
    if system == "darwin":
        return APPLE if (machine or platform.machine()) == "arm64" else CPU
    if any(exists(sign) for sign in _NVIDIA_SIGNS.get(system, ())):
        return NVIDIA
    # PyTorch has no builds for AMD's GPUs on other systems.
    return AMD if system == "linux" and exists(_AMD_SIGN) else CPU


def is_cpu_build(url: str) -> bool:
    """Whether a wheel's name says that it was built without GPU libraries."""
    return "+cpu" in urllib.parse.unquote(url.rpartition("/")[2])


def choose(python: Path, *, work: Work, device: str, system: str = sys.platform) -> TorchBuild:
    """Picks the build.

    The configured package index has the say where it has what fits: it is the common build on
    macOS, on Windows without an NVIDIA GPU, and on Linux with one. Elsewhere PyTorch's own indexes
    are asked. Where those have nothing, a build that works without the GPU is taken, and said.

    Args:
        python: the environment's Python: its version and platform decide which wheels fit.
        work: how pip is run.
        device: NVIDIA, AMD, APPLE or CPU.
        system: the platform, as `sys.platform` names it.

    Raises:
        SetupError: no build fits, or the index cannot be reached.
        Cancelled: somebody asked for the end.
    """
    linux = system == "linux"
    if device == AMD and linux:
        found = _first(python, addresses.TORCH_ROCM_INDEXES, work=work, large=True)
        if found is not None:
            return found
        work.progress.note("There is no build of torch for AMD's GPUs here: it runs on the CPU.")
        device = CPU
    url = pip.chosen_file(python, requirement(), [], work=work)
    if device == NVIDIA and (system == "win32" or (linux and is_cpu_build(url))):
        found = _first(python, addresses.TORCH_CUDA_INDEXES, work=work, large=linux)
        if found is not None:
            return found
        work.progress.note("There is no build of torch for NVIDIA's GPUs here: it runs on the CPU.")
    large = linux and not is_cpu_build(url)
    if large and device != NVIDIA:
        found = _first(python, addresses.TORCH_CPU_INDEXES, work=work, large=False)
        if found is not None:
            return found
        work.progress.note("There is no build for machines without a GPU: the large one is taken.")
    return TorchBuild((requirement(),), url, needs_gpu_libraries=large)


def _first(python: Path, indexes: tuple[str, ...], *, work: Work, large: bool) -> TorchBuild | None:
    """The build of the first index that has one; pip's log says why another has none."""
    for index in indexes:
        options = ["--index-url", index]
        try:
            url = pip.chosen_file(python, requirement(), options, work=work)
        except SetupError:
            continue
        return TorchBuild((*options, requirement()), url, needs_gpu_libraries=large)
    return None


def download_size(url: str) -> int | None:
    """Bytes of the file behind an address, or None where the server does not say."""
    if url.startswith("file:"):
        return Path(urllib.request.url2pathname(urllib.parse.urlsplit(url).path)).stat().st_size
    request = urllib.request.Request(url, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            length = answer.headers.get("Content-Length", "")
    except OSError:
        # Only the size is lost: pip, with its own proxy and certificates, may well get the file.
        return None
    return int(length) if length.isdigit() else None
