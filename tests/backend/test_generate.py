"""From a shot to a take in one process: events, interruption, and what is refused."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.errors import Cancelled, SettingError, ShotError
from backend.events import Event
from backend.generate import LOADING, choose_device, generate, versions
from backend.models import find_card
from backend.take import read_take, verify_take
from backend.wire import read_shot
from tests.backends import ROOT, frame_files

FRAMES = 6


@pytest.fixture
def shot(make_shot: Callable[..., Path]) -> Path:
    return make_shot(frames=FRAMES, frame_start=98)


def run(shot: Path, out: Path, **options) -> list[Event]:
    events: list[Event] = []
    arguments = {
        "model": "projection",
        "settings": {},
        "on_event": events.append,
        "should_stop": lambda: False,
    }
    generate(shot, out=out, **(arguments | options))
    return events


def test_a_take_is_whole_and_its_record_true(shot, tmp_path):
    events = run(shot, tmp_path / "take", settings={"fill": "false"}, seed=5)
    take = verify_take(tmp_path / "take")
    assert (take.model, take.settings["fill"], take.seed) == ("projection", False, 5)
    assert (take.frame_start, take.frames, take.fps) == (98, FRAMES, 24.0)
    assert sorted(frame_files(tmp_path / "take")) == sorted(
        f"{kind}/{98 + i:04d}.png" for kind in ("frames", "mask") for i in range(FRAMES)
    )
    assert sorted(e.index for e in events if e.kind == "frame") == list(range(FRAMES))
    assert take.details["versions"] == versions()
    assert set(versions()) == {"depthshot", "torch", "numpy", "python", "system"}
    assert take.details["device"] == choose_device(None)
    assert take.details["stills"] == [98 + still.index for still in read_shot(shot).stills]
    assert all(seconds >= 0 for seconds in take.details["seconds"].values())
    assert {e.phase for e in events if e.kind == "progress"} == set(take.details["seconds"])


def test_how_far_it_is_never_falls_and_ends_whole(shot, tmp_path):
    events = [event for event in run(shot, tmp_path / "take") if event.kind == "progress"]
    shares = [event.share for event in events]
    assert shares == sorted(shares)
    assert (events[0].phase, events[0].share, shares[-1]) == (LOADING, 0.0, 1.0)
    named = [name for name, _ in find_card("projection").phases]
    assert {event.phase for event in events} == {LOADING, *named}


def test_threads_that_wait_hardly_spin_unless_asked_to():
    # It counts only if it is set before torch is loaded, which reads it once.
    code = (
        "import os, sys, backend.cli, backend.worker; from backend.generate import devices\n"
        "assert 'torch' not in sys.modules\n"
        "devices(); assert 'torch' in sys.modules\n"
        "print(os.environ['OMP_WAIT_POLICY'], os.environ.get('GOMP_SPINCOUNT'))"
    )
    told = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    own = {name: value for name, value in os.environ.items() if name not in told}
    asked = {**own, "OMP_WAIT_POLICY": "ACTIVE"}
    for variables, expected in ((own, "PASSIVE 1000"), (asked, "ACTIVE None")):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT, env=variables, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout.strip() == expected


def test_a_frame_is_on_disk_when_it_is_said(shot, tmp_path):
    there = []

    def look(event: Event) -> None:
        if event.kind == "frame":
            there.append((tmp_path / f"take/frames/{98 + event.index:04d}.png").is_file())

    run(shot, tmp_path / "take", on_event=look)
    assert there == [True] * FRAMES


def test_the_seed_of_the_shot_is_taken_unless_another_is_given(shot, tmp_path):
    value = json.loads((shot / "shot.json").read_text())
    (shot / "shot.json").write_text(json.dumps(value | {"seed": 41}))
    run(shot, tmp_path / "a")
    run(shot, tmp_path / "b", seed=0)
    assert read_take(tmp_path / "a").seed == read_shot(shot).seed == 41
    assert read_take(tmp_path / "b").seed == 0


def test_an_interrupted_take_is_gone_on_with(shot, tmp_path):
    run(shot, tmp_path / "whole")
    said: list[Event] = []
    with pytest.raises(Cancelled, match="finished are kept"):
        run(
            shot,
            tmp_path / "take",
            on_event=said.append,
            should_stop=lambda: any(event.kind == "frame" for event in said),
        )
    kept = frame_files(tmp_path / "take")
    assert 0 < len(kept) < 2 * FRAMES
    times = {path: (tmp_path / "take" / path).stat().st_mtime_ns for path in kept}
    assert not (tmp_path / "take" / "take.json").exists()

    run(shot, tmp_path / "take")
    assert frame_files(tmp_path / "take") == frame_files(tmp_path / "whole")
    verify_take(tmp_path / "take")
    assert times == {path: (tmp_path / "take" / path).stat().st_mtime_ns for path in kept}


def test_stopped_before_it_began_it_makes_nothing(shot, tmp_path):
    events: list[Event] = []
    with pytest.raises(Cancelled):
        run(shot, tmp_path / "take", on_event=events.append, should_stop=lambda: True)
    assert events == []
    assert not (tmp_path / "take").exists()


def test_a_warning_is_said_once_and_recorded(make_shot, tmp_path):
    shot = make_shot(frames=3, step=0.0)  # the camera never moves
    events = run(shot, tmp_path / "take")
    warnings = [event.message for event in events if event.kind == "warning"]
    assert len(warnings) == 1
    assert "camera never moves" in warnings[0]
    assert list(read_take(tmp_path / "take").warnings) == warnings


def test_where_an_earlier_take_was_moved_is_said_first_and_once(shot, tmp_path):
    run(shot, tmp_path / "take", seed=1)
    events = run(shot, tmp_path / "take", seed=2)
    said = [event for event in events if event.kind == "warning" and "moved to" in event.message]
    assert said == events[:1]
    assert f"'{tmp_path / 'take' / 'earlier-1'}'" in said[0].message
    assert read_take(tmp_path / "take").warnings.count(said[0].message) == 1


def test_an_earlier_take_stays_unless_it_may_be_moved(shot, tmp_path):
    run(shot, tmp_path / "take", seed=1)
    before = frame_files(tmp_path / "take")
    with pytest.raises(SettingError, match="has the files of another job; give another --out"):
        run(shot, tmp_path / "take", seed=2, replace=False)
    assert frame_files(tmp_path / "take") == before and read_take(tmp_path / "take").seed == 1


def test_what_cannot_be_done_is_refused_before_anything_is_written(shot, tmp_path):
    with pytest.raises(SettingError, match="no model 'nope'; there are: draft, projection"):
        run(shot, tmp_path / "take", model="nope")
    with pytest.raises(SettingError, match="no setting 'blur'"):
        run(shot, tmp_path / "take", settings={"blur": 1})
    with pytest.raises(SettingError, match="no device 'cuda:99' that torch can use; there are: "):
        run(shot, tmp_path / "take", device="cuda:99")
    (shot / "still.png").unlink()
    with pytest.raises(ShotError, match=r"still\.png"):
        run(shot, tmp_path / "take")
    assert not (tmp_path / "take").exists()
