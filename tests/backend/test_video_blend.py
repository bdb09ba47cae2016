"""Known pixels over made ones, and colours brought to known ones: by hand-made numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.models.video.lock import lock, soft_border
from backend.models.video.match import match_colours
from backend.models.video.projected import Projected
from backend.projection.walk import Step


def projected(image: np.ndarray, generated: np.ndarray) -> Projected:
    nothing = torch.zeros(1, 1)
    return Projected(
        index=0,
        image=image,
        generated=generated,
        depth=None,
        colour=torch.zeros(3, 1, 1),
        seen=nothing.bool(),
        lock=None,
        free=nothing.bool(),
        inverse=nothing,
        step=Step(0, None),
    )


def test_the_ramp_before_a_straight_border_is_linear_and_ends_at_nothing():
    seen = torch.ones(30, 40)
    seen[:, 20:] = 0
    ramp = soft_border(seen, 5)
    # A box of 11 pixels whose middle is d + 0.5 pixels from the border holds 5 - d of the hole.
    expected = [1 - 2 * max(0, 5 - d) / 11 for d in range(8)]
    for distance, value in enumerate(expected):
        assert ramp[15, 19 - distance] == pytest.approx(value, abs=1e-5)
    assert ramp[15, 19] < 0.1 and ramp[15, 14] == 1
    assert (ramp[:, 20:] == 0).all()


def test_the_pictures_own_border_is_no_hole():
    assert torch.equal(soft_border(torch.ones(12, 12), 4), torch.ones(12, 12))
    assert torch.equal(soft_border(torch.zeros(12, 12), 4), torch.zeros(12, 12))


@pytest.mark.parametrize("bits", [8, 16])
def test_at_full_strength_known_pixels_are_the_same_bytes(bits):
    kind = np.uint8 if bits == 8 else np.uint16
    random = np.random.default_rng(1)
    image = random.integers(0, 2**bits, (6, 7, 3)).astype(kind)
    generated = np.zeros((6, 7), np.uint8)
    generated[2:4] = 255
    made = torch.full((3, 6, 7), 0.5)
    result, mask = lock(made, projected(image, generated), strength=1.0, feather=0, bits=bits)
    known = generated == 0
    assert np.array_equal(result[known], image[known])
    assert (result[~known] == round(0.5 * (2**bits - 1) + 1e-9)).all()
    assert np.array_equal(mask, generated)


def colours(gain: float, offset: float) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    known = 0.3 + 0.3 * torch.rand(2, 3, 20, 20)
    return (known - offset) / gain, known


def test_one_gain_and_offset_for_each_channel():
    made, known = colours(1.2, 0.05)
    where = torch.zeros(2, 20, 20, dtype=torch.bool)
    where[:, :10] = True
    matched = match_colours(made, known, where)
    assert (matched - known).abs().max() < 1e-4, "also where nothing is known"


def test_things_that_differ_are_left_out_of_it():
    made, known = colours(1.1, 0.0)
    where = torch.ones(2, 20, 20, dtype=torch.bool)
    other = known.clone()
    other[:, :, :4, :4] = 0.95  # a lamp that is on in the still, and not in what was made
    matched = match_colours(made, other, where)
    assert (matched - known).abs()[:, :, 6:].mean() < 0.005


def test_a_gain_beyond_any_drift_is_bounded_and_values_stay_in_range():
    known = torch.rand(1, 3, 20, 20)
    matched = match_colours(known / 3, known, torch.ones(1, 20, 20, dtype=torch.bool))
    gains = (matched.amax((2, 3)) - matched.amin((2, 3))) / (known / 3).amax((2, 3)).sub(
        (known / 3).amin((2, 3))
    )
    assert gains == pytest.approx(np.full((1, 3), 1.4), abs=0.02)
    bright = match_colours(known, known + 0.9, torch.ones(1, 20, 20, dtype=torch.bool))
    assert bright.max() <= 1


@pytest.mark.parametrize(("pixels", "same"), [(255, True), (256, False)])
def test_a_few_known_pixels_are_nothing_to_go_by(pixels, same):
    made, known = colours(1.2, 0.05)
    where = torch.zeros(2, 20, 20, dtype=torch.bool)
    where.view(-1)[:pixels] = True
    assert torch.equal(match_colours(made, known, where), made) == same
