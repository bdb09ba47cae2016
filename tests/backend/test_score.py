"""Known answers: each fault is caught by the metric meant for it, and the others keep still."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from backend.score import Report, score
from backend.score.footage import Footage
from backend.score.regions import UNSEEN_PIXEL
from backend.score.values import REGIONS
from backend.score.visibility import land, sample
from tests.backend.score_clips import Clips, make_clips, slower, write_clip

Score = Callable[..., Report]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    return make_clips(tmp_path_factory.mktemp("score"))


@pytest.fixture(scope="module")
def unseen(clips: Clips) -> list[np.ndarray]:
    """The true unseen pixels (H, W) bool of every frame."""
    footage = Footage(clips.shot, clips.truth, truth=clips.truth)
    return [footage.labels(index) == UNSEEN_PIXEL for index in range(len(clips.frames))]


@pytest.fixture
def score_of(clips: Clips, tmp_path: Path) -> Score:
    def run(frames: Sequence[np.ndarray], masks: Sequence[np.ndarray] = ()) -> Report:
        take = write_clip(tmp_path / "take", clips.read(), frames, masks)
        return score(clips.shot, take, truth=clips.truth)

    return run


def changed(clips: Clips, change: Callable[[np.ndarray], np.ndarray]) -> list[np.ndarray]:
    return [
        np.clip(np.rint(change(frame.astype(np.float32))), 0, 255).astype(np.uint8)
        for frame in clips.frames
    ]


def value(report: Report, key: str, region: str = "all") -> float:
    result = report.metrics[key].values.get(region)
    assert result is not None, (key, region, report.metrics[key].reasons)
    return result


def own(report: Report, key: str, region: str = "all") -> float:
    """Return what the truth itself gets."""
    return report.metrics[key].truth.get(region)


def assert_in_place(report: Report) -> None:
    assert value(report, "offset") < 0.25
    assert value(report, "speed") == pytest.approx(own(report, "speed"), abs=0.05)


def test_truth_against_truth_is_perfect(clips, unseen, score_of):
    report = score_of(clips.frames, [mask * np.uint8(255) for mask in unseen])
    for region in REGIONS:
        assert value(report, "psnr", region) == 100
        assert value(report, "ssim", region) == pytest.approx(1, abs=1e-6)
        assert value(report, "sharpness", region) == 1
        assert value(report, "swd_full", region) == 0
        assert value(report, "swd_half", region) == 0
        assert value(report, "e_warp", region) == 1
        assert value(report, "flicker", region) == own(report, "flicker", region)
        assert value(report, "flow_error", region) == own(report, "flow_error", region)
        assert value(report, "speed", region) == own(report, "speed", region)
    assert value(report, "offset") == pytest.approx(0, abs=0.01)
    assert value(report, "mask_recall", "unseen") == 1
    assert value(report, "mask_excess", "seen") == 0
    assert report.warnings == ("The take has no take.json, so nothing says what made it.",)


def test_measuring_the_truth_finds_the_exact_flow(clips, score_of):
    report = score_of(clips.frames)
    assert own(report, "flow_error") < 0.5
    assert own(report, "speed") == pytest.approx(1, abs=0.05)
    assert own(report, "flicker") < 2
    assert report.frames.pairs == len(clips.frames) - 2
    assert report.shares["seen"] > 0.5
    assert report.shares["unseen"] > 0.05


def test_truth_pasted_into_the_holes_is_as_steady_as_the_truth(clips, unseen, score_of):
    shot = clips.read()
    footage = Footage(clips.shot, clips.truth, truth=clips.truth)
    still = clips.frames[0].astype(np.float32)
    frames = []
    for index, (frame, hole) in enumerate(zip(clips.frames, unseen, strict=True)):
        landing = land(footage.depth(index), shot.cameras[index], shot.cameras[0])
        projected = np.rint(sample(still, landing)).astype(np.uint8)
        frames.append(np.where(hole[..., None], frame, projected))
    report = score_of(frames)
    assert value(report, "e_warp", "unseen") == pytest.approx(1, abs=1e-4)
    assert value(report, "psnr", "unseen") == 100
    assert value(report, "psnr", "seen") > 35


def test_blur_is_caught_by_sharpness_and_patches(clips, score_of):
    report = score_of(changed(clips, lambda frame: cv2.GaussianBlur(frame, (0, 0), 1.5)))
    for region in REGIONS:
        assert value(report, "sharpness", region) < 0.7
        assert value(report, "swd_full", region) > 1
        assert value(report, "swd_half", region) > 1
    assert_in_place(report)


def test_noise_is_caught_by_sharpness_patches_and_warp(clips, score_of):
    random = np.random.default_rng(1)
    report = score_of(changed(clips, lambda frame: frame + random.normal(0, 10, frame.shape)))
    for region in REGIONS:
        assert value(report, "sharpness", region) > 1.3
        assert value(report, "swd_full", region) > 0.5
        assert value(report, "e_warp", region) > 3
        assert value(report, "flicker", region) > 2 * own(report, "flicker", region)
    assert_in_place(report)


def test_psnr_cannot_tell_blur_from_noise_and_sharpness_can(clips, score_of, tmp_path):
    blurred = changed(clips, lambda frame: cv2.GaussianBlur(frame, (0, 0), 1.5))
    error = np.std(np.subtract(blurred, clips.frames, dtype=np.float64))
    random = np.random.default_rng(2)
    noisy = changed(clips, lambda frame: frame + random.normal(0, error, frame.shape))
    blur = score_of(blurred)
    noise = score(
        clips.shot, write_clip(tmp_path / "noise", clips.read(), noisy), truth=clips.truth
    )
    assert value(blur, "psnr") == pytest.approx(value(noise, "psnr"), abs=0.5)
    assert value(blur, "sharpness") < 0.7
    assert value(noise, "sharpness") > 1.3


def test_a_frame_late_is_caught_by_offset_and_psnr(clips, score_of):
    late = [clips.frames[max(index - 1, 0)] for index in range(len(clips.frames))]
    report = score_of(late)
    assert value(report, "offset") > 2
    assert value(report, "psnr", "seen") < 25
    assert value(report, "sharpness") == pytest.approx(1, abs=0.1)
    assert value(report, "speed") == pytest.approx(1, abs=0.1)
    assert value(report, "swd_full") < 0.5


def test_half_speed_is_caught_by_speed(clips, score_of):
    report = score_of(slower(clips, 0.5))
    assert value(report, "speed") == pytest.approx(0.5, abs=0.1)
    assert value(report, "flow_error") > 4 * own(report, "flow_error")
    assert value(report, "sharpness") == pytest.approx(1, abs=0.1)
    assert any("does not follow its camera" in warning for warning in report.warnings)


def test_a_jump_in_brightness_is_caught_by_flicker(clips, score_of):
    half = len(clips.frames) // 2
    brighter = changed(clips, lambda frame: frame + 12)
    report = score_of([*clips.frames[:half], *brighter[half:]])
    for region in REGIONS:
        assert value(report, "flicker", region) > 1.5 * own(report, "flicker", region)
        assert value(report, "e_warp", region) > 1.2
    assert value(report, "ssim") > 0.97
    assert value(report, "sharpness") == pytest.approx(1, abs=0.02)
    assert value(report, "swd_full") < 0.2
    assert_in_place(report)


def test_a_frozen_take_is_warned_of(clips, score_of):
    report = score_of([clips.frames[0]] * len(clips.frames))
    assert abs(value(report, "speed")) < 0.1
    assert any("stands still" in warning for warning in report.warnings)


@pytest.mark.parametrize(("level", "share"), [(255, 1.0), (0, 0.0), (51, 0.2)])
def test_mask_recall_and_excess_are_mean_shares(clips, score_of, level, share):
    masks = [np.full(frame.shape[:2], level, np.uint8) for frame in clips.frames]
    report = score_of(clips.frames, masks)
    assert value(report, "mask_recall", "unseen") == pytest.approx(share)
    assert value(report, "mask_excess", "seen") == pytest.approx(share)


def test_faults_in_the_holes_leave_the_seen_pixels_alone(clips, unseen, score_of):
    frames = [
        np.where(hole[..., None], 255 - frame, frame)
        for frame, hole in zip(clips.frames, unseen, strict=True)
    ]
    report = score_of(frames)
    assert value(report, "psnr", "seen") == 100
    assert value(report, "psnr", "unseen") < 20
    assert value(report, "e_warp", "seen") == 1


def test_the_takes_own_mask_decides_nothing_but_recall_and_excess(
    clips, unseen, score_of, tmp_path
):
    lying = [np.zeros(frame.shape[:2], np.uint8) for frame in clips.frames]
    report = score_of(clips.frames, lying)
    honest = write_clip(
        tmp_path / "honest", clips.read(), clips.frames, [m * np.uint8(255) for m in unseen]
    )
    other = score(clips.shot, honest, truth=clips.truth)
    assert value(report, "mask_recall", "unseen") == 0
    for key, metric in report.metrics.items():
        if not key.startswith("mask_"):
            assert metric == other.metrics[key]


def test_the_same_bytes_twice(clips, score_of, tmp_path):
    frames = changed(clips, lambda frame: cv2.GaussianBlur(frame, (0, 0), 1.0))
    again = write_clip(tmp_path / "again", clips.read(), frames)
    first = json.dumps(score_of(frames).to_json())
    assert json.dumps(score(clips.shot, again, truth=clips.truth).to_json()) == first
