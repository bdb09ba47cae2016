"""Curves and the command line of trainings."""

from __future__ import annotations

import json
import os
import signal
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest

from backend.errors import DepthshotError
from backend.locks import FileLock
from backend.models.draft.load import random_pipeline
from backend.models.draft.network import DraftNetwork
from backend.png import SIGNATURE
from backend.training import evaluate as evaluating
from backend.training.__main__ import main
from backend.training.checkpoint import (
    BEST,
    LATEST,
    Checkpoint,
    Progress,
    arguments_of,
    load,
    save,
)
from backend.training.curves import draw_curves, read_log
from backend.training.evaluate import save_examples
from backend.training.scenes import Example, make_examples
from backend.training.train import LOG

TINY = {"channels": (8, 16), "blocks": (1, 1)}


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    return make_examples(5, size=64)[:2]


@pytest.fixture
def network() -> DraftNetwork:
    return random_pipeline(1, **TINY).network


# --- curves


def entries(*, evaluated: bool) -> list[dict]:
    made = [
        {"step": step, "samples": step, "seconds": 60.0 * step, "loss": 1 / step, "pure": None}
        for step in (1, 2, 3, 4)
    ]
    if evaluated:
        metrics = {"loss": 0.5} | {
            f"{way}_{name}": 10.0 + number
            for number, way in enumerate(("filled", "mean", "sample"))
            for name in ("psnr", "swd")
        }
        made.append({"step": 4, "samples": 4, "seconds": 250.0, "evaluation": metrics})
    return made


def test_steps_that_were_done_again_count_once(tmp_path):
    again = {"step": 3, "samples": 3, "seconds": 200.0, "loss": 9.0, "pure": 1.0}
    lines = [*entries(evaluated=True), again]
    (tmp_path / LOG).write_text("".join(json.dumps(line) + "\n" for line in lines))
    read = read_log(tmp_path)
    assert [entry["step"] for entry in read] == [1, 2, 3, 3]
    assert read[-1] == again


def test_curves_are_a_picture_with_a_line_for_each():
    for evaluated, lines in ((False, 1), (True, 1 + 1 + 3 + 3)):
        picture = ElementTree.fromstring(draw_curves(entries(evaluated=evaluated)))
        found = picture.findall(".//{http://www.w3.org/2000/svg}polyline")
        assert len(found) == lines
        # The loss falls, so its line goes down the page.
        heights = [float(point.split(",")[1]) for point in found[0].get("points").split()]
        assert heights == sorted(heights)
        assert all(0 <= height <= 200 for height in heights)


def test_a_log_without_curves_is_refused(tmp_path):
    with pytest.raises(DepthshotError, match="has no curves yet"):
        draw_curves([])
    with pytest.raises(DepthshotError, match=r"cannot be read .* train first"):
        read_log(tmp_path)


# --- the command line


@pytest.fixture
def run(tmp_path, network) -> Path:
    weights = network.state_dict()
    average = {name: value.clone() for name, value in weights.items()}
    checkpoint = Checkpoint(arguments_of(network), {}, weights, average, {}, Progress(step=4))
    save(checkpoint, tmp_path / "run" / LATEST)
    lines = "".join(json.dumps(line) + "\n" for line in entries(evaluated=True))
    (tmp_path / "run" / LOG).write_text(lines)
    return tmp_path / "run"


def test_a_run_is_evaluated_exported_and_drawn(run, tmp_path, examples, capsys):
    save_examples(examples, tmp_path / "kept.npz")
    kept, sheet = str(tmp_path / "kept.npz"), tmp_path / "sheet.png"
    command = ["evaluate", str(run), "--blender", kept, "--sheet", str(sheet), "--steps", "1"]
    assert main(command) == 0
    assert set(json.loads(capsys.readouterr().out)) >= {"loss", "sample_psnr", "mean_swd"}
    assert sheet.read_bytes().startswith(SIGNATURE)
    assert main(["export", str(run), "--out", str(tmp_path / "weights")]) == 0
    assert main(["curves", str(run), "--out", str(tmp_path / "curves.svg")]) == 0
    assert (tmp_path / "curves.svg").read_text().startswith("<svg")
    assert main(["flops", str(run)]) == 0
    said = capsys.readouterr().out
    assert "832 x 480: " in said
    assert "parameters" in said


def test_a_failure_is_one_sentence(tmp_path, capsys):
    assert main(["export", str(tmp_path)]) == 1
    assert main(["prepare", "one", "--out", str(tmp_path / "out.npz")]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert "There is no checkpoint" in errors[0]
    assert errors[1] == "Give a TRUTH folder after each SHOT folder."


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        (("--crop", "300"), 2, "--crop 300 is larger than --size 256; cut less."),
        (("--crop", "100"), 2, "--crop must be a multiple of 16, not 100."),
        (("--minutes", "-3"), 2, "--minutes must be above 0, not -3.0."),
        (("--pool-size", "0"), 2, "A pool cannot hold 0 examples; give 1 or more."),
        (
            ("--processes", "5000"),
            2,
            "5000 processes cannot fill a pool of 6000 examples; give 1 to 256.",
        ),
        (("--size", "-5", "--crop", "16"), 2, "-5 pixels a side; give 16 or more."),
        (("--device", "abacus"), 2, "give cpu, cuda or mps."),
        (("--batch", "many"), 2, "argument --batch: invalid int value: 'many'"),
        (("--start", "nowhere"), 1, "There is no checkpoint nowhere; train first."),
        (("--blender", "nowhere.npz"), 1, "make it with `prepare`."),
    ],
)
def test_a_wrong_training_is_one_sentence_and_makes_no_pool(
    changes, code, said, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    command = ["train", "--out", "run", "--pool", "pool", "--minutes", "1", *changes]
    assert ended(command) == code
    assert capsys.readouterr().err.splitlines()[-1].endswith(said)
    assert not (tmp_path / "pool").exists()
    assert not (tmp_path / "run" / LATEST).exists()


def train_on(run: Path, *, minutes: int = 1) -> list[str]:
    """Return the command that goes on with a run."""
    return ["train", "--out", str(run), "--pool", str(run / "pool"), "--minutes", str(minutes)]


def leave_at(run: Path, **progress: float) -> None:
    checkpoint = load(run / LATEST)
    save(replace(checkpoint, progress=replace(checkpoint.progress, **progress)), run / LATEST)


def test_a_training_that_is_over_says_so(run, capsys):
    leave_at(run, elapsed=60.0, evaluated=60.0)
    assert main(train_on(run)) == 0
    assert "The 1 minutes of" in capsys.readouterr().out
    assert not (run / "pool").exists()


def test_a_training_that_runs_is_left_alone_and_its_checkpoint_unread(run, capsys):
    (run / LATEST).write_bytes(b"torn")
    with FileLock(run / "in-use.lock"):
        assert main(train_on(run)) == 1
    assert "is in use by another Depthshot process" in capsys.readouterr().err
    assert main(train_on(run)) == 1
    assert "is damaged" in capsys.readouterr().err
    assert not (run / "pool").exists()


def test_a_lock_that_cannot_be_made_is_one_sentence(run, capsys):
    (run / "in-use.lock").mkdir()
    assert main(train_on(run)) == 1
    assert "run cannot be written (" in capsys.readouterr().err


def test_a_last_evaluation_that_is_missing_is_made_though_the_end_is_asked_for(
    run, examples, capsys, monkeypatch
):
    leave_at(run, elapsed=60.0, evaluated=10.0)
    measure = evaluating.evaluate

    def interrupted(*given):
        os.kill(os.getpid(), signal.SIGINT)
        return measure(*given)

    monkeypatch.setattr(evaluating, "held_out", lambda: examples)
    monkeypatch.setattr(evaluating, "evaluate", interrupted)
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    assert main(train_on(run)) == 0
    assert capsys.readouterr().out.startswith("Trained, 4 steps; ")
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == handlers
    assert "evaluation" in read_log(run)[-1]
    assert load(run / BEST).progress.best == load(run / LATEST).progress.best > 0
    assert load(run / LATEST).progress.evaluated == 60
    assert not (run / "pool").exists()


def test_a_training_that_is_stopped_before_its_last_evaluation_says_so(
    run, examples, capsys, monkeypatch
):
    leave_at(run, elapsed=60.0, evaluated=10.0)

    def interrupted():
        os.kill(os.getpid(), signal.SIGTERM)
        return examples

    monkeypatch.setattr(evaluating, "held_out", interrupted)
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    assert main(train_on(run)) == 130
    assert "Stopped at step 4; give the same command again" in capsys.readouterr().err
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == handlers
    assert load(run / LATEST).progress.evaluated == 10


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (("evaluate", "run", "--steps", "0"), 2, "'0' is no number of steps from 1 up"),
        (("evaluate", "run", "--shift", "nan"), 2, "'nan' is no shift; give a number above 0"),
        (("evaluate", "run", "--device", "abacus"), 2, "give cpu, cuda or mps."),
        (("samples", "--out", "a.png", "--seeds", "0,x"), 2, "give numbers, as in 0,1,2"),
        (("curves", "run", "--out", "file/a.svg"), 1, "make room there, or give another place."),
        (("export", "run", "--out", "file/weights"), 1, "make room there, or give another place."),
    ],
)
def test_a_wrong_command_is_one_sentence(command, code, said, run, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    assert ended(list(command)) == code
    assert capsys.readouterr().err.splitlines()[-1].endswith(said)


def ended(command: list[str]) -> int:
    """Return the exit status of a command, whoever decides on it."""
    try:
        return main(command)
    except SystemExit as leaving:
        return leaving.code
