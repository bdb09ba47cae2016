"""Broad colours of a hole come from its own plane, wherever on it they are seen."""

import numpy as np
import pytest
import torch

from backend.models.draft.spread import spread_surfaces

SIZE = 96, 160
HOLE = slice(20, 60), slice(56, 104)
WALL, CRATE, FILL = 0.8, 0.2, 0.5


def corner(*, share=1.0, scale=1):
    """Return a frame whose hole lies on a slanted wall, below it a floor of another colour.

    The hole was filled with a colour that neither has, as from a crate that stood beside it.
    """
    height, width = (side * scale for side in SIZE)
    rows = torch.arange(height)[:, None].expand(height, width) / scale
    columns = torch.arange(width).expand(height, width) / scale
    wall = 0.3 + 0.001 * columns
    floor = 0.3 + 0.02 * (rows - 70)
    inverse = torch.maximum(wall, floor)
    picture = torch.where(floor > wall, CRATE, WALL).expand(3, -1, -1).clone()
    generated = torch.zeros(height, width)
    hole = tuple(slice(side.start * scale, side.stop * scale) for side in HOLE)
    generated[hole] = share
    filled = picture.clone()
    filled[:, *hole] = FILL
    return filled, generated, inverse, hole


def test_a_hole_takes_the_colour_of_its_own_plane():
    filled, generated, inverse, _ = corner()
    made = spread_surfaces(filled, generated, inverse)
    middle = made[:, 30:50, 66:94]
    assert (middle - WALL).abs().max() < 0.05  # and nothing of the floor, which is nearer to it
    assert torch.equal(made[:, generated == 0], filled[:, generated == 0])


def test_a_surface_that_is_seen_nowhere_keeps_its_fill():
    filled, generated, inverse, hole = corner()
    inverse = inverse.clone()
    inverse[hole] = 0.9  # nothing else is as near
    made = spread_surfaces(filled, generated, inverse)
    assert (made - filled).abs().max() < 1e-3


def test_what_is_partly_seen_changes_by_its_share():
    whole = spread_surfaces(*corner()[:3])
    half = spread_surfaces(*corner(share=0.5)[:3])
    filled = corner()[0]
    torch.testing.assert_close(half - filled, (whole - filled) / 2)


def test_a_frame_twice_as_large_looks_the_same():
    small, large = corner(scale=6), corner(scale=12)  # both of as many cells as there may be
    made = [spread_surfaces(*frame[:3]) for frame in (small, large)]
    shrunk = torch.nn.functional.avg_pool2d(made[1], 2)
    assert (shrunk - made[0]).abs().mean() < 0.01


@pytest.mark.parametrize("unseen", [False, True])
def test_nothing_or_everything_unseen_is_left_as_it_is(unseen):
    filled, _, inverse, _ = corner()
    generated = torch.full(inverse.shape, float(unseen))
    assert torch.equal(spread_surfaces(filled, generated, inverse), filled)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (7, 3), (33, 65)])
def test_any_size_and_the_sky_are_finite(size):
    random = np.random.default_rng(1)
    filled = torch.from_numpy(random.random((3, *size), np.float32))
    generated = torch.from_numpy((random.random(size) > 0.5).astype(np.float32))
    for inverse in (torch.zeros(size), torch.from_numpy(random.random(size, np.float32))):
        made = spread_surfaces(filled, generated, inverse)
        assert made.isfinite().all()
        assert 0 <= made.min() <= made.max() <= 1
