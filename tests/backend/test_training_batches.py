"""What a step of training is given: batches of crops, and the loss of an estimate."""

from __future__ import annotations

import math
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.models.draft.condition import CHANNELS, RESIDUAL_SCALE
from backend.training.batches import LEAST_GENERATED, Batch, Feeder, cut, make_batch
from backend.training.loss import (
    ENERGY_LEAST,
    PURE_SHARE,
    T_FIRST,
    draw_times,
    flow_loss,
    mix_noise,
)
from backend.training.scenes import Example, make_examples


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    return make_examples(5, size=64)


@pytest.fixture
def draw(examples):
    return lambda random: examples[int(random.integers(len(examples)))]


# --- batches


def test_crops_are_cut_and_flipped_alike_from_all_planes(examples):
    y, x = np.indices((64, 64), dtype=np.uint8)
    coded = Example(
        filled=np.stack([y, x, y]),
        truth=np.stack([x, y, x]),
        generated=np.full((64, 64), 255, np.uint8),
        inverse=(y * 64.0 + x).astype(np.float32),
    )
    flips = set()
    for seed in range(8):
        crop = cut(coded, 24, np.random.default_rng(seed))
        assert crop.filled.shape == (3, 24, 24)
        assert (crop.truth[0] == crop.filled[1]).all()
        assert (crop.inverse == crop.filled[0] * 64.0 + crop.filled[1]).all()
        flips.add(int(crop.filled[1, 0, 1]) - int(crop.filled[1, 0, 0]))
    assert flips == {1, -1}


def test_crops_are_cut_where_something_is_to_be_done(examples):
    generated = np.zeros((64, 64), np.uint8)
    generated[:20, :20] = 255
    half_empty = replace(examples[0], generated=generated)
    shares = [
        (cut(half_empty, 16, np.random.default_rng(seed)).generated > 0).mean()
        for seed in range(60)
    ]
    # A sixth of all places overlaps with it.
    assert np.mean(np.array(shares) >= LEAST_GENERATED) > 0.6


def test_what_is_generated_may_be_changed_and_at_times_more(examples):
    crops = [cut(examples[0], 32, np.random.default_rng(seed)) for seed in range(120)]
    more = [crop for crop in crops if (crop.editable & (crop.generated == 0)).any()]
    assert all(crop.editable[crop.generated > 0].all() for crop in crops)
    assert 4 <= len(more) <= 25
    assert any(crop.editable.all() for crop in more)
    assert not all(crop.editable.all() for crop in more)


def test_a_crop_larger_than_its_example_is_refused(examples):
    with pytest.raises(ValueError, match=r"crop of 65 pixels does not fit into .* 64 x 64"):
        cut(examples[0], 65, np.random.default_rng(0))


def test_batches_hold_what_a_step_needs_and_follow_from_their_number(draw):
    make = {"crop": 32, "batch": 3, "seed": 7}
    first, again, other = (make_batch(draw, number=number, **make) for number in (4, 4, 5))
    assert first.condition.shape == (3, CHANNELS, 32, 32)
    assert first.residual.shape == (3, 3, 32, 32)
    assert first.editable.dtype == torch.bool
    assert torch.equal(first.condition, again.condition)
    assert torch.equal(first.residual, again.residual)
    assert not torch.equal(first.condition, other.condition)
    assert not first.residual[~first.editable[:, None].expand_as(first.residual)].any()
    truth = (first.condition[:, :3] + 1) / 2 + first.residual * RESIDUAL_SCALE
    assert truth.min() > -1e-5
    assert truth.max() < 1 + 1e-5


def test_batches_come_in_order_from_several_threads(draw):
    names = set()

    def make(number: int) -> Batch:
        names.add(threading.current_thread().name)
        return Batch(*(torch.tensor(number) for _ in range(3)))

    with Feeder(make, first=5, threads=3) as feeder:
        assert [int(feeder.take().residual) for _ in range(20)] == list(range(5, 25))
    assert threading.current_thread().name not in names


def test_an_error_in_a_batch_reaches_who_takes_it():
    def make(number: int) -> Batch:
        raise ValueError(f"batch {number}")

    with Feeder(make, first=2) as feeder, pytest.raises(ValueError, match="batch 2"):
        feeder.take()


# --- loss


def test_a_perfect_estimate_has_no_loss_and_elsewhere_nothing_counts():
    random = torch.Generator().manual_seed(0)
    residual = torch.randn(2, 3, 8, 8, generator=random)
    editable = torch.rand(2, 8, 8, generator=random) > 0.5
    time = torch.tensor([1.0, 0.1])
    off = residual + 5 * ~editable[:, None]
    loss, pure = flow_loss(off, residual, editable, time)
    assert float(loss) == 0
    assert float(pure) == 0


def test_the_loss_is_that_of_the_velocity_but_bounded():
    residual = torch.zeros(3, 3, 4, 4)
    editable = torch.zeros(3, 4, 4, dtype=torch.bool)
    editable[0], editable[1, 0], editable[2, 0] = True, True, True
    errors = torch.tensor([1.0, 2.0, 3.0])[:, None, None, None].expand_as(residual)
    loss, pure = flow_loss(errors, residual, editable, torch.tensor([1.0, 0.5, 0.01]))
    # 16, 4 and 4 pixels, errors squared 1, 4 and 9, weights 1, 4 and 16
    assert float(loss) == pytest.approx((16 * 1 + 4 * 4 * 4 + 4 * 9 * 16) / 24 / ENERGY_LEAST)
    assert float(pure) == pytest.approx(1.0)
    assert math.isnan(flow_loss(errors, residual, editable, torch.full((3,), 0.5))[1])


def test_a_crop_counts_by_the_share_of_its_residual_that_is_not_found():
    residual = torch.stack([torch.full((3, 4, 4), 1.0), torch.full((3, 4, 4), 0.1)])
    editable = torch.ones(2, 4, 4, dtype=torch.bool)
    loss, pure = flow_loss(residual / 2, residual, editable, torch.ones(2))
    shares = [0.25 / (1 + ENERGY_LEAST), 0.0025 / (0.01 + ENERGY_LEAST)]
    assert float(loss) == pytest.approx(sum(shares) / 2)
    assert float(pure) == pytest.approx((0.25 + 0.0025) / 2)


def test_times_are_often_pure_noise_and_else_spread_evenly():
    times = draw_times(4000, generator=torch.Generator().manual_seed(0))
    pure = times == 1
    assert float(pure.float().mean()) == pytest.approx(PURE_SHARE, abs=0.03)
    others = times[~pure].sort().values
    assert T_FIRST <= float(others[0]) < T_FIRST + 0.01
    assert float(others[-1]) < 1
    even = torch.linspace(T_FIRST, 1, len(others))
    assert float((others - even).abs().max()) < 0.03


def test_noise_is_mixed_along_a_straight_line_inside_what_may_be_changed():
    residual, noise = torch.full((1, 3, 2, 2), 2.0), torch.full((1, 3, 2, 2), 10.0)
    editable = torch.tensor([[[True, False], [True, False]]])
    mixed = mix_noise(residual, noise, editable, torch.tensor([0.25]))
    assert (mixed[..., 0] == 4.0).all()
    assert not mixed[..., 1].any()
