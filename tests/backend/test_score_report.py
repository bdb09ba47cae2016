"""What is counted, left out, refused and said, and the shape of the report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.errors import ShotError, TakeError
from backend.media import read_flow
from backend.score import Report, score
from backend.score.assemble import ranges
from backend.score.values import REGIONS
from backend.take import TAKE_FILE, frame_name
from backend.wire import Still, read_shot, write_shot
from tests.analytic import write_exr
from tests.backend.score_clips import Clips, make_clips, record, write_clip

SMALL = {"size": (96, 64), "frames": 6}
METRICS = [
    "psnr",
    "ssim",
    "sharpness",
    "offset",
    "swd_full",
    "swd_half",
    "e_warp",
    "flicker",
    "flow_error",
    "speed",
    "mask_recall",
    "mask_excess",
]


@pytest.fixture
def clips(tmp_path: Path) -> Clips:
    return make_clips(tmp_path, **SMALL)


def take_of(clips: Clips, frames=None, masks=()) -> Path:
    frames = clips.frames if frames is None else frames
    return write_clip(clips.shot.parent / "take", clips.read(), frames, masks)


def without(frames, *missing: int) -> list[np.ndarray | None]:
    return [None if index in missing else frame for index, frame in enumerate(frames)]


def run(clips: Clips, take: Path) -> Report:
    return score(clips.shot, take, truth=clips.truth)


def test_the_json_is_stable_and_finite(clips):
    value = run(clips, take_of(clips)).to_json()
    assert json.loads(json.dumps(value, allow_nan=False)) == value
    assert list(value) == [
        "version",
        "shot",
        "model",
        "size",
        "frames",
        "shares",
        "metrics",
        "per_frame",
        "joins",
        "warnings",
    ]
    assert list(value["metrics"]) == METRICS
    for metric in value["metrics"].values():
        assert list(metric) == ["label", "unit", "better", "values", "truth", "reasons"]
        assert list(metric["values"]) == list(REGIONS)
    assert sum(value["shares"].values()) == pytest.approx(1)
    assert [frame["frame"] for frame in value["per_frame"]] == [2, 3, 4, 5, 6]


def test_the_table_has_a_row_for_every_metric(clips):
    report = run(clips, take_of(clips))
    lines = report.table().splitlines()
    for metric in report.metrics.values():
        row = next(line for line in lines if line.startswith(f"{metric.label}  "))
        assert row.endswith(metric.better)
    assert "96 x 64, 5 of 6 frames scored" in lines[0]
    assert all(len(line) < 100 for line in lines if not line.startswith(("-:", "warning")))
    assert "warning: The take has no take.json, so nothing says what made it." in lines


def test_the_stills_own_frame_is_left_out(clips):
    frames = [255 - clips.frames[0], *clips.frames[1:]]
    report = run(clips, take_of(clips, frames))
    assert report.metrics["psnr"].values.all == 100
    assert report.metrics["e_warp"].values.all == 1
    assert report.frames.scored == 5
    assert report.frames.pairs == 4


def test_missing_frames_are_skipped_and_counted(tmp_path):
    clips = make_clips(tmp_path, size=(96, 64), frames=8, frame_start=11)
    (clips.truth / "frames" / frame_name(13)).unlink()
    report = run(clips, take_of(clips, without(clips.frames, 4, 6)))
    assert report.frames.to_json() == {
        "shot": 8,
        "take": 6,
        "truth": 7,
        "scored": 4,  # 12, 14, 16, 18: 11 is the still, 13 has no truth
        "with_regions": 4,
        "pairs": 2,  # 12 and 13, 13 and 14 of the take: the truth has no neighbours
        "missing_in_take": [15, 17],
    }
    assert [frame.frame for frame in report.per_frame] == [12, 14, 16, 18]
    assert any("lacks 2 of the shot's 8 frames (15, 17)" in text for text in report.warnings)
    assert report.metrics["e_warp"].values.all is None
    assert "neighbouring" in report.metrics["e_warp"].reasons["all"]
    assert report.metrics["flicker"].values.all is not None


def test_motion_is_measured_without_pairs_in_the_truth(clips):
    for frame in (3, 5):
        (clips.truth / "frames" / frame_name(frame)).unlink()
    frozen = [clips.frames[0]] * 6
    report = run(clips, take_of(clips, frozen))
    assert report.frames.pairs == 4
    assert report.metrics["e_warp"].values.all is None
    assert report.metrics["speed"].values.all == pytest.approx(0, abs=0.1)
    assert report.metrics["speed"].truth is None
    assert any("stands still" in text for text in report.warnings)


def test_pictures_that_are_no_frames_are_named(clips):
    take = take_of(clips)
    (take / "frames" / "0099.png").write_bytes((take / "frames" / "0001.png").read_bytes())
    report = run(clips, take)
    assert any(
        "no frame of the shot (1, the first is '0099.png')" in text for text in report.warnings
    )


def test_depth_at_the_still_alone_leaves_whole_frame_numbers(clips):
    shot = clips.read()
    depth = (shot.guide("depth")[0], *(None,) * 5)
    write_shot(replace(shot, guides={"depth": depth}), clips.shot)
    masks = [np.zeros(frame.shape[:2], np.uint8) for frame in clips.frames]
    report = run(clips, take_of(clips, masks=masks))
    for key in ("psnr", "ssim", "sharpness", "offset", "swd_full", "swd_half"):
        assert report.metrics[key].values.all is not None
        assert report.metrics[key].values.seen is None
        assert "need the depth" in report.metrics[key].reasons["unseen"]
    for key in ("e_warp", "flicker", "flow_error", "speed"):
        assert report.metrics[key].values.all is None
        assert "depth" in report.metrics[key].reasons["all"]
    for key in ("mask_recall", "mask_excess"):
        assert len(report.metrics[key].reasons) == 1
    assert report.shares is None
    assert report.frames.with_regions == 0
    json.dumps(report.to_json(), allow_nan=False)
    assert "-: seen and unseen need the depth" in report.table()


def test_frames_without_depth_count_in_all_alone(clips):
    shot = clips.read()
    depth = list(shot.guide("depth"))
    depth[3] = None
    write_shot(replace(shot, guides={"depth": tuple(depth)}), clips.shot)
    report = run(clips, take_of(clips))
    assert (report.frames.scored, report.frames.with_regions) == (5, 4)
    assert report.per_frame[2].seen is None
    assert report.metrics["psnr"].values.seen == 100


def test_a_still_with_its_own_camera_leaves_regions_unknown(clips):
    shot = clips.read()
    aside = Still("still.png", 0, camera=shot.cameras[2])
    write_shot(replace(shot, stills=(aside,)), clips.shot)
    report = run(clips, take_of(clips))
    assert report.frames.scored == 6
    assert report.shares is None
    assert report.metrics["e_warp"].values.all == 1


def test_pixels_that_move_by_themselves_are_left_out_of_everything(tmp_path):
    clips = make_clips(tmp_path, **SMALL, with_flow=True)
    shot, names = clips.read(), ("prev_u", "prev_v", "next_u", "next_v")
    patch = np.s_[20:40, 30:60]
    for path in shot.guide("flow")[1:]:
        flow = read_flow(clips.shot / path, size=shot.size, place=path)
        flow[patch] += 5
        write_exr(clips.shot / path, flow, names)
    frames = [frame.copy() for frame in clips.frames]
    for frame in frames:
        frame[patch] = 0
    report = run(clips, take_of(clips, frames))
    assert report.shares["moving"] == pytest.approx(20 * 30 / (96 * 64))
    for region in REGIONS:
        assert report.metrics["psnr"].values.get(region) == 100


def test_a_still_world_with_flow_has_no_moving_pixels(tmp_path):
    clips = make_clips(tmp_path, **SMALL, with_flow=True)
    assert run(clips, take_of(clips)).shares["moving"] == 0


@pytest.mark.parametrize("size", [(9, 7), (2, 1)])
def test_tiny_pictures_say_what_cannot_be_measured(tmp_path, size):
    clips = make_clips(tmp_path, size=size, frames=3)
    report = run(clips, take_of(clips))
    assert report.metrics["psnr"].values.all == 100
    for key in ("ssim", "offset", "flow_error", "speed"):
        assert report.metrics[key].values.all is None
        assert "too small" in report.metrics[key].reasons["all"]
    report.table()


def test_a_camera_that_never_moves_has_no_speed(tmp_path):
    clips = make_clips(tmp_path, **SMALL | {"step": 0.0})
    report = run(clips, take_of(clips))
    assert report.metrics["speed"].values.all is None
    assert "moves" in report.metrics["speed"].reasons["all"]
    assert report.metrics["psnr"].values.seen == 100
    assert report.metrics["psnr"].reasons == {
        "unseen": "too few such pixels in the frames that are scored"
    }


def test_the_record_of_the_take_names_its_model(clips):
    take = take_of(clips)
    (take / TAKE_FILE).write_text(json.dumps(record(clips).to_json()))
    report = run(clips, take)
    assert report.model == "projection"
    assert report.warnings == ()


def test_a_take_of_another_shot_is_warned_of(clips):
    take = take_of(clips)
    (take / TAKE_FILE).write_text(json.dumps(record(clips, shot_sha256="0" * 64).to_json()))
    assert any("another state of the shot" in text for text in run(clips, take).warnings)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda take, truth: (truth / "frames").rename(truth / "pictures"),
            "has no folder 'frames'",
        ),
        (lambda take, truth: truth.rename(truth.with_name("gone")), "The truth '.*' is no folder"),
        (lambda take, truth: take.rename(take.with_name("gone")), "The take '.*' is no folder"),
        (
            lambda take, truth: (take / "frames" / "0003.png").write_bytes(b"no png"),
            "The take's frame 3",
        ),
        (lambda take, truth: (truth / "frames" / "0003.png").write_bytes(b""), "The true frame 3"),
        (lambda take, truth: (take / TAKE_FILE).write_text("{"), "take.json is not valid JSON"),
    ],
    ids=["no frames", "no truth", "no take", "damaged frame", "empty truth", "damaged record"],
)
def test_what_cannot_be_scored_is_refused_in_one_sentence(clips, spoil, message):
    take = take_of(clips)
    spoil(take, clips.truth)
    with pytest.raises(TakeError, match=message):
        run(clips, take)


def test_another_size_is_refused(clips):
    frames = [frame[:-2] for frame in clips.frames]
    with pytest.raises(TakeError, match="frame 2 is 96 x 62, but the shot is 96 x 64"):
        run(clips, take_of(clips, frames))


def test_no_common_frame_is_refused(clips):
    take = take_of(clips, without(clips.frames, 3, 4, 5))
    for frame in (1, 2, 3):
        (clips.truth / "frames" / frame_name(frame)).unlink()
    with pytest.raises(TakeError, match="none of the shot's frames 1 to 6 in common"):
        run(clips, take)


def test_truth_at_the_still_alone_is_refused(clips):
    for frame in range(2, 7):
        (clips.truth / "frames" / frame_name(frame)).unlink()
    with pytest.raises(TakeError, match="only true frames are the stills"):
        run(clips, take_of(clips))


def test_a_broken_shot_is_refused(clips):
    take = take_of(clips)
    (clips.shot / read_shot(clips.shot).guide("depth")[2]).write_bytes(b"no exr")
    with pytest.raises(ShotError, match="Frame 3"):
        run(clips, take)


@pytest.mark.parametrize(
    ("frames", "words"),
    [((), ""), ((4,), "4"), ((1, 2, 3, 7, 9, 10), "1 to 3, 7, 9 to 10"), ((-1, 0), "-1 to 0")],
)
def test_frame_numbers_in_words(frames, words):
    assert ranges(frames) == words
