"""The command line as a person or a script uses it."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from backend.bundle import pack
from backend.models import cards
from backend.take import read_take, verify_take
from tests.analytic import analytic_shot, write_truth
from tests.backends import PYTHON, ROOT, frame_files, running_backend
from tests.waiting import wait_until


def run(*arguments: object, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [PYTHON, "-m", "backend", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


@pytest.fixture(scope="module")
def shot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return analytic_shot(tmp_path_factory.mktemp("cli") / "shot", frames=4)


def test_generate_makes_a_take_and_shows_a_bar_on_stderr(shot, tmp_path):
    done = run(
        "generate", shot, "--model", "projection", "--set", "fill=false", "--seed", 3,
        "--out", tmp_path / "take",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"4 frames in {tmp_path / 'take'}\n"
    assert "100%" in done.stderr
    take = verify_take(tmp_path / "take")
    assert (take.settings["fill"], take.seed) == (False, 3)


def test_the_first_model_is_the_default_and_help_says_so(shot, tmp_path):
    first = cards()[0]
    assert f"(default: {first.id})" in " ".join(run("generate", "--help").stdout.split())
    one_step = ("--set", "steps=1") if any(s.name == "steps" for s in first.settings) else ()
    done = run("generate", shot, "--out", tmp_path / "take", *one_step)
    assert done.returncode == 0, done.stderr
    assert verify_take(tmp_path / "take").model == first.id


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            ("preflight", "--model", "svd", "--set", "window=5", "size=shot"),
            "'preflight' does not understand 'size=shot'; write --set before each setting: --set"
            " size=shot.",
        ),
        (
            ("plan", "x", "--modl", "draft"),
            "'plan' does not understand '--modl'; `python -m backend plan --help` says what it"
            " takes.",
        ),
        (
            ("doctor", "--", "this"),
            "'doctor' does not understand 'this'; `python -m backend doctor --help` says what it"
            " takes.",
        ),
        (
            ("--quiet", "doctor"),
            "'doctor' does not understand '--quiet'; `python -m backend doctor --help` says what"
            " it takes.",
        ),
    ],
)
def test_what_a_command_does_not_take_is_said_in_one_sentence(given, said):
    done = run(*given)
    assert (done.returncode, done.stderr, done.stdout) == (2, f"{said}\n", "")


def test_generate_takes_a_zip_and_prints_events_as_json(shot, tmp_path):
    pack(shot, tmp_path / "shot.zip")
    done = run(
        "generate", tmp_path / "shot.zip", "--model", "projection", "--json",
        "--out", tmp_path / "take",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-1]["kind"] == "done"
    assert sorted(e["index"] for e in events if e["kind"] == "frame") == [0, 1, 2, 3]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--model", "nope"], 2, "There is no model 'nope'"),
        (["--model", "projection", "--set", "fill"], 2, "--set takes NAME=VALUE, not 'fill'"),
        (["--model", "projection", "--set", "fill=maybe"], 2, "'fill' must be true or false"),
        (["--model", "projection", "--seed", "-1"], 2, "--seed must be"),
        (["--model", "projection", "--device", "tpu"], 2, "no device 'tpu'"),
    ],
)
def test_a_wrong_command_is_said_in_a_sentence(shot, tmp_path, arguments, status, words):
    done = run("generate", shot, "--out", tmp_path / "take", *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "take").exists()


def test_a_wrong_shot_is_said_and_ends_with_1(tmp_path):
    (tmp_path / "empty").mkdir()
    for place, words in (("empty", "shot.json"), ("nowhere", "give a shot's folder")):
        done = run(
            "generate", tmp_path / place, "--model", "projection", "--out", tmp_path / "t", "--json"
        )
        assert done.returncode == 1
        assert words in done.stderr
        assert json.loads(done.stdout or '{"kind": "failed"}')["kind"] == "failed"
        assert len(done.stderr.strip().splitlines()) == 1


def test_ctrl_c_keeps_the_finished_frames_and_says_how_to_go_on(tmp_path):
    shot = analytic_shot(tmp_path / "shot", frames=30, size=(160, 96), step=0.01)
    take = tmp_path / "take"
    command = ["generate", str(shot), "--model", "projection", "--out", str(take)]
    process = subprocess.Popen(
        [PYTHON, "-m", "backend", *command, "--json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        for line in process.stdout:
            if json.loads(line)["kind"] == "frame":
                break
        process.send_signal(signal.SIGINT)
        rest = [json.loads(line) for line in process.stdout]
        errors = process.stderr.read()
    assert process.returncode == 130
    assert rest[-1]["kind"] == "cancelled"
    assert f"Give the same command again to go on in '{take}'" in errors
    assert "Traceback" not in errors
    kept = set(frame_files(take))
    assert 0 < len(kept) < 60
    assert not (take / "take.json").exists()
    assert run(*command).returncode == 0
    assert read_take(take).frames == 30
    assert kept < set(frame_files(take))


def test_models_are_listed(tmp_path):
    text = run("models").stdout
    assert text.startswith("draft  Draft")
    assert "--set" not in text
    shown = run("models", "show", "draft").stdout
    assert "    uses       depth, flow, seed\n    --set mean=false  " in shown
    assert "projection  Projection" in text
    cards = json.loads(run("models", "--json").stdout)["models"][:3]
    assert [card["id"] for card in cards] == ["draft", "projection", "wan-vace-1.3b"]
    assert [card["takes_seed"] for card in cards] == [True, False, True]
    assert [card["takes_prompt"] for card in cards] == [False, False, True]
    assert {"name", "type", "default", "help"} <= set(cards[0]["settings"][0])


def test_a_reader_that_has_seen_enough_is_no_error():
    command = [PYTHON, "-m", "backend", "models", "--json"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()  # nobody reads: the first flush meets a broken pipe
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_score_prints_a_table_or_writes_numbers(shot, tmp_path):
    from backend.wire import read_shot

    write_truth(tmp_path / "truth", read_shot(shot))
    run("generate", shot, "--model", "projection", "--out", tmp_path / "take")
    command = ["score", shot, tmp_path / "take", "--truth", tmp_path / "truth"]
    table = run(*command, "--json", tmp_path / "score.json")
    assert table.returncode == 0, table.stderr
    assert "PSNR" in table.stdout
    numbers = run(*command, "--json", "-")
    assert json.loads(numbers.stdout) == json.loads((tmp_path / "score.json").read_text())
    failed = run("score", shot, tmp_path / "no-take", "--truth", tmp_path / "truth")
    assert failed.returncode == 1
    assert len(failed.stderr.strip().splitlines()) == 1


def test_doctor_says_what_is_there(tmp_path):
    data = tmp_path / "data"
    done = run("doctor", "--data", data, "--json")
    assert done.returncode == 0, done.stdout
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert {name for name, check in checks.items() if check["ok"] is False} == set()
    assert checks["torch"]["found"].startswith("2.")
    assert "cpu" in checks["devices"]["found"]
    assert checks["server"]["found"].startswith("not running")
    with running_backend(data):
        text = run("doctor", "--data", data)
    assert "server                 running as process" in text.stdout


def test_doctor_tells_whether_the_weights_are_whole(tmp_path):
    def doctor(weights: Path) -> tuple[int, dict]:
        environment = {**os.environ, "DEPTHSHOT_DRAFT_WEIGHTS": str(weights)}
        done = run("doctor", "--data", tmp_path / "data", "--json", env=environment)
        checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
        return done.returncode, checks["weights draft"]

    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "a.safetensors").write_bytes(bytes(2_000_000))
    status, check = doctor(tmp_path / "weights")
    assert (status, check["ok"]) == (0, True)
    assert f"2.0 MB, not those that ship, from '{tmp_path / 'weights'}'" in check["found"]
    status, check = doctor(tmp_path / "nowhere")
    assert (status, check["ok"]) == (1, False)
    assert "are missing from" in check["found"]
    assert "correct or clear the environment variable" in check["found"]


def test_doctor_fails_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    done = run("doctor", "--data", tmp_path / "file" / "data")
    assert done.returncode == 1
    assert "data folder   PROBLEM" in done.stdout


def test_help_names_the_exit_codes_and_hides_the_worker():
    text = run("--help").stdout
    assert "130 cancelled" in text
    assert "worker" not in text
    assert all(name in text for name in ("serve", "generate", "models", "score", "doctor"))


def test_serve_stays_until_ctrl_c_and_leaves_no_file(tmp_path):
    from backend.rendezvous import read_server

    process = subprocess.Popen(
        [PYTHON, "-m", "backend", "serve", "--data", str(tmp_path / "data")],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    with process:
        wait_until(lambda: read_server(tmp_path / "data") is not None)
        process.send_signal(signal.SIGINT)
        errors = process.stderr.read()
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert read_server(tmp_path / "data") is None
