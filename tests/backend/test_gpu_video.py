"""The measurement of large models on a GPU, rehearsed on the CPU with tiny networks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from backend.models import memory
from backend.models.memory import CPU, FP8_GROUP_OFFLOAD, GROUP_OFFLOAD, RESIDENT
from backend.paths import OVERRIDE, ROOT
from benchmarks import gpu_video
from benchmarks.gpu_video_table import Results, table

# A machine that is rented has torch, diffusers, transformers and what these need, and no more: what
# decodes pictures, serves or checks requests is hidden as if it had never been installed.
_RUN = """
import sys
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder

HIDDEN = {"OpenImageIO", "cv2", "fastapi", "starlette", "uvicorn", "pydantic", "av", "c2pa", "bpy"}

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] in HIDDEN:
            return None
        return super().find_spec(name, path, target)

sys.meta_path[:] = [BuiltinImporter, FrozenImporter, Without]
from benchmarks.gpu_video import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(OVERRIDE, str(tmp_path / "data"))


def rehearse(out: Path, *arguments: str) -> dict[str, dict]:
    given = ["--device", "cpu", "--small", "--out", str(out), *arguments]
    assert gpu_video.main(given) == 0
    return json.loads(out.with_suffix(".json").read_text())["found"]


def test_it_runs_where_nothing_decodes_pictures(tmp_path):
    out = tmp_path / "table.md"
    given = ["--device", "cpu", "--small", "--part", "tiny/4", "--out", out]
    given += ["--set", "match=false"]
    ended = subprocess.run(
        [sys.executable, "-c", _RUN, *given],
        cwd=ROOT, capture_output=True, text=True, timeout=170,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == out.read_text()
    assert "| tiny | 4 |" in ended.stdout


def test_it_goes_on_where_it_ended(tmp_path):
    out = tmp_path / "table.md"
    first = rehearse(out, "--part", "vae")
    assert set(first) == {"vae"}
    both = rehearse(out, "--part", "t", "--minutes", "-1")
    assert set(both) == {"vae"}, "no minutes are left, so nothing was begun"
    assert "Not measured yet: text encoder" in out.read_text()
    later = rehearse(out, "--part", "text")
    assert set(later) == {"vae", "text encoder"}
    assert later["vae"] == first["vae"]


def test_each_plan_of_a_gpu_is_measured(tmp_path, monkeypatch):
    plans = (RESIDENT, GROUP_OFFLOAD, FP8_GROUP_OFFLOAD)
    monkeypatch.setitem(memory._PLANS, CPU, plans)
    found = rehearse(tmp_path / "table.md", "--part", "tiny/plan")
    assert [one["plan"] for one in found.values()] == [plan.id for plan in plans]
    assert all(one["step"] > 0 and one["vram_reckoned"] > 0 for one in found.values())


def test_without_a_gpu_nothing_is_measured(tmp_path, capsys):
    if gpu_video.torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    assert gpu_video.main(["--out", str(tmp_path / "table.md")]) == 1
    assert "--device cpu --small rehearses" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def results(file: Path, device: str) -> Results:
    """What an imagined machine has measured: the job misses its goal, the memory does not."""
    made = Results(file)
    machine = {
        "device": device, "rate": 8e14, "numbers": "bfloat16", "versions": {"torch": "2"},
        "size": [832, 480], "frames": 81, "small": False,
        "settings": {"compile": "true"},
    }  # fmt: skip
    assert made.describe(machine)
    made.keep("1.3b/4 steps", {
        "steps": 4, "job": 6.5, "bare": 6.4, "phases": {"denoising": 4.0, "decoding": 2.5},
        "step": 1.0, "share": 0.53,
    })  # fmt: skip
    made.keep("1.3b/plan resident", {
        "plan": "resident", "first": 30.0, "job": 6.0, "step": 1.0, "share": 0.53,
        "peaks": {"encoding": 9e9, "denoising": 8e9, "decoding": 10e9}, "libraries": 1e9,
        "vram": 11e9, "vram_reckoned": 10e9, "ram": 3e9, "ram_reckoned": 4e9,
    })  # fmt: skip
    made.keep("14b/plan resident", {"failed": "out of memory"})
    return made


def test_the_table_says_what_misses_its_goal(tmp_path):
    text = table(results(tmp_path / "r.json", "NVIDIA H200"))
    assert "| 1.3b | 4 | 6.40 | 6.50 | +1.6% | **6 s** | 1.00 | **53%** |" in text
    assert "| 11.0 | 10.0 | 1.10 |" in text
    assert "Failed: 14b/plan resident (out of memory)." in text
    assert "random weights, compile=true." in text
    other = table(results(tmp_path / "other.json", "NVIDIA L4"))
    assert "| 1.3b | 4 | 6.40 | 6.50 | +1.6% | - | 1.00 | 53% |" in other, "goals are an H200's"


def test_results_of_another_machine_are_not_gone_on_with(tmp_path):
    made = results(tmp_path / "r.json", "NVIDIA H200")
    again = Results(tmp_path / "r.json")
    assert again.found == made.found
    assert not again.describe({**made.machine, "device": "NVIDIA L4", "rate": 1.0})
    assert not again.describe({**made.machine, "settings": {}})
    assert again.describe({**made.machine, "rate": 7e14})
    assert again.machine["rates"] == [8e14, 7e14]
