"""Which build of torch this machine gets: the locks leave torch out, because builds differ."""

import sys
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from . import addresses, pip
from .console import DevError, say

REQUIREMENT_FILE = Path(__file__).resolve().parent.parent / "requirements" / "torch.txt"


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
    """The version the checkout asks for, as `torch==1.2.3`."""
    lines = REQUIREMENT_FILE.read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith("torch=="))


def has_gpu() -> bool:
    """Whether a Linux machine has an NVIDIA GPU with its driver, WSL included; loads nothing.

    AMD's are left out: the common build of torch cannot use them, and is 3 GB larger for nothing.
    """
    signs = ("/dev/nvidiactl", "/proc/driver/nvidia/version", "/usr/lib/wsl/lib/libcuda.so.1")
    return any(Path(sign).exists() for sign in signs)


def is_cpu_build(url: str) -> bool:
    """Whether a wheel's name says that it was built without GPU libraries."""
    return "+cpu" in urllib.parse.unquote(url.rpartition("/")[2])


def choose(python: Path, *, log: Path, gpu: bool | None = None) -> TorchBuild:
    """Picks the build.

    The configured package index has the say. Only where that would bring GPU libraries to a
    Linux machine without a GPU is PyTorch's own index of CPU builds asked instead; if that gives
    nothing, the large build is taken, which works without a GPU too. On Windows and macOS the
    common build is small already.

    Args:
        python: the environment's Python: its version and platform decide which wheels fit.
        log: pip's log file.
        gpu: whether there is a GPU; found out if None.

    Raises:
        DevError: no build fits, or the index cannot be reached.
    """
    wanted = requirement()
    url = pip.chosen_file(python, wanted, [], log=log)
    if not sys.platform.startswith("linux") or is_cpu_build(url):
        return TorchBuild((wanted,), url, needs_gpu_libraries=False)
    large = TorchBuild((wanted,), url, needs_gpu_libraries=True)
    if has_gpu() if gpu is None else gpu:
        return large
    from_cpu_index = ["--index-url", addresses.TORCH_CPU_INDEX]
    try:
        url = pip.chosen_file(python, wanted, from_cpu_index, log=log)
    except DevError as error:
        say(f"  no build for machines without a GPU: {error}")
        return large
    return TorchBuild((*from_cpu_index, wanted), url, needs_gpu_libraries=False)


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
