"""`preflight`, and `models --preflight`, as a person or a script uses them."""

import json
import os
import subprocess

import pytest

from backend.models import cards
from tests.backends import PYTHON, ROOT

CARDS = [card.id for card in cards()]


@pytest.fixture
def run(tmp_path):
    """Return a function that runs a command of the backend and returns its output."""
    environment = os.environ | {"DEPTHSHOT_DATA_DIR": str(tmp_path / "data")}

    def command(*arguments: object, status: int = 0) -> str:
        ended = subprocess.run(
            [PYTHON, "-m", "backend", *map(str, arguments)],
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert ended.returncode == status, ended.stderr
        return ended.stdout if status == 0 else ended.stderr

    return command


def test_each_model_has_a_sentence(run):
    lines = run("preflight").splitlines()
    assert [line.split()[0] for line in lines] == CARDS
    assert all(line.endswith(".") for line in lines)


def test_a_shot_and_settings_decide(run, make_shot):
    small = json.loads(run("preflight", "--model", "wan-vace-1.3b", "--json"))
    assert small["machine"]["ram"] > 0
    (own,) = small["preflight"]
    assert (own["size"], own["windows"]) == ([832, 480], [81])
    for_shot = json.loads(
        run("preflight", "--model", "wan-vace-1.3b", "--shot", make_shot(), "--json",
            "--set", "size=shot")
    )  # fmt: skip
    (found,) = for_shot["preflight"]
    assert found["windows"] == [5]
    assert found["size"] != own["size"]
    assert found["need"]["ram"] <= own["need"]["ram"]


def test_what_cannot_be_is_refused_in_a_sentence(run, tmp_path):
    assert "There is no model 'none'" in run("preflight", "--model", "none", status=2)
    assert "stepz" in run("preflight", "--model", "draft", "--set", "stepz=1", status=2)
    assert run("preflight", "--shot", tmp_path / "none", status=1).strip().endswith(".")


@pytest.mark.parametrize("words", [["models"], ["models", "list"]])
def test_models_tell_it_only_when_they_are_asked(run, words):
    plain = json.loads(run(*words, "--json"))["models"]
    assert all("preflight" not in card for card in plain)
    asked = json.loads(run(*words, "--json", "--preflight"))["models"]
    assert [card["preflight"]["model"] for card in asked] == CARDS
    shown = json.loads(run("models", "show", "draft", "--json", "--preflight"))
    assert shown["preflight"]["verdict"] == "fits"
    assert "Fits: it takes little memory." in run("models", "show", "draft", "--preflight")


def test_settings_belong_to_one_model(run):
    assert "--model" in run("preflight", "--set", "steps=4", status=2)
