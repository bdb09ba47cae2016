"""The grain of a sample is that of what is seen of the same surface."""

import numpy as np
import pytest
import torch

from backend.models.draft.condition import RESIDUAL_SCALE
from backend.models.draft.filters import blur, blur_exactly
from backend.models.draft.grain import match_grain

SIZE = 160, 240
HOLE = slice(30, 130), slice(70, 180)
MIDDLE = slice(50, 110), slice(95, 155)
COLOUR = 0.6, 0.5, 0.3


def noise(seed, strength):
    """Return grey noise (3, H, W) of some standard deviation."""
    random = np.random.default_rng(seed)
    plane = random.normal(0, strength, SIZE).astype(np.float32)
    return torch.from_numpy(plane).expand(3, -1, -1)


def wall(*, rough):
    """Return a wall (filled, generated, inverse) of one colour, its seen part with grain."""
    columns = torch.arange(SIZE[1], dtype=torch.float32).expand(SIZE)
    generated = torch.zeros(SIZE)
    generated[HOLE] = 1
    filled = torch.tensor(COLOUR)[:, None, None] + noise(1, rough) * (1 - generated)
    return filled, generated, 0.3 + 0.001 * columns


def matched(frame, sample, expected=None):
    filled, generated, inverse = frame
    editable = generated > 0
    return match_grain(
        sample * editable,
        torch.zeros(3, *SIZE) if expected is None else expected * editable,
        filled=filled,
        generated=generated,
        inverse=inverse,
        editable=editable,
    )


def strength(residual):
    return float((residual[:, *MIDDLE] * RESIDUAL_SCALE).std())


@pytest.mark.parametrize("rough", [0.005, 0.02, 0.08])
def test_a_sample_gets_the_grain_of_the_wall_around_it(rough):
    made = matched(wall(rough=rough), noise(2, 0.04 / RESIDUAL_SCALE))
    assert strength(made) == pytest.approx(rough, rel=0.15)


def test_what_the_expectation_shows_already_is_not_added_again():
    frame, expected = wall(rough=0.05), noise(3, 0.05 / RESIDUAL_SCALE)
    made = matched(frame, expected + noise(2, 0.04 / RESIDUAL_SCALE), expected)
    assert strength(made - expected) < 0.02
    assert strength(made) == pytest.approx(0.05, rel=0.15)


def test_what_is_added_is_light_and_shade_of_the_colour_below():
    sample = noise(2, 0.02 / RESIDUAL_SCALE)
    added = (matched(wall(rough=0.05), sample) - sample)[:, *MIDDLE]
    for channel in (1, 2):
        scale = COLOUR[channel] / COLOUR[0]
        torch.testing.assert_close(added[channel], added[0] * scale, atol=0.02, rtol=0.05)


def test_a_slit_has_no_room_for_more():
    _, _, inverse = wall(rough=0.08)
    generated = torch.zeros(SIZE)
    generated[30:130, 118:122] = 1
    filled = torch.tensor(COLOUR)[:, None, None] + noise(1, 0.08) * (1 - generated)
    sample = noise(2, 0.02 / RESIDUAL_SCALE) * generated
    made = matched((filled, generated, inverse), sample)[:, generated > 0]
    assert made.std() < 1.5 * sample[:, generated > 0].std()  # 4 times would be the wall's


def test_a_silhouette_beside_the_hole_is_no_grain():
    """A dark post before the wall: its outlines are hardly any of the wall's structure."""
    filled, generated, inverse = wall(rough=0.005)
    post = slice(None), slice(40, 46)
    filled, inverse = filled.clone(), inverse.clone()
    filled[:, *post], inverse[post] = 0, 0.9
    made = matched((filled, generated, inverse), noise(2, 0.04 / RESIDUAL_SCALE))
    assert strength(made) < 0.01


def test_answers_fade_before_they_end():
    """In a hole wider than answers reach, no seam is left where they do."""
    size = 330, 330
    columns = torch.arange(size[1], dtype=torch.float32).expand(size)
    generated = torch.zeros(size)
    generated[10:320, 10:320] = 1
    random = np.random.default_rng(4)
    seen, sample = (torch.from_numpy(random.normal(0, 1, size).astype(np.float32)) for _ in "12")
    filled = 0.5 + 0.005 * seen.expand(3, -1, -1) * (1 - generated)
    sample = 0.04 / RESIDUAL_SCALE * sample.expand(3, -1, -1) * generated
    made = match_grain(
        sample,
        torch.zeros(3, *size),
        filled=filled,
        generated=generated,
        inverse=0.3 + 0.0005 * columns,
        editable=generated > 0,
    )
    strengths = (made[0, 150:180] * RESIDUAL_SCALE).unfold(1, 10, 10).std(dim=(0, 2))
    assert strengths[2:5].max() < 0.012
    assert strengths[15:18].min() > 0.03
    assert strengths.diff().abs().max() < 0.02


def test_a_surface_that_is_seen_nowhere_keeps_its_grain():
    filled, generated, inverse = wall(rough=0.005)
    inverse = inverse.clone()
    inverse[HOLE] = 0.9
    sample = noise(2, 0.04 / RESIDUAL_SCALE) * generated
    made = matched((filled, generated, inverse), sample)
    torch.testing.assert_close(made, sample, atol=1e-4, rtol=1e-3)


def test_nothing_seen_or_nothing_unseen_leaves_a_sample_as_it_is():
    filled, _, inverse = wall(rough=0.05)
    sample = noise(2, 0.1)
    for generated in (torch.zeros(SIZE), torch.ones(SIZE)):
        own = sample * generated
        assert torch.equal(matched((filled, generated, inverse), own), own)


def test_nothing_else_changes():
    frame = wall(rough=0.08)
    made = matched(frame, noise(2, 0.04 / RESIDUAL_SCALE))
    assert not made[:, frame[1] == 0].any()


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (7, 3), (33, 65)])
def test_any_size_and_the_sky_are_finite(size):
    random = np.random.default_rng(1)
    filled, sample = (torch.from_numpy(random.random((3, *size), np.float32)) for _ in range(2))
    generated = torch.from_numpy((random.random(size) > 0.8).astype(np.float32))
    for inverse in (torch.zeros(size), torch.from_numpy(random.random(size, np.float32))):
        made = match_grain(
            sample * generated,
            torch.zeros(3, *size),
            filled=filled,
            generated=generated,
            inverse=inverse,
            editable=generated > 0,
        )
        assert made.isfinite().all()


@pytest.mark.parametrize("size", [(160, 240), (157, 203)])
def test_bands_of_fewer_pixels_are_as_wide_as_those_of_all(size):
    random = np.random.default_rng(4)
    plane = torch.from_numpy(random.random(size, np.float32))
    exact = torch.stack([blur_exactly(plane[None], sigma)[0] for sigma in (5.6, 11.2)])
    fast = torch.stack([blur(plane[None], sigma)[0] for sigma in (5.6, 11.2)])
    inner = (slice(None), slice(34, -34), slice(34, -34))  # borders are continued, not known
    error = (fast - exact)[inner].flatten(1).square().mean(1).sqrt()
    assert (error < 0.15 * exact[inner].flatten(1).std(1)).all()
