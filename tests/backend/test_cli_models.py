"""`models` as a person or a script uses it: each command in a process of its own."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backend.models import find_card, hub, weights
from tests.backends import PYTHON, ROOT, running_backend, worker_pid
from tests.hub_server import TinyHub, running_hub
from tests.hubs import LARGE, REVISION, fill_cache, model_files, needed, safetensors, tiny_card
from tests.waiting import wait_until

# The command line, with one model more.
WITH_TINY = """
import sys, types
from backend import models
from tests.hubs import tiny_card
models.FAMILIES += (types.SimpleNamespace(CARDS=(tiny_card(),)),)
from backend.cli import main
status = main(sys.argv[1:])
assert "torch" not in sys.modules
sys.exit(status)
"""
Run = Callable[..., subprocess.CompletedProcess]


@pytest.fixture
def served() -> Iterator[TinyHub]:
    with running_hub(model_files()) as here:
        yield here


@pytest.fixture
def environment(served, tmp_path) -> dict[str, str]:
    """A user without a token, whose hub is the one of the test."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return kept | {
        "HF_ENDPOINT": served.url,
        "HF_HOME": str(tmp_path / "hf"),
        "DEPTHSHOT_DATA_DIR": str(tmp_path / "data"),
    }


@pytest.fixture
def run(environment) -> Run:
    def run(*arguments: str, status: int = 0, **more: str) -> subprocess.CompletedProcess:
        done = subprocess.run(
            [PYTHON, "-c", WITH_TINY, "models", *arguments],
            cwd=ROOT,
            env=environment | more,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
        return done

    return run


def tiny(run: Run, **more: str) -> dict:
    cards = json.loads(run("--json", **more).stdout)["models"]
    return next(card for card in cards if card["id"] == "tiny-video")


def test_from_the_licence_to_weights_and_back(run, tmp_path, served):
    assert (tiny(run)["installed"], tiny(run)["installed_bytes"]) == (None, 0)
    refused = run("pull", "tiny-video", status=1)
    assert "Tiny-1.0 (https://example.org/licence)" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1 and served.asked == []
    assert "to download" in run("show", "tiny-video").stdout

    pulled = run("pull", "tiny-video", "--accept-licence")
    folder = hub.snapshot_folder(tmp_path / "data/weights", tiny_card())
    assert pulled.stdout == f"The weights of 'tiny-video' are in {folder}\n"
    assert "100%" in pulled.stderr
    size = sum(map(len, needed(served.files).values()))
    assert (tiny(run)["installed"], tiny(run)["installed_bytes"]) == (str(folder), size)
    shown = run("show", "tiny-video").stdout
    assert str(folder) in shown and "https://example.org/licence" in shown
    assert json.loads(run("show", "tiny-video", "--json").stdout) == tiny(run)
    assert not (tmp_path / "hf").exists()

    removed = run("remove", "tiny-video")
    assert "are removed" in removed.stdout and not folder.exists()
    again = run("remove", "tiny-video", status=1).stderr
    assert again.startswith("Depthshot has downloaded no weights of “Tiny video”; there is nothing")
    run("pull", "tiny-video")  # the licence is known


def test_progress_is_told_in_json_lines(run, served):
    done = run("pull", "tiny-video", "--accept-licence", "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["kind"] for event in events[-2:]] == ["progress", "done"]
    size = sum(map(len, needed(served.files).values()))
    assert (events[-2]["done"], events[-2]["total"], events[-2]["share"]) == (size, size, 1.0)
    served.files["vae/model.safetensors"] = b"PK\x03\x04" * 500
    failed = run("pull", "tiny-video", "--json", status=1)
    last = json.loads(failed.stdout.splitlines()[-1])
    assert last["kind"] == "failed" and "is no safetensors file" in last["message"]


def test_offline_is_said_and_nothing_asked(run, served):
    refused = run("pull", "tiny-video", "--accept-licence", status=1, HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE" in refused.stderr and served.asked == []


def test_another_data_folder_can_be_named_before_or_behind(run, tmp_path):
    run("--data", str(tmp_path / "other"), "pull", "tiny-video", "--accept-licence")
    assert tiny(run)["installed"] is None
    shown = run("show", "tiny-video", "--json", "--data", str(tmp_path / "other"))
    assert json.loads(shown.stdout)["installed"].startswith(str(tmp_path / "other"))


def test_the_users_own_cache_is_used_and_stays(run, tmp_path, served):
    folder = fill_cache(tmp_path / "hf/hub", needed(model_files()))
    assert tiny(run)["installed"] == str(folder)
    assert run("pull", "tiny-video").stdout.endswith(f"{folder}, used as they are\n")
    assert run("remove", "tiny-video").stdout.endswith("are not Depthshot's and stay.\n")
    assert folder.is_dir() and served.asked == []
    assert not (tmp_path / "data").exists()


def test_a_local_folder_is_used_and_stays(run, tmp_path, served):
    folder = tmp_path / "mine"
    name = weights.variable("tiny-video")
    for missing in ("where no folder is", "(model_index.json is missing)"):
        for asked, status in (("pull", 1), ("show", 0)):
            done = run(asked, "tiny-video", status=status, **{name: str(folder)})
            assert f"{name} names '{folder}', " in done.stdout + done.stderr
            assert missing in done.stdout + done.stderr
        assert tiny(run, **{name: str(folder)})["installed"] is None
        assert f"not usable where {name} says" in run("list", **{name: str(folder)}).stdout
        folder.mkdir(exist_ok=True)
    folder.rmdir()
    fill_cache(tmp_path / "copy", needed(model_files())).rename(folder)
    assert tiny(run, **{name: str(folder)})["installed"] == str(folder)
    assert str(folder) in run("pull", "tiny-video", **{name: str(folder)}).stdout
    removed = run("remove", "tiny-video", "--json", **{name: str(folder)})
    assert json.loads(removed.stdout) == {
        "removed_bytes": 0, "forgotten": None, "installed": str(folder), "said": []
    }  # fmt: skip
    assert folder.is_dir() and served.asked == []


def test_a_folder_is_chosen_used_and_let_go_of(run, tmp_path, served):
    folder = tmp_path / "mine"
    refused = run("use", "tiny-video", str(folder), status=1).stderr
    assert refused == (
        f"The weights of 'tiny-video' cannot come from '{folder}', where no folder is; choose a"
        " folder that is there.\n"
    )
    nothing = run("use", "tiny-video", "", status=1).stderr
    assert nothing == "No folder was named; choose the one that has the weights.\n"
    fill_cache(tmp_path / "copy", needed(model_files())).rename(folder)
    said = run("use", "tiny-video", str(folder)).stdout
    assert said == f"The weights of 'tiny-video' come from {folder}, used as they are\n"
    assert (tiny(run)["installed"], tiny(run)["named_by"]) == (str(folder), "choice")
    gone = run("use", "tiny-video", str(tmp_path / "gone"), status=1).stderr
    assert gone.endswith(
        f"choose a folder that is there. '{folder}', chosen before, stays in use.\n"
    )
    assert tiny(run)["installed"] == str(folder)
    shown = run("show", "tiny-video").stdout
    assert f"{folder}, chosen (`models use tiny-video --forget` lets go of it)" in shown
    assert f"named      {weights.fingerprint(folder)} in a take: a fingerprint of that" in shown
    assert "from       someone/tiny-video\n" in shown and REVISION not in shown
    assert str(folder) in run("pull", "tiny-video").stdout and served.asked == []

    name = weights.variable("tiny-video")
    other = {name: str(tmp_path / "nowhere")}
    assert tiny(run, **other)["installed"] is None, "the variable comes first"
    unused = f"    chosen     {folder}, not used while {name} is set\n"
    assert unused in run("show", "tiny-video", **other).stdout
    assert "    chosen " not in run("show", "tiny-video").stdout
    assert f"{name} names a folder" in run("use", "tiny-video", ".", status=1, **other).stderr

    assert json.loads(run("use", "tiny-video", "--forget", "--json").stdout) == {
        "folder": str(folder),
        "used": False,
        "said": [f"'{folder}' is no longer used for 'tiny-video', and stays as it is."],
    }  # fmt: skip
    assert (tiny(run)["installed"], tiny(run)["named_by"]) == (None, None)
    shown = run("show", "tiny-video").stdout
    assert f"someone/tiny-video, revision {REVISION}\n" in shown and "named " not in shown
    assert "there is nothing to let go of" in run("use", "tiny-video", "--forget", status=1).stderr
    assert folder.is_dir()


def test_removing_lets_go_of_a_chosen_folder_and_removes_what_was_downloaded(run, tmp_path, served):
    folder = tmp_path / "mine"
    fill_cache(tmp_path / "copy", needed(model_files())).rename(folder)
    files = sorted(folder.rglob("*"))
    run("pull", "tiny-video", "--accept-licence")
    run("use", "tiny-video", str(folder))
    removed = run("remove", "tiny-video").stdout
    assert f"'{folder}' is no longer used for 'tiny-video', and stays as it is." in removed
    assert "are removed" in removed and tiny(run)["installed"] is None
    run("use", "tiny-video", str(folder))
    done = json.loads(run("remove", "tiny-video", "--json").stdout)
    assert done == {
        "removed_bytes": 0, "forgotten": str(folder), "installed": None, "said": []
    }  # fmt: skip
    assert sorted(folder.rglob("*")) == files and (folder / LARGE[0]).is_file()


@pytest.mark.parametrize("how", [(), ("--json",)])
def test_what_cannot_be_removed_is_told_with_the_folder_that_was_let_go_of(run, tmp_path, how):
    folder = tmp_path / "mine"
    fill_cache(tmp_path / "copy", needed(model_files())).rename(folder)
    run("pull", "tiny-video", "--accept-licence")
    run("use", "tiny-video", str(folder))
    home = tmp_path / "data/weights"
    (home / "twin.json").write_bytes((home / "tiny-video.json").read_bytes())
    refused = run("remove", "tiny-video", *how, status=1).stderr
    assert refused == (
        f"'{folder}' is no longer used for 'tiny-video', and stays as it is. The weights of"
        " 'tiny-video' are those of 'twin' as well; remove 'twin' to have them gone.\n"
    )
    assert tiny(run)["named_by"] is None and (folder / LARGE[0]).is_file()


def test_a_choice_that_is_not_whole_any_more_says_the_way_out(run, tmp_path):
    folder = tmp_path / "mine"
    fill_cache(tmp_path / "copy", needed(model_files())).rename(folder)
    run("use", "tiny-video", str(folder))
    folder.rename(tmp_path / "away")
    assert "not usable in the folder that was chosen" in run("list").stdout
    assert f"way out    The weights of 'tiny-video' come from '{folder}', where no folder is;" in (
        run("show", "tiny-video").stdout
    )
    refused = run("pull", "tiny-video", status=1).stderr
    assert "with `models use tiny-video --forget`, to download them" in refused


def test_a_damaged_list_of_choices_is_got_out_of(run, tmp_path):
    chosen = tmp_path / "data/weights/folders.json"
    chosen.parent.mkdir(parents=True)
    aside = chosen.with_name("folders.json.damaged")
    for command in (("use", "tiny-video", "--forget"), ("remove", "tiny-video")):
        chosen.write_text("{")
        assert f"way out    '{chosen}' is damaged;" in run("show", "tiny-video").stdout
        said = run(*command).stdout
        assert said == (
            f"The list of the folders of weights that you chose was damaged, and is now '{aside}';"
            " choose those of other models again.\n"
        )
        assert aside.read_text() == "{" and not chosen.exists()
    folder = tmp_path / "mine"
    fill_cache(tmp_path / "copy", needed(model_files())).rename(folder)
    chosen.write_text("{")
    told = json.loads(run("use", "tiny-video", str(folder), "--json").stdout)
    assert told["folder"] == str(folder) and "was damaged" in told["said"][0]


def test_models_that_ship_say_so(run):
    draft = find_card("draft")
    shown = json.loads(run("show", "draft", "--json").stdout)
    assert shown["installed"] == str(weights.weights_folder(draft))
    assert shown["installed_bytes"] > 1_000_000
    assert "nothing to pull" in run("pull", "draft", status=1).stderr
    assert "nothing to remove" in run("remove", "draft", status=1).stderr
    for asked in ("show", "pull", "remove"):
        refused = run(asked, "nope", status=2).stderr
        assert refused.startswith("There is no model 'nope'; there are: draft, projection, wan-")
        assert "wan-vace-1.3b-fast, wan-vace-14b-fast" in refused


def test_what_can_be_set_is_shown_as_the_panel_names_it(run):
    shown = run("show", "wan-vace-1.3b").stdout
    assert "--set guidance_mode=both  (one of both, projection, depth)\n        Guide: " in shown
    assert "--set steps=50  (a whole number from 1 to 200)\n        Steps: " in shown
    assert "--set fast=false  (true or false)\n        4 steps: " in shown
    assert "Feather, under Advanced: " in shown


def test_the_list_is_short_and_has_what_is_chosen_for_few_steps(run):
    lines = run("list").stdout.splitlines()
    heads = [line for line in lines if not line.startswith(" ")]
    assert [head.split()[0] for head in heads[:-1]] == [
        "draft", "projection", "wan-vace-1.3b", "wan-vace-14b", "wan2.2-vace-fun-a14b", "sana-wm",
        "svd", "tiny-video",
    ]  # fmt: skip
    assert len(lines) == 2 * 8 + 2 + 1, "a line and what it does, two with few steps, and the rest"
    assert heads[-1].startswith("`models show ID` tells the")
    (fast,) = (line for line in lines if "wan-vace-14b-fast" in line)
    assert fast == "    wan-vace-14b-fast  Wan VACE 14B, 4 steps (Apache-2.0, 0.6 GB to download)"


def test_the_parameters_are_told_for_each_network(run):
    shown = run("show", "wan-vace-1.3b").stdout
    assert "parameters 8.0 billion: text_encoder 5.7, transformer 2.2, vae 0.1\n" in shown


def test_what_is_not_downloaded_says_so_with_every_licence(run):
    shown = run("show", "sana-wm").stdout
    assert "https://ai.google.dev/gemma/terms" in shown
    assert "not downloaded by Depthshot: 20.8 GB" in shown and "to download" not in shown
    assert "hf download Efficient-Large-Model/SANA-WM_bidirectional-diffusers --local-dir" in shown
    listed = run("list").stdout
    assert "not downloaded by Depthshot: 20.8 GB, see `models use sana-wm FOLDER`" in listed


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_what_arrived_before_a_stop_is_kept(run, environment, served, tmp_path, how):
    served.files[LARGE[0]] = safetensors(bytes(4_000_000))
    served.fast.clear()
    process = subprocess.Popen(
        [PYTHON, "-c", WITH_TINY, "models", "pull", "tiny-video", "--accept-licence", "--json"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        for line in process.stdout:
            if json.loads(line)["done"] > 2_000_000:
                break
        process.send_signal(how)
        # So that nobody waits for a full pipe.
        threading.Thread(target=process.stdout.read, daemon=True).start()
        errors = process.stderr.read()
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "what has arrived is kept" in errors and "Traceback" not in errors
    parts = list((tmp_path / "data").rglob("*.incomplete"))
    wait_until(lambda: max(part.stat().st_size for part in parts) > 1_900_000)
    served.fast.set()
    served.asked.clear()
    run("pull", "tiny-video")
    start = next(part for name, part in served.of_files() if name == LARGE[0])
    assert int(start.removeprefix("bytes=").removesuffix("-")) > 1_900_000


def test_a_worker_of_a_server_looks_into_the_servers_folder(tmp_path):
    """`serve --data` tells its workers by the environment, which is all they inherit."""
    data = tmp_path / "elsewhere"
    with running_backend(data) as backend:
        entries = Path(f"/proc/{worker_pid(backend)}/environ")
        if not entries.exists():
            pytest.skip("this system does not show a process's environment")
        assert f"DEPTHSHOT_DATA_DIR={data}".encode() in entries.read_bytes().split(b"\0")
