"""What a model will do with a shot, in words and numbers, before anything is loaded."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from backend.bundle import pack
from backend.models import cards, find_card
from backend.models.card import Card, Control, FrameRule, Setting
from backend.models.explain import explanation, summary, takes_shots_whole, unused
from backend.models.plan import make_plan
from backend.wire import Shot, Still, read_shot, write_shot
from tests.analytic import analytic_shot, camera_at
from tests.backends import PYTHON, ROOT

SIZE = (1920, 1080)
BARE = Card(
    id="bare", label="", family="", summary="", licence="", revision="", guides=("depth",),
    settings=(), learned=True, size_multiple=32, frame_rule=FrameRule(8, 1, 25),
    native_size=(768, 512),
)  # fmt: skip


def shot_of(frames: int = 140, **changes: object) -> Shot:
    camera = camera_at((0, 0, 0), size=SIZE)
    shot = Shot(
        name="street",
        size=SIZE,
        fps=24.0,
        frame_start=101,
        stills=(Still("still.png", 0),),
        cameras=(camera,) * frames,
        guides={"depth": tuple(f"{index}.exr" for index in range(frames))},
    )
    return replace(shot, **changes)


def explained(
    card: Card | str, shot: Shot, *, device: str = "", **chosen: object
) -> dict[str, str]:
    card = find_card(card) if isinstance(card, str) else card
    settings = card.check_settings(chosen)
    plan = make_plan(card, shot, settings)
    statements = explanation(card, shot, plan, settings=settings, device=device)
    assert len({statement.topic for statement in statements}) == len(statements)
    for statement in statements:
        assert statement.text[0].isupper() or statement.text[0].isdigit() or "'" in statement.text
        assert statement.text.endswith(".")
        assert "  " not in statement.text
    return {statement.topic: statement.text for statement in statements}


def test_size_and_padding_are_said():
    text = explained("wan-vace-1.3b", shot_of())["Size"]
    assert "1920 x 1080 is reduced to 832 x 468 (43%) for the model ('size' is 480p)" in text
    assert "come to 832 x 480, because width and height have to be multiples of 16" in text
    assert "6 rows above and 6 rows below, which are cut off again" in text
    assert "enlarged to 1920 x 1080" in text
    assert "What a still shows is kept" in text
    assert "kept" not in explained("wan-vace-1.3b", shot_of(), lock=0)["Size"]
    own = explained("wan-vace-1.3b", shot_of(), size="shot")["Size"]
    assert own.startswith("The model works at the shot's own 1920 x 1080. Its border is repeated")
    assert "4 rows above and 4 rows below" in own
    assert "larged" not in own and "poor" not in own
    small = shot_of(size=(416, 240))
    text = explained("wan-vace-1.3b", small, size="shot")["Size"]
    assert "far smaller than the 832 x 480 it was made for, so what it makes may be poor;" in text
    assert "poor" not in explained("wan-vace-1.3b", small)["Size"]


def test_windows_are_said_in_blenders_frames():
    said = explained("wan-vace-1.3b", shot_of())
    assert "5, 9, 13, … frames at once up to 81" in said["Windows"]
    assert "140 frames are made in 2 windows" in said["Windows"]
    assert "begins with 9 frames of the one before" in said["Windows"]
    assert said["Window 1"] == "77 frames: frames 101 to 177 are new."
    assert said["Window 2"] == (
        "73 frames: frames 169 to 177 are taken over from window 1; frames 178 to 240 are new;"
        " frame 240 is repeated once to fill up, which is dropped again."
    )
    assert "Window 3" not in said


def test_one_window_needs_no_list():
    said = explained("wan-vace-1.3b", shot_of(50))
    assert "All 50 frames are made in one window." in said["Windows"]
    assert "repeated 3 times" in said["Windows"]
    assert "Window 1" not in said
    assert "One frame is made in one window." in explained("wan-vace-1.3b", shot_of(1))["Windows"]
    long = explained("wan-vace-1.3b", shot_of(), window=241)
    assert "141 frames at once are more than the 81" in long["Windows"]


def test_the_frame_rate_is_compared_with_the_models():
    assert "about 1.5 times as fast" in explained("wan-vace-1.3b", shot_of())["Frame rate"]
    same = explained("wan-vace-1.3b", shot_of(fps=16.0))["Frame rate"]
    assert same == "The shot has 16 frames a second, as the model was made for."
    assert "any rate" in explained(BARE, shot_of())["Frame rate"]


def test_frames_between_are_said():
    every = Setting("every", "Every", 1, "", least=1, most=8)
    card = replace(BARE, settings=(every,), fps=12.0)
    shot = shot_of(21, stills=(Still("a.png", 0), Still("b.png", 3)))
    said = explained(card, shot, every=2)
    assert said["Between"].startswith(
        "The model does not make 9 frames (102, 106, 108, 110, 112, …, 120): they are filled"
    )
    assert "of which the model makes 12, as the model was made for" in said["Frame rate"]
    assert "Between" not in explained(card, shot)


def test_depth_is_said_with_polarity_and_range():
    def text(**chosen: object) -> str:
        return explained("wan-vace-1.3b", shot_of(), **chosen)["Depth"]

    assert "near is white, far is black, not rounded" in text()
    assert "one for all frames" in text()
    assert "locked: 2 m to 30.5 m" in text(depth_near=2, depth_far=30.5)
    assert "Nearest is locked to 2 m; farthest is the shot's own" in text(depth_near=2)
    assert "Farthest is locked to 9 m; nearest is the shot's own" in text(depth_far=9)
    assert "not shown depth" in text(guidance_mode="projection")
    dark = explained(replace(BARE, control=Control(near_is_white=False, bits=8)), shot_of())
    assert "near is black, far is white, in 8 bits" in dark["Depth"]
    assert "Depth" not in explained(BARE, shot_of())
    depth = ("0.exr", *(None,) * 139)
    partly = explained("wan-vace-1.3b", shot_of(guides={"depth": depth}))
    assert "Depth is known in 1 of 140 frames" in partly["Depth"]


def test_what_is_not_used_is_said_not_ignored():
    names = tuple(f"{index}.exr" for index in range(140))
    shot = shot_of(
        guides={"depth": names, "flow": names, "normal": names, "mask": (None,) * 140},
        stills=tuple(Still(f"{index}.png", index) for index in range(3)),
        prompt="rain",
        seed=3,
    )
    card = replace(BARE, stills=1)
    assert unused(card, shot, settings={}) == (
        "The guide 'flow' is not used: the model takes depth.",
        "The guide 'normal' is not used: the model takes depth.",
        "Of 3 stills 1 is used: the model takes no more.",
        "The prompt is not used: the model takes no words.",
        "The seed is not used: the model makes the same with any.",
    )
    wan = explained("wan-vace-1.3b", shot)["Not used"]
    assert wan == "The guide 'normal' is not used: the model takes depth, flow and lock."
    assert explained("wan-vace-1.3b", shot_of())["Not used"].startswith("Nothing")
    idle = explained("draft", shot_of(), mean=True, steps=2)["Not used"]
    assert idle == "'steps' has no effect while 'mean' is on."


WAN = "wan-vace-1.3b"


def test_words_are_told_with_what_is_not_wanted():
    own = find_card(WAN).negative_prompt
    said = explained(WAN, shot_of(48, prompt="wet stones"))["Words"]
    assert said.startswith("The prompt has 2 words; the negative one is none. So the model's own")
    assert f"“{own}”" in said and "The model reads 512 tokens of each" in said
    given = shot_of(48, negative_prompt="haze")
    assert (
        "The prompt has 0 words; the negative one has 1 word. The model"
        in (explained(WAN, given)["Words"])
    )
    for settings in ({"fast": True}, {"guidance": 1}):
        assert own not in explained(WAN, shot_of(48), **settings)["Words"]
        unguided = explained(WAN, given, **settings)["Not used"]
        assert unguided == "The negative prompt is not used: there is no prompt guidance."
    assert explained(WAN, given)["Not used"] == "Nothing: the model uses all of the shot."
    assert "own is used" not in explained("sana-wm", shot_of(48))["Words"]


def test_compiling_is_told_with_what_it_takes():
    assert "Compile" not in explained(WAN, shot_of(48))
    assert (
        "It takes a GPU that all of the model stays on"
        in (explained(WAN, shot_of(48), compile=True)["Compile"])
    )
    told = explained(WAN, shot_of(48), device="cuda:0", compile=True, memory="tiled")
    assert "Compile" in told and told["Not used"].startswith("Nothing")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"memory": "q4"}, "while 'memory' is q4"),
        ({"memory": "group_offload", "device": "cuda:0"}, "while 'memory' is group_offload"),
        ({"device": "cpu"}, "on the device 'cpu'"),
        ({"device": "mps"}, "on the device 'mps'"),
    ],
)
def test_compiling_that_cannot_be_is_among_what_is_not_used(given, why):
    told = explained(WAN, shot_of(48), compile=True, **given)
    assert "Compile" not in told
    assert told["Not used"] == f"'compile' has no effect {why}: the take is made without."


@pytest.mark.parametrize("model", ["projection", "draft"])
def test_models_without_windows_make_the_shot_as_it_is(model):
    card, shot = find_card(model), shot_of(48)
    assert takes_shots_whole(card)
    said = explained(model, shot)
    assert list(said) == ["Size", "Not used"]
    assert "All 48 frames are made at the shot's own size, 1920 x 1080, in one go" in said["Size"]
    plan = make_plan(card, shot, card.check_settings({}))
    assert plan.fit.model == SIZE
    assert [window.new for window in plan.windows] == [tuple(range(48))]


@pytest.mark.parametrize("card", cards(), ids=lambda card: card.id)
def test_every_card_can_be_explained(card):
    shot = shot_of(170)
    settings = card.check_settings({})
    line = summary(card, shot, make_plan(card, shot, settings))
    assert line.startswith(f"{card.id}: 170 frames of 1920 x 1080")
    assert explained(card, shot)


def run(*arguments: object) -> subprocess.CompletedProcess:
    there = {"DEPTHSHOT_DATA_DIR": "/nowhere/depthshot"}  # without anybody's weights
    return subprocess.run(
        [PYTHON, "-m", "backend", "plan", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | there,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def shot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plan") / "shot"
    return analytic_shot(folder, frames=30, size=(64, 40), frame_start=7)


def test_the_command_prints_a_line_words_or_numbers(shot, tmp_path):
    asked = (shot, "--model", "wan-vace-1.3b", "--set", "window=21")
    line = run(*asked)
    assert (line.returncode, line.stderr) == (0, "")
    summed, lacks = line.stdout.split("\n", maxsplit=1)
    assert summed == "wan-vace-1.3b: 30 frames of 64 x 40, in 2 windows of 21 at 800 x 496."
    assert "`models pull wan-vace-1.3b`" in lacks
    words = run(*asked, "--explain").stdout
    assert words.startswith(summed) and words.endswith(lacks)
    assert "\nWindow 2      21 frames: frames 19 to 27 are taken over from window 1;" in words
    assert max(map(len, words.splitlines())) <= 100
    pack(shot, tmp_path / "shot.zip")
    numbers = json.loads(run(tmp_path / "shot.zip", *asked[1:], "--json").stdout)
    assert numbers["model"] == "wan-vace-1.3b"
    assert numbers["settings"]["window"] == 21
    assert [" ".join(lacks.split()) for lacks in numbers["trouble"]] == [
        " ".join(lacks.split()).removeprefix("Weights ")
    ]
    assert numbers["size"]["model"] == [800, 496]
    assert numbers["size"]["padding"] == {"left": 3, "right": 3, "top": 0, "bottom": 0}
    assert [window["kept"] for window in numbers["windows"]] == [0, 9]
    assert numbers["windows"][1]["frames"] == [*range(19, 37), 36, 36, 36]
    assert numbers["windows"][1]["padded"] == 3
    assert (numbers["projected"], numbers["model_frames"]) == ([], 42)


def test_the_default_model_makes_all_in_one_go(shot):
    done = run(shot)
    assert done.stdout == "draft: 30 frames of 64 x 40, in one go at the shot's own size.\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "nope"], "There is no model 'nope'"),
        (["--model", "wan-vace-1.3b", "--set", "window=3"], "'window' must be"),
        (["--model", "wan-vace-1.3b", "--set", "window=9"], "set 'window' higher"),
        (["--model", "draft", "--set", "fill"], "--set takes NAME=VALUE"),
    ],
)
def test_what_cannot_be_planned_is_refused(shot, arguments, words):
    done = run(shot, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_shot_that_a_model_cannot_use_whole_says_so(shot, tmp_path):
    there = read_shot(shot)
    write_shot(replace(there, prompt="a quiet street"), shot)
    done = run(shot, "--explain")
    write_shot(there, shot)
    assert "Not used      The prompt is not used: the model takes no words." in done.stdout


def test_other_words_can_be_planned_than_the_shots_own(shot):
    asked = (shot, "--model", "wan-vace-1.3b", "--prompt", "wet stones", "--negative", "people")
    words = run(*asked, "--explain").stdout
    assert "The prompt has 2 words; the negative one has 1 word." in " ".join(words.split())


def test_nothing_heavy_is_loaded_for_a_plan(shot):
    code = (
        "import sys; from backend.cli import main;"
        f" main(['plan', {str(shot)!r}, '--model', 'wan-vace-1.3b', '--explain']);"
        " print(sorted({'torch', 'diffusers', 'transformers', 'OpenImageIO'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [PYTHON, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
