"""The draft network and its condition: shapes, what depends on what, exact values."""

from __future__ import annotations

import pytest
import torch

from backend.models.draft.condition import (
    CHANNELS,
    RESIDUAL_SCALE,
    apply_residual,
    embed_time,
    encode,
    residual_of,
)
from backend.models.draft.load import random_pipeline
from backend.models.draft.network import TIME_WIDTH, DraftNetwork

TINY = {"channels": (8, 16), "blocks": (1, 1)}
REACH = 32  # pixels that TINY looks far at most: 3 x 3 twice and thrice at 2, 4 px, entry and exit


@pytest.fixture
def network() -> DraftNetwork:
    return random_pipeline(3, **TINY).network


def inputs(height: int, width: int, *, count: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(height * width)
    noisy = torch.randn(count, 3, height, width, generator=random)
    return noisy, torch.randn(count, CHANNELS, height, width, generator=random)


@torch.inference_mode()
def test_estimates_have_the_shape_of_what_is_noisy(network):
    assert network.multiple == 4
    for height, width in ((4, 4), (12, 20), (36, 8)):
        noisy, condition = inputs(height, width, count=2)
        assert network(noisy, condition, torch.tensor([1.0, 0.3])).shape == noisy.shape


@torch.inference_mode()
def test_new_networks_estimate_nothing():
    noisy, condition = inputs(16, 16)
    assert not DraftNetwork(**TINY)(noisy, condition, torch.ones(1)).any()


@torch.inference_mode()
def test_noise_is_not_looked_at_where_there_is_nothing_else(network):
    noisy, condition = inputs(16, 24, count=2)
    other = noisy.flip(3)
    time = torch.tensor([1.0, 0.9])
    first, second = network(noisy, condition, time), network(other, condition, time)
    torch.testing.assert_close(first[0], second[0], rtol=0, atol=0)
    assert (first[1] - second[1]).abs().max() > 1e-3


@torch.inference_mode()
def test_far_pixels_do_not_matter_and_near_ones_do(network):
    noisy, condition = inputs(64, 96)
    before = network(noisy, condition, torch.ones(1))
    changed = condition.clone()
    changed[..., 32, 8] += 3
    difference = (network(noisy, changed, torch.ones(1)) - before).abs().amax(dim=(0, 1, 2))
    assert difference[8] > 1e-3
    assert difference[8 + REACH :].max() == 0


@torch.inference_mode()
def test_a_tile_with_a_margin_gives_what_the_whole_gives(network):
    noisy, condition = inputs(96, 128)
    whole = network(noisy, condition, torch.full((1,), 0.5))
    top, left = 12, 20
    part = (..., slice(top, top + 80), slice(left, left + 80))
    tile = network(noisy[part].contiguous(), condition[part].contiguous(), torch.full((1,), 0.5))
    inner = slice(REACH, 80 - REACH)
    torch.testing.assert_close(
        tile[..., inner, inner], whole[part][..., inner, inner], rtol=0, atol=1e-5
    )


@torch.inference_mode()
def test_each_picture_of_a_batch_stands_alone(network):
    noisy, condition = inputs(16, 24, count=2)
    time = torch.tensor([0.9, 0.2])
    both = network(noisy, condition, time)
    alone = network(noisy[1:], condition[1:], time[1:])
    torch.testing.assert_close(both[1:], alone, rtol=0, atol=1e-5)


@torch.inference_mode()
def test_the_time_matters(network):
    noisy, condition = inputs(16, 16)
    early, late = (network(noisy, condition, torch.tensor([time])) for time in (1.0, 0.25))
    assert (early - late).abs().max() > 1e-4


@torch.inference_mode()
def test_saved_networks_come_back_as_they_were(network, tmp_path):
    network.save_pretrained(tmp_path)
    loaded = DraftNetwork.from_pretrained(tmp_path, local_files_only=True)
    noisy, condition = inputs(16, 16)
    assert tuple(loaded.config["channels"]) == TINY["channels"]
    assert torch.equal(
        loaded(noisy, condition, torch.ones(1)), network(noisy, condition, torch.ones(1))
    )


def test_times_become_sines_and_cosines():
    features = embed_time(torch.tensor([0.0, 1.0]), TIME_WIDTH)
    half = TIME_WIDTH // 2
    assert features.shape == (2, TIME_WIDTH)
    assert not features[0, :half].any()
    assert torch.equal(features[0, half:], torch.ones(half))
    angle = 1000 * 10_000 ** (-torch.arange(half, dtype=torch.float64) / half)
    torch.testing.assert_close(features[1, :half].double(), angle.sin(), rtol=0, atol=1e-3)
    torch.testing.assert_close(features[1, half:].double(), angle.cos(), rtol=0, atol=1e-3)


def test_a_condition_says_what_a_frame_shows():
    filled = torch.full((3, 8, 8), 0.75)
    generated, editable = torch.zeros(8, 8), torch.zeros(8, 8, dtype=torch.bool)
    generated[2, 2], editable[2, 2] = 0.5, True
    # A near part at half of the largest inverse depth, before a slanted wall 1 / 8 as near.
    inverse = 0.125 * (1 + 0.01 * torch.arange(8.0)).expand(8, 8).clone()
    inverse[:, :4] = 0.5
    condition = encode(filled, generated, editable, inverse)
    assert condition.shape == (CHANNELS, 8, 8)
    assert (condition[:3] == 0.5).all()
    assert condition[3, 2, 2] == 0
    assert condition[3, 5, 5] == -1
    assert condition[4, 2, 2] == 1
    assert condition[4, 5, 5] == -1
    assert (condition[5, :, 0] == 0).all()  # 0.5 of -1 to 1
    torch.testing.assert_close(condition[6, :, 0], torch.full((8,), 0.75))  # 1 of 8 octaves
    torch.testing.assert_close(  # 3 octaves and 1 % of relative slope a pixel, from column 4 on
        condition[6, 0, 4:], 1 + (0.125 * (1.04 + 0.01 * torch.arange(4.0))).log2() / 4
    )
    slopes = torch.tanh(20 * 0.01 / (1 + 0.01 * torch.arange(5.0, 7.0)))
    torch.testing.assert_close(condition[7, 0, 5:7], slopes, rtol=1e-3, atol=0)
    assert not condition[8].any()
    assert (condition[9, :, 3:5] == 1).all()
    assert (condition[9, :, :3] == -1).all()
    assert (condition[9, :, 5:] == -1).all()


def test_skies_have_a_condition_of_numbers():
    inverse = torch.zeros(8, 8)
    condition = encode(torch.zeros(3, 8, 8), torch.zeros(8, 8), torch.zeros(8, 8) > 0, inverse)
    assert condition.isfinite().all()
    assert (condition[5:7] == -1).all()
    assert not condition[7:9].any()
    assert (condition[9] == -1).all()
    inverse[:, 4:] = 1e-6  # farther than the far end of the range
    condition = encode(torch.zeros(3, 8, 8), torch.zeros(8, 8), torch.zeros(8, 8) > 0, inverse)
    assert (condition[6] == -1).all()


def test_residuals_lead_from_the_fill_to_the_truth_where_editable():
    random = torch.Generator().manual_seed(1)
    filled, truth = torch.rand(2, 3, 4, 4, generator=random)
    residual = residual_of(truth, filled)
    torch.testing.assert_close(residual, (truth - filled) / RESIDUAL_SCALE)
    editable = torch.zeros(4, 4, dtype=torch.bool)
    editable[1:3] = True
    picture = apply_residual(residual, filled, editable)
    torch.testing.assert_close(picture[:, editable], truth[:, editable])
    assert torch.equal(picture[:, ~editable], filled[:, ~editable])
    assert apply_residual(residual * 100, filled, editable).max() <= 1
