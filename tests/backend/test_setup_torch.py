"""Which build of torch is taken: asked of the real pip, with two small package indexes."""

import os
import sys
import zipfile
from pathlib import Path

import pytest

from backend.errors import SetupError
from backend.setup import addresses, torch_build
from backend.setup.process import Work
from backend.setup.torch_build import AMD, APPLE, CPU, NVIDIA, TorchBuild

VERSION = torch_build.requirement().removeprefix("torch==")


def add_wheel(index: Path, version: str) -> None:
    """Puts an empty torch into a package index that is a folder."""
    folder = index / "torch"
    folder.mkdir(parents=True, exist_ok=True)
    name = f"torch-{version}-py3-none-any.whl"
    info = f"torch-{version}.dist-info"
    with zipfile.ZipFile(folder / name, "w") as archive:
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    (folder / "index.html").write_text(
        "".join(f'<a href="{wheel.name}">{wheel.name}</a>' for wheel in folder.glob("*.whl"))
    )


@pytest.fixture
def indexes(tmp_path, monkeypatch) -> dict[str, Path]:
    """The configured index and PyTorch's own, all empty."""
    folders = {name: tmp_path / name for name in ("common", "cpu", "cuda", "rocm")}
    for folder in folders.values():
        folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("PIP_INDEX_URL", folders["common"].as_uri())
    nothing = (tmp_path / "nothing").as_uri()
    for name in ("cpu", "cuda", "rocm"):
        # Of several, the first that has the version is taken.
        both = (nothing, folders[name].as_uri())
        monkeypatch.setattr(addresses, f"TORCH_{name.upper()}_INDEXES", both)
    return folders


def choose(tmp_path: Path, device: str, *, system: str = "linux") -> tuple[TorchBuild, list[str]]:
    work = Work(tmp_path / "log")
    build = torch_build.choose(Path(sys.executable), work=work, device=device, system=system)
    return build, work.progress.notes


# What would be run: (the device, the platform, versions by index) -> (index, whether it brings GPU
# libraries along, what is said). Of these only the CPU on Linux was installed for real.
PLAIN, ON_CPU = VERSION, f"{VERSION}+cpu"
CASES = {
    "CPU on Linux": (CPU, "linux", {"common": PLAIN, "cpu": ON_CPU}, ("cpu", False, None)),
    "CPU on Linux, from the configured index": (
        *(CPU, "linux", {"common": ON_CPU}),
        ("common", False, None),
    ),
    "CPU on Linux, where there is only the large build": (
        *(CPU, "linux", {"common": PLAIN}),
        ("common", True, "no build for machines without a GPU"),
    ),
    "NVIDIA on Linux": (NVIDIA, "linux", {"common": PLAIN, "cuda": PLAIN}, ("common", True, None)),
    "NVIDIA on Linux, where the configured index has none for it": (
        *(NVIDIA, "linux", {"common": ON_CPU, "cuda": f"{VERSION}+cu130"}),
        ("cuda", True, None),
    ),
    "NVIDIA on Linux, where there is none": (
        *(NVIDIA, "linux", {"common": ON_CPU}),
        ("common", False, "no build of torch for NVIDIA"),
    ),
    "NVIDIA on Windows": (
        *(NVIDIA, "win32", {"common": PLAIN, "cuda": f"{VERSION}+cu130"}),
        ("cuda", False, None),
    ),
    "CPU on Windows": (CPU, "win32", {"common": PLAIN}, ("common", False, None)),
    "AMD on Windows": (AMD, "win32", {"common": PLAIN}, ("common", False, None)),
    "AMD on Linux": (
        *(AMD, "linux", {"common": PLAIN, "rocm": f"{VERSION}+rocm7.2"}),
        ("rocm", True, None),
    ),
    "AMD on Linux, where there is none": (
        *(AMD, "linux", {"common": PLAIN, "cpu": ON_CPU}),
        ("cpu", False, "no build of torch for AMD"),
    ),
    "Apple": (APPLE, "darwin", {"common": PLAIN}, ("common", False, None)),
}


@pytest.mark.parametrize(("device", "system", "there", "expected"), CASES.values(), ids=CASES)
def test_what_would_be_installed(indexes, tmp_path, device, system, there, expected):
    index, large, said = expected
    for name, version in there.items():
        add_wheel(indexes[name], version)
    build, notes = choose(tmp_path, device, system=system)
    assert build.url.startswith(indexes[index].as_uri())
    options = () if index == "common" else ("--index-url", indexes[index].as_uri())
    assert build.arguments == (*options, f"torch=={VERSION}")
    assert build.needs_gpu_libraries is large
    assert notes == [] if said is None else said in notes[0]


def test_without_any_index_it_is_an_error(indexes, tmp_path):
    with pytest.raises(SetupError, match="torch"):
        choose(tmp_path, CPU)


@pytest.mark.parametrize(
    ("system", "machine", "marks", "device"),
    [
        ("linux", "x86_64", {"/dev/nvidiactl", "/dev/kfd"}, NVIDIA),
        ("linux", "x86_64", {"/usr/lib/wsl/lib/libcuda.so.1"}, NVIDIA),
        ("linux", "x86_64", {"/dev/kfd"}, AMD),
        ("linux", "x86_64", set(), CPU),
        ("win32", "AMD64", {"/dev/kfd"}, CPU),
        ("darwin", "arm64", set(), APPLE),
        ("darwin", "x86_64", set(), CPU),
    ],
)
def test_the_device_is_told_by_what_its_driver_leaves(system, machine, marks, device):
    found = torch_build.detect(system=system, machine=machine, exists=marks.__contains__)
    assert found == device


def test_windows_shows_nvidias_driver_in_its_system_folder():
    found = torch_build.detect(system="win32", exists=lambda path: path.endswith("nvcuda.dll"))
    assert found == NVIDIA


@pytest.mark.parametrize(
    ("url", "cpu"),
    [
        ("file:///wheels/torch-2.13.0%2Bcpu-cp311-cp311-manylinux_2_28_x86_64.whl", True),
        ("https://host/whl/torch-2.13.0+cpu-cp311-cp311-win_amd64.whl", True),
        ("https://host/cpu/torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl", False),
    ],
)
def test_a_build_without_gpu_libraries_is_known_by_its_name(url, cpu):
    assert torch_build.is_cpu_build(url) is cpu


def test_the_size_of_a_local_file_is_known(tmp_path):
    file = tmp_path / "a+b.whl"
    file.write_bytes(bytes(123))
    assert torch_build.download_size(file.as_uri()) == 123


def test_a_size_nobody_tells_is_unknown():
    assert torch_build.download_size("http://127.0.0.1:9/torch.whl") is None
