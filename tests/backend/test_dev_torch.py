"""Which build of torch is taken: asked of the real pip, with two small package indexes."""

import os
import sys
import zipfile
from pathlib import Path

import pytest

from tools import addresses, torch_build

VERSION = torch_build.requirement().removeprefix("torch==")
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a choice on Linux alone")


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
def indexes(tmp_path, monkeypatch) -> tuple[Path, Path]:
    """(the configured index, PyTorch's own index of CPU builds), both empty."""
    common, cpu = tmp_path / "common", tmp_path / "cpu"
    common.mkdir()
    cpu.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("PIP_INDEX_URL", common.as_uri())
    monkeypatch.setattr(addresses, "TORCH_CPU_INDEX", cpu.as_uri())
    return common, cpu


def choose(tmp_path: Path, *, gpu: bool) -> torch_build.TorchBuild:
    return torch_build.choose(Path(sys.executable), log=tmp_path / "log", gpu=gpu)


@linux
def test_without_a_gpu_the_cpu_build_comes_from_its_own_index(indexes, tmp_path):
    common, cpu = indexes
    add_wheel(common, VERSION)
    add_wheel(cpu, f"{VERSION}+cpu")
    build = choose(tmp_path, gpu=False)
    assert build.arguments == ("--index-url", cpu.as_uri(), f"torch=={VERSION}")
    assert torch_build.is_cpu_build(build.url)
    assert not build.needs_gpu_libraries


@linux
def test_with_a_gpu_the_common_build_is_taken(indexes, tmp_path):
    common, cpu = indexes
    add_wheel(common, VERSION)
    add_wheel(cpu, f"{VERSION}+cpu")
    build = choose(tmp_path, gpu=True)
    assert build.arguments == (f"torch=={VERSION}",)
    assert build.url.startswith(common.as_uri())
    assert build.needs_gpu_libraries


@linux
def test_a_configured_index_of_cpu_builds_is_enough(indexes, tmp_path):
    add_wheel(indexes[0], f"{VERSION}+cpu")
    build = choose(tmp_path, gpu=False)
    assert build.arguments == (f"torch=={VERSION}",)
    assert not build.needs_gpu_libraries


@linux
def test_where_no_cpu_build_is_to_be_had_the_large_one_is_taken_and_said(indexes, tmp_path, capsys):
    add_wheel(indexes[0], VERSION)
    build = choose(tmp_path, gpu=False)
    assert build.needs_gpu_libraries
    assert "no build for machines without a GPU" in capsys.readouterr().err


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
