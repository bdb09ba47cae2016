"""What this computer has, and why torch cannot use its GPU."""

import dataclasses
import sys
import types

import pytest
import torch

from backend.models.machine import Gpu, Machine, disk_free, look, why_no_gpu
from backend.setup import torch_build
from tests.computers import EIGHT, GB, MAC, NO_GPU, SMALL, told


def test_a_machine_travels_as_json():
    for machine in (EIGHT, NO_GPU, MAC):
        assert Machine.from_json(machine.to_json()) == machine


def test_this_computer_is_looked_at():
    found = look()
    assert 0 < found.ram_free <= found.ram
    assert bool(found.gpus) is (torch.cuda.is_available() or torch.backends.mps.is_available())
    assert look("cpu").gpus == ()


def test_free_room_is_told_of_a_folder_that_is_not_there_yet(tmp_path):
    assert disk_free(tmp_path / "a" / "b") == pytest.approx(disk_free(tmp_path), rel=0.05)


@pytest.mark.parametrize(
    ("installed", "built_for", "said", "wanted"),
    [
        (torch_build.NVIDIA, torch_build.CPU, "", "Repair"),
        (torch_build.AMD, torch_build.CPU, "", "Repair"),
        (torch_build.NVIDIA, torch_build.NVIDIA, "The NVIDIA driver is too old", "newer one"),
        (torch_build.NVIDIA, torch_build.NVIDIA, "Found no NVIDIA driver", "driver again"),
    ],
)
def test_a_gpu_that_torch_cannot_use_is_said_with_the_way_out(installed, built_for, said, wanted):
    why = why_no_gpu(installed=installed, built_for=built_for, version="2.13.0", said=said)
    assert wanted in why
    machine = dataclasses.replace(NO_GPU, trouble=why)
    assert told(SMALL, machine).sentence.endswith(why)


@pytest.mark.parametrize("installed", [torch_build.CPU, torch_build.APPLE])
def test_a_computer_without_such_a_gpu_has_no_trouble(installed):
    facts = {"built_for": torch_build.CPU, "version": "2.13.0", "said": ""}
    assert why_no_gpu(installed=installed, **facts) is None


class FakeCuda:
    """A torch with two GPUs, of which the second is so full that it cannot be asked."""

    def device_count(self):
        return 2

    def get_device_properties(self, index):
        return types.SimpleNamespace(name=f"GPU {index}", major=9, minor=0, total_memory=140 * GB)

    def mem_get_info(self, index):
        if index == 1:
            raise RuntimeError("CUDA error: out of memory")
        return 100 * GB, 140 * GB


def test_a_gpu_that_is_full_is_one_without_free_memory(monkeypatch):
    fake = types.SimpleNamespace(cuda=FakeCuda(), version=types.SimpleNamespace(hip=None))
    monkeypatch.setitem(sys.modules, "torch", fake)
    assert look().gpus == (
        Gpu("cuda:0", "GPU 0", 140 * GB, 100 * GB, "9.0"),
        Gpu("cuda:1", "GPU 1", 140 * GB, 0, "9.0"),
    )
    assert [gpu.device for gpu in look("cuda:1").gpus] == ["cuda:1"]
