"""Drift and joins of takes that were made in windows: a known fault gives the number it has to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.score import Report, score
from backend.take import TAKE_FILE, frame_name
from backend.wire import write_shot
from tests.backend.score_clips import Clips, make_clips, record, write_clip

FRAMES, JOIN = 14, 8
WINDOWS = {"windows": [0, JOIN]}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    folder = tmp_path_factory.mktemp("joins")
    return make_clips(folder, size=(96, 64), frames=FRAMES, frame_start=101, step=0.04)


@pytest.fixture
def clips(original: Clips, tmp_path: Path) -> Clips:
    """Return the same shot with a truth of its own, which a test may spoil."""
    truth = write_clip(tmp_path / "truth", original.read(), original.frames)
    return Clips(original.shot, truth, original.frames)


def scored(
    clips: Clips, frames: Sequence[np.ndarray | None], *, details: dict[str, object]
) -> Report:
    take = write_clip(clips.truth.parent / "take", clips.read(), frames)
    (take / TAKE_FILE).write_text(json.dumps(record(clips, details=details).to_json()))
    return score(clips.shot, take, truth=clips.truth)


def brighter(clips: Clips, levels: int, *, start: int) -> list[np.ndarray]:
    """Return the true frames, brighter from a frame on."""
    return [
        frame + np.uint8(levels) if index >= start else frame
        for index, frame in enumerate(clips.frames)
    ]


def jump(before: np.ndarray, after: np.ndarray) -> float:
    return float(abs(after.mean(axis=(0, 1)) - before.mean(axis=(0, 1))).mean())


def test_a_take_as_the_truth_has_no_drift_and_the_truths_own_joins(clips):
    report = scored(clips, clips.frames, details=WINDOWS)
    assert report.metrics["drift"].values.all == 0
    assert report.metrics["drift"].values.seen == 0
    assert report.metrics["join"].values == report.metrics["join"].truth
    assert report.metrics["join"].values.all < 2


def test_a_jump_at_a_join_is_found(clips):
    frames = brighter(clips, 6, start=JOIN)
    report = scored(clips, frames, details=WINDOWS)
    for region in ("all", "seen"):
        assert report.metrics["drift"].values.get(region) == pytest.approx(6, abs=1e-4)
    (join,) = report.joins
    assert join.frame == 101 + JOIN
    assert join.jump.all == pytest.approx(jump(frames[JOIN - 1], frames[JOIN]), abs=1e-3)
    inside = [index for index in range(2, FRAMES) if index != JOIN]
    usual = np.median([jump(frames[index - 1], frames[index]) for index in inside])
    assert join.ratio.all == pytest.approx(join.jump.all / usual, rel=1e-3)
    metric = report.metrics["join"]
    assert metric.values.all == join.ratio.all > 4
    assert metric.truth.all < 2


def test_the_join_that_shows_most_counts(clips):
    frames = brighter(clips, 8, start=JOIN)
    report = scored(clips, frames, details={"windows": [0, 4, JOIN, 12]})
    assert [join.frame for join in report.joins] == [105, 109, 113]
    assert report.metrics["join"].values.all == report.joins[1].ratio.all
    others = report.joins[0], report.joins[2]
    assert max(join.ratio.all for join in others) < report.joins[1].ratio.all / 2
    assert "windows begin at 105, 109, 113; the join at 109 shows most" in report.table()


def test_a_slow_drift_shows_at_no_join(clips):
    frames = [frame + np.uint8(index // 2) for index, frame in enumerate(clips.frames)]
    report = scored(clips, frames, details={"windows": [0, 7]})
    assert report.metrics["drift"].values.all == pytest.approx((FRAMES - 1) // 2, abs=1e-4)
    assert report.metrics["join"].values.all < 2


def test_without_true_frames_at_the_ends_the_still_is_compared_with(clips):
    (clips.truth / "frames" / frame_name(100 + FRAMES)).unlink()
    report = scored(clips, brighter(clips, 6, start=JOIN), details=WINDOWS)
    drift = report.metrics["drift"]
    assert drift.values.seen == pytest.approx(6, abs=0.5)
    assert (drift.values.all, drift.values.unseen) == (None, None)
    assert drift.reasons == {}
    assert report.metrics["join"].truth.all < 2


def test_neither_truth_nor_depth_says_nothing_of_drift(clips, tmp_path):
    shot = clips.read()
    depth = (*shot.guide("depth")[:-1], None)
    own = tmp_path / "shot"
    own.mkdir()
    for path in shot.files():
        (own / path).parent.mkdir(exist_ok=True)
        (own / path).write_bytes((clips.shot / path).read_bytes())
    write_shot(replace(shot, guides={"depth": depth}), own)
    (clips.truth / "frames" / frame_name(100 + FRAMES)).unlink()
    report = scored(Clips(own, clips.truth, clips.frames), clips.frames, details=WINDOWS)
    assert "first and last frame" in report.metrics["drift"].reasons["seen"]


def test_truth_that_lacks_a_join_has_none_of_its_own(clips):
    (clips.truth / "frames" / frame_name(101 + JOIN)).unlink()
    report = scored(clips, brighter(clips, 6, start=JOIN), details=WINDOWS)
    assert report.metrics["join"].values.all > 4
    assert report.metrics["join"].truth is None


def test_one_window_has_no_joins(clips):
    report = scored(clips, brighter(clips, 6, start=JOIN), details={"windows": [0]})
    assert report.joins == ()
    assert report.metrics["drift"].values.all == pytest.approx(6, abs=1e-4)
    assert report.metrics["join"].values.all is None
    assert "two windows" in report.metrics["join"].reasons["all"]
    assert "windows begin" not in report.table()


def test_missing_frames_leave_their_join_out(clips):
    frames = [None if index == JOIN - 1 else frame for index, frame in enumerate(clips.frames)]
    report = scored(clips, frames, details={"windows": [0, 4, JOIN]})
    assert [join.frame for join in report.joins] == [105]


@pytest.mark.parametrize(
    "details",
    [{}, {"windows": 3}, {"windows": []}, {"windows": [0, "8"]}, {"windows": [0, 8, 8]},
     {"windows": [0, 99]}, {"windows": [3, 8]}, {"windows": [0, True]}],
)  # fmt: skip
def test_takes_without_windows_have_no_such_rows(clips, details):
    report = scored(clips, clips.frames, details=details)
    assert {"drift", "join"} & set(report.metrics) == set()
    assert report.to_json()["joins"] == []


def test_the_numbers_are_finite_and_in_the_table(clips):
    report = scored(clips, brighter(clips, 6, start=JOIN), details=WINDOWS)
    value = report.to_json()
    assert json.loads(json.dumps(value, allow_nan=False)) == value
    assert list(value["joins"][0]) == ["frame", "jump", "ratio"]
    rows = {line.split("  ")[0] for line in report.table().splitlines()}
    assert {"drift", "join"} <= rows
