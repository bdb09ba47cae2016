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


@pytest.mark.parametrize(
    ("model", "settings", "said"),
    [
        ("wan-vace-1.3b", ("depth_near=9", "depth_far=2"), "'depth_near' (9 m) must be less than"),
        ("wan-vace-1.3b", ("depth_near=2", "depth_far=2"), "'depth_near' (2 m) must be less than"),
        ("svd", ("guidance_min=4",), "'guidance_min' (4) must not be above 'guidance_max' (3)"),
        ("wan-vace-1.3b", ("window=9", "overlap=13"), "set 'window' higher or 'overlap' lower"),
        ("wan-vace-1.3b", ("guide=depth",), "did you mean 'guidance_mode'?"),
    ],
)
def test_settings_that_do_not_go_together_are_refused_before_anything_is_made(
    run, make_shot, tmp_path, model, settings, said
):
    """By each command alike, without weights; nothing of a take is left."""
    shot, out = make_shot(frames=20), tmp_path / "take"
    given = [word for pair in settings for word in ("--set", pair)]
    assert said in run("preflight", "--model", model, "--shot", shot, *given, status=2)
    assert said in run("plan", shot, "--model", model, *given, status=2)
    refused = run("generate", shot, "--model", model, "--out", out, *given, status=2)
    assert said in refused and len(refused.splitlines()) == 1 and not out.exists()


def test_a_memory_plan_for_another_device_is_refused_with_those_that_may_be_set(run, make_shot):
    machine = json.loads(run("preflight", "--model", "draft", "--json"))["machine"]
    if machine["gpus"]:
        pytest.skip("this computer has a GPU")
    shot, asked = make_shot(), ("--model", "wan-vace-1.3b", "--set")
    said = "The memory plan 'fp8' is not for the device 'cpu'; set 'memory' to auto."
    assert said in run("preflight", *asked, "memory=fp8", status=2)
    for how in ((), ("--explain",), ("--json",)):
        assert said in run("plan", shot, *how, *asked, "memory=fp8", status=2)
    told = " ".join(run("plan", shot, "--explain", *asked, "compile=true").split())
    assert "Not used 'compile' has no effect on the device 'cpu'" in told
    assert json.loads(run("preflight", *asked, "memory=auto", "--json"))["preflight"]


def test_without_weights_no_take_is_begun(run, make_shot, tmp_path):
    asked = ("generate", make_shot(), "--model", "wan-vace-1.3b", "--out", tmp_path / "take")
    refused = run(*asked, status=1)
    assert refused.startswith("The weights of 'wan-vace-1.3b' (19.0 GB) are not on this computer;")
    assert "DEPTHSHOT_WAN_VACE_1_3B_WEIGHTS" in refused and len(refused.splitlines()) == 1
    assert not (tmp_path / "take").exists()


def test_a_plan_tells_of_words_weights_and_what_has_no_effect(run, make_shot, tmp_path):
    shot = make_shot()
    content = json.loads((shot / "shot.json").read_text())
    (shot / "shot.json").write_text(json.dumps(content | {"prompt": "wet stones " * 300}))
    asked = ("plan", shot, "--model", "wan-vace-1.3b", "--explain", "--set", "fast=true")
    told = " ".join(run(*asked, "--set", "lock=0", "--set", "feather=9").split())
    assert "Words The prompt has 600 words; the negative one is none. The model reads 512" in told
    assert "what is beyond is left out" in told
    assert "Weights The weights of 'wan-vace-1.3b' (19.0 GB) are not on this computer" in told
    assert "Weights 'wan-vace-1.3b-fast' is not downloaded by Depthshot; fetch it with `hf" in told
    assert "'feather' has no effect while 'lock' is 0" in told
    assert "is a file of Blender" in run("plan", tmp_path / "demo.blend", status=1)


def test_words_can_be_given_beside_a_shot_and_stand_in_the_take(run, make_shot, tmp_path):
    shot, takes = make_shot(), [tmp_path / name for name in ("own", "given", "again")]
    asked = ("generate", shot, "--model", "projection", "--out")
    run(*asked, takes[0])
    for take in takes[1:]:
        run(*asked, take, "--prompt", "wet stones", "--negative", "people")
    own, given, again = (json.loads((take / "take.json").read_text()) for take in takes)
    assert "prompt" not in own["details"]
    assert given["details"]["prompt"] == "wet stones"
    assert given["details"]["negative_prompt"] == "people"
    assert own["shot_sha256"] != given["shot_sha256"] == again["shot_sha256"]
    assert own["capture_sha256"] == given["capture_sha256"], "the shot itself is the same"
    assert "another job" in run(*asked, takes[0], "--prompt", "dry", status=2)
    run(*asked, takes[0], "--prompt", "dry", "--replace")
    kept = takes[0] / "earlier-1/take.json"
    assert json.loads(kept.read_text())["shot_sha256"] == own["shot_sha256"]


def test_settings_belong_to_one_model(run):
    assert "--model" in run("preflight", "--set", "steps=4", status=2)
