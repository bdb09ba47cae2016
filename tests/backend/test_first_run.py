"""The first run of a large model, with tiny random weights: takes, report, pictures."""

from __future__ import annotations

from pathlib import Path

import PIL.Image
import pytest

from backend.models import find_card
from backend.models.weights import variable
from backend.paths import OVERRIDE
from benchmarks.first_run import run as run_module
from benchmarks.first_run.__main__ import main
from tests.videos import tiny_lora, tiny_wan_vace

CARD = find_card("wan-vace-14b")
WAYS = [f"{mode}, lock {lock}" for lock in (1, 0) for mode in ("both", "projection", "depth")]
WAYS += ["both, lock 1, fast", "draft", "projection"]


@pytest.fixture(autouse=True)
def weights(tmp_path, monkeypatch) -> None:
    folder = tiny_wan_vace(tmp_path / "weights")
    monkeypatch.setenv(variable(CARD.id), str(folder))
    monkeypatch.setenv(variable(CARD.fast_card.id), str(tmp_path / "lora"))
    monkeypatch.setenv(OVERRIDE, str(tmp_path / "data"))
    tiny_lora(folder, tmp_path / "lora" / CARD.fast.file)


def first_run(out: Path, *arguments: str) -> int:
    given = ["--model", CARD.id, "--out", str(out), "--device", "cpu", "--small"]
    return main([*given, "--only", "posts-side", *arguments])


def test_one_command_makes_the_whole_report_and_goes_on_where_it_ended(tmp_path, monkeypatch):
    out = tmp_path / "out"
    assert first_run(out) == 0
    report = (out / "report.md").read_text()
    rows = [line for line in report.splitlines() if line.startswith("| ")]
    scored = {row.split(" | ")[0].removeprefix("| "): row.split(" | ") for row in rows}
    assert set(WAYS) <= set(scored)
    assert all(float(scored[way][1]) > 0 for way in WAYS), "each has a PSNR"
    for picture in ("posts-side.png", "posts-side-holes.png"):
        assert f"(pictures/{picture})" in report
        with PIL.Image.open(out / "pictures" / picture) as image:
            assert min(image.size) > 100
    assert "## Time and memory" in report
    assert CARD.licence in report

    def none(*_arguments: object, **_options: object) -> None:
        raise AssertionError("a finished take is not made again")

    monkeypatch.setattr(run_module, "generate", none)
    assert first_run(out) == 0
    again = (out / "report.md").read_text()
    # Above is what preflight says, and with it the memory that is free now.
    below = [text.partition("## posts-side")[2] for text in (report, again)]
    assert below[0] == below[1] != ""


def test_what_is_missing_is_named_with_the_command_that_brings_it(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv(variable(CARD.id))
    monkeypatch.delenv(variable(CARD.fast_card.id))
    assert first_run(tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert f"models pull {CARD.id} --accept-licence" in said
    assert f"models pull {CARD.fast_card.id} --accept-licence" in said
    assert not (tmp_path / "out").exists()


def test_a_shot_that_is_not_there_is_refused(tmp_path, capsys):
    assert first_run(tmp_path / "out", "--only", "nowhere") == 1
    assert "there is no shot nowhere" in capsys.readouterr().err


def test_a_folder_without_shots_is_refused(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert first_run(tmp_path / "out", "--shots", str(tmp_path / "empty")) == 1
    assert "holds no NAME/shot" in capsys.readouterr().err
