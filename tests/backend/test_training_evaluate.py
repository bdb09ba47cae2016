"""Numbers and pictures of networks, and what they are taken on."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from backend.errors import DepthshotError, ShotError
from backend.models.draft.load import random_pipeline
from backend.models.draft.network import DraftNetwork
from backend.score import patches
from backend.training.evaluate import HELD_OUT, evaluate, load_examples, save_examples, spread
from backend.training.flops import count_cost, count_parameters
from backend.training.metrics import Comparison, detail, sliced_distance
from backend.training.prepare import prepare
from backend.training.ring import MOST_PROCESSES
from backend.training.scenes import Example, make_examples
from backend.training.sheet import compare
from backend.training.workers import STRIDE
from tests.analytic import write_exr
from tests.drafts import ramp

TINY = {"channels": (8, 16), "blocks": (1, 1)}


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    return make_examples(5, size=64)[:2]


@pytest.fixture
def network() -> DraftNetwork:
    return random_pipeline(1, **TINY).network


def noise(height: int, width: int, *, seed: int = 0) -> torch.Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


def compared(picture: torch.Tensor, truth: torch.Tensor, where: torch.Tensor) -> dict:
    comparison = Comparison()
    comparison.add(picture, truth, where)
    return comparison.result()


# --- metrics


def test_only_the_pixels_that_count_are_compared():
    truth = noise(32, 32)
    where = torch.zeros(32, 32, dtype=torch.bool)
    where[8:24, 8:24] = True
    picture = torch.where(where, truth + 0.1, truth - 0.5)
    result = compared(picture, truth, where)
    assert result["psnr"] == pytest.approx(20.0, abs=1e-3)
    assert result["swd"] == pytest.approx(0, abs=1e-3)  # a patch's mean does not matter


def test_blur_and_noise_change_sharpness_and_patches():
    truth, where = noise(64, 64), torch.ones(64, 64, dtype=torch.bool)
    blurred = torch.nn.functional.avg_pool2d(truth, 3, stride=1, padding=1)
    rough = truth + 0.5 * (noise(64, 64, seed=1) - 0.5)
    same, soft, hard = (compared(one, truth, where) for one in (truth, blurred, rough))
    assert same["sharpness"] == pytest.approx(1)
    assert soft["sharpness"] < 0.5 < 1.05 < hard["sharpness"]
    assert same["swd"] < hard["swd"] < soft["swd"]


def test_the_laplacian_is_opencv_s():
    plane = noise(9, 12)[0]
    expected = np.abs(cv2.Laplacian(plane.numpy(), cv2.CV_32F, borderType=cv2.BORDER_REPLICATE))
    np.testing.assert_allclose(detail(plane).numpy(), expected, atol=1e-5)


def test_the_patch_distance_is_near_that_of_the_score():
    truth = cv2.GaussianBlur(noise(72, 72)[0].numpy(), (0, 0), 1.5)
    take = cv2.GaussianBlur(truth, (0, 0), 1.0)
    masks = {"unseen": np.ones(truth.shape, bool)}
    sets = patches.draw_patches(take, truth, masks, most=4000, seed=0)
    expected = patches.patch_distance([sets]).unseen
    grey = [torch.from_numpy(plane).expand(3, -1, -1) for plane in (take, truth)]
    found = compared(*grey, torch.ones(truth.shape, dtype=torch.bool))["swd"]
    assert found == pytest.approx(expected, rel=0.15)


def test_holes_too_thin_for_a_patch_have_no_patch_distance():
    where = torch.zeros(32, 32, dtype=torch.bool)
    where[:, 3:9] = True
    assert compared(noise(32, 32), noise(32, 32, seed=1), where)["swd"] is None
    assert sliced_distance(torch.empty(0, 49), torch.empty(0, 49)) is None


# --- evaluation


def test_an_untrained_network_s_expectation_is_the_projection(examples):
    found = evaluate(DraftNetwork(**TINY).eval(), examples)
    for name in ("psnr", "sharpness", "swd"):
        assert found[f"mean_{name}"] == pytest.approx(found[f"filled_{name}"])
    assert math.isfinite(found["loss"])
    assert found["loss"] > 0


def test_evaluations_are_the_same_twice(network, examples):
    assert evaluate(network, examples, steps=2) == evaluate(network, examples, steps=2)


def test_a_truth_that_is_the_fill_leaves_the_projection_without_error(network, examples):
    found = evaluate(network, [replace(one, truth=one.filled) for one in examples], steps=1)
    assert found["filled_psnr"] > 100 > found["mean_psnr"]
    assert found["filled_sharpness"] == pytest.approx(1)


def test_scenes_to_evaluate_on_are_in_no_pool():
    assert MOST_PROCESSES * STRIDE + 10**9 < HELD_OUT  # seeds of a pool start at its own seed


def test_examples_are_spread_evenly(examples):
    many = [replace(examples[0], inverse=np.full((1, 1), number)) for number in range(10)]
    assert [int(one.inverse[0, 0]) for one in spread(many, 5)] == [0, 2, 4, 6, 8]
    assert len(spread(many, 20)) == 10
    assert spread([], 3) == []


def test_examples_are_kept_in_a_file(tmp_path, examples):
    save_examples(examples, tmp_path / "kept.npz")
    loaded = load_examples(tmp_path / "kept.npz")
    assert len(loaded) == len(examples)
    for one, other in zip(loaded, examples, strict=True):
        for name in ("filled", "truth", "generated", "inverse"):
            assert np.array_equal(getattr(one, name), getattr(other, name))


def test_examples_lie_where_they_were_sent(tmp_path, examples):
    save_examples(examples, tmp_path / "new" / "kept.examples")
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["kept.examples"]
    assert len(load_examples(tmp_path / "new" / "kept.examples")) == len(examples)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04torn", None])
def test_a_file_without_examples_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "bad.npz").write_bytes(content)
    with pytest.raises(DepthshotError, match=r"holds no examples .* make it with `prepare`"):
        load_examples(tmp_path / "bad.npz")


@pytest.mark.parametrize("names", [[], ["a"], ["a", "b", "c", "d"], ["0000_filled"]])
def test_an_archive_of_something_else_is_refused(tmp_path, names):
    np.savez(tmp_path / "other.npz", **{name: np.zeros(2) for name in names})
    with pytest.raises(DepthshotError, match=r"holds no examples \(its arrays are others\); make"):
        load_examples(tmp_path / "other.npz")


def test_a_sheet_has_six_columns_and_a_row_an_example(network, examples):
    sheet = compare(network, examples, steps=2)
    assert sheet.shape == (2 * 64 + 4, 6 * 64 + 5 * 4, 3)
    filled = examples[0].filled.transpose(1, 2, 0)
    truth = examples[0].truth.transpose(1, 2, 0)
    assert np.array_equal(sheet[:64, 68 : 68 + 64], filled)
    assert np.array_equal(sheet[:64, -64:], truth)
    generated = examples[0].generated == 255
    assert (sheet[:64, :64][generated] == (255, 0, 255)).all()
    one, other = sheet[:64, 204:268], sheet[:64, 272:336]
    assert (one != other).any(axis=-1)[generated].any()


def test_cost_grows_with_the_area(network):
    small, large = count_cost(network, 32, 32), count_cost(network, 64, 64)
    assert large == pytest.approx(4 * small, rel=0.02)
    assert count_parameters(network) == sum(w.numel() for w in network.state_dict().values())


# --- shots


def test_windows_of_a_shot_with_truth_become_examples(tmp_path):
    shot, truth = two_frames(tmp_path, height=272, width=520)
    examples = prepare(shot, truth)
    assert 1 <= len(examples) <= 2
    for example in examples:
        assert example.filled.shape == example.truth.shape == (3, 256, 256)
        assert (example.generated == 255).mean() > 0.01
        assert example.inverse.max() == pytest.approx(1)
        seen = example.generated == 0
        assert np.abs(example.filled.astype(int) - example.truth)[:, seen].mean() < 4
        assert (example.truth == 77).all(axis=0)[~seen].mean() > 0.8
    with pytest.raises(ShotError, match="give another shot"):
        prepare(shot, tmp_path)
    cv2.imwrite(str(truth / "frames" / "0002.png"), np.zeros((100, 50, 3), np.uint8))
    with pytest.raises(ShotError, match=r"0002.png has 50 x 100 pixels and the shot 520 x 272; re"):
        prepare(shot, truth)


def two_frames(folder: Path, *, height: int, width: int) -> tuple[Path, Path]:
    """Write a shot of a wall along which the camera moves by 40 px, and the truth of its end.

    What comes into sight at the right is a plain grey.
    """
    shift, depth = 40, 2.0
    frame = ramp(height, width + shift).filled.permute(1, 2, 0).numpy()
    wide = np.round(frame * 255).astype(np.uint8)
    wide[:, width:] = 77
    cameras = []
    for number in range(2):
        matrix = np.eye(4)
        matrix[0, 3] = number * shift * depth / 500
        cameras.append(
            {
                "fl_x": 500.0,
                "fl_y": 500.0,
                "cx": width / 2,
                "cy": height / 2,
                "transform_matrix": matrix.tolist(),
            }
        )
    shot, frames = folder / "shot", folder / "truth" / "frames"
    shot.mkdir()
    frames.mkdir(parents=True)
    cv2.imwrite(str(shot / "still.png"), wide[:, :width, ::-1])
    cv2.imwrite(str(frames / "0002.png"), wide[:, shift:, ::-1])
    for number in (1, 2):
        write_exr(shot / f"{number}.exr", np.full((height, width, 1), depth, np.float32), ["Z"])
    content = {
        "protocol": 1,
        "name": "wall",
        "size": [width, height],
        "fps": 24.0,
        "frame_start": 1,
        "stills": [{"image": "still.png", "index": 0}],
        "cameras": cameras,
        "guides": {"depth": ["1.exr", "2.exr"]},
        "prompt": "",
        "negative_prompt": "",
        "seed": 0,
    }
    (shot / "shot.json").write_text(json.dumps(content))
    return shot, folder / "truth"
