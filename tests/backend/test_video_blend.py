"""Known pixels over made ones, and colours brought to known ones: by hand-made numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.models.video import match
from backend.models.video.lock import feather_pixels, lock, soft_border
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


@pytest.mark.parametrize(("hole", "spreads"), [(1, False), (3, False), (4, False), (6, True)])
def test_the_feather_spreads_from_holes_that_are_wider_than_it_and_from_no_speck(hole, spreads):
    seen = torch.ones(60, 80)
    seen[30 : 30 + hole, 40 : 40 + hole] = 0
    ramp = soft_border(seen, 4)
    assert ((ramp > 0) & (ramp < 1)).any() == spreads
    assert (ramp[seen == 0] == 0).all(), "what is made is made all the same"
    lines = torch.ones(60, 80)
    lines[::7] = 0  # a pixel wide, and as long as the picture
    assert torch.equal(soft_border(lines, 4), lines)


def test_a_busy_picture_is_kept_but_for_what_has_to_be_made():
    """Specks in a tenth of it, as foliage leaves them, and one hole as behind a pillar."""
    random = np.random.default_rng(3)
    busy = torch.from_numpy(random.random((272, 480)) > 0.1).float()
    busy[60:200, 200:260] = 0
    for width in (1, 4):
        ramp = soft_border(busy, width)
        beside = (ramp > 0) & (ramp < 1)
        assert beside.float().mean() < 0.08, "it was nine tenths"
        assert beside[100:160, 260 : 260 + width].float().mean() > 0.8, "the hole keeps its ramp"


@pytest.mark.parametrize(
    ("feather", "size", "pixels"),
    [
        (4, (1080, 1920), 4), (4, (2160, 3840), 8), (4, (272, 480), 1), (4, (1920, 1080), 4),
        (1, (40, 64), 1), (0, (1080, 1920), 0), (64, (40, 64), 2),
    ],
)  # fmt: skip
def test_a_feather_is_told_in_pixels_of_a_1080p_picture(feather, size, pixels):
    assert feather_pixels(feather, size) == pixels


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


def test_of_many_pixels_a_part_says_the_same(monkeypatch):
    """Only a few columns side by side are known, so a step as wide as the rows could miss them."""
    torch.manual_seed(2)
    known = 0.3 + 0.3 * torch.rand(40, 3, 120, 208)
    made = (known - 0.03) / 1.1 + 0.02 * torch.randn_like(known)
    where = torch.zeros(40, 120, 208, dtype=torch.bool)
    where[:, :, 101:181] = True
    assert where.sum() > 3 * match._ENOUGH
    part = match_colours(made, known, where)
    monkeypatch.setattr(match, "_ENOUGH", where.numel())
    whole = match_colours(made, known, where)
    assert 0 < (part - whole).abs().max() < 0.2 / 255
    assert [match._step(count, 208) for count in (0, 1, 2, 13, 52)] == [1, 1, 3, 15, 53]
