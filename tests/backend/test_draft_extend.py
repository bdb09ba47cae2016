"""The depth of a hole that nobody knows is that of the planes beside it, gone on."""

import numpy as np
import pytest
import torch

from backend.models.draft.extend import extend_planes

SIZE = 160, 240
HOLE = slice(60, 140), slice(90, 150)


def room():
    """Return inverse depth of a slanted wall above a floor, and their border's row by column."""
    rows = torch.arange(SIZE[0], dtype=torch.float32)[:, None].expand(SIZE)
    columns = torch.arange(SIZE[1], dtype=torch.float32).expand(SIZE)
    return torch.maximum(0.2 + 0.0005 * columns, 0.004 * (rows - 40))


def hide(truth, fill, *, hole=HOLE):
    """Return depth whose hole holds a guess, and what is seen."""
    seen = torch.ones(SIZE, dtype=torch.bool)
    seen[hole] = False
    return torch.where(seen, truth, torch.full(SIZE, fill)), seen


def off(made, truth, seen):
    """Return the relative errors (N,) inside the hole."""
    return ((made - truth).abs() / truth)[~seen]


def test_a_wall_and_a_floor_meet_behind_what_hid_them():
    truth = room()
    inverse, seen = hide(truth, 0.3)
    made = extend_planes(inverse, seen)
    assert torch.equal(made[seen], inverse[seen])
    errors = off(made, truth, seen)
    assert errors.quantile(0.9) < 0.001
    assert errors.quantile(0.98) < 0.1  # the rest lies where the two meet
    assert off(inverse, truth, seen).median() > 0.1


def test_what_stood_before_the_wall_does_not_go_on():
    """A crate beside the hole, nearer than the wall, reaches to the hole's side."""
    truth = room()
    truth[60:140, 60:90] = 0.9
    inverse, seen = hide(truth, 0.5)
    made = extend_planes(inverse, seen)
    assert off(made, room(), seen).median() < 0.001


def test_leaves_agree_on_nothing():
    truth = room()
    random = np.random.default_rng(1)
    for row, column in random.integers((40, 60), (150, 180), (150, 2)):
        truth[row : row + 4, column : column + 4] = float(random.uniform(0.5, 0.95))
    inverse, seen = hide(truth, 0.5, hole=(slice(70, 110), slice(100, 140)))
    made = extend_planes(inverse, seen)
    assert off(made, room(), seen).median() < 0.005


def test_the_sky_goes_on_beside_a_tower():
    truth = torch.zeros(SIZE)
    truth[80:] = 0.3
    truth[20:, :70] = 0.6
    inverse, seen = hide(truth, 0.4, hole=(slice(30, 60), slice(70, 100)))
    sky = (extend_planes(inverse, seen)[~seen] == 0).float().mean()
    assert sky > 0.85  # all but the pixels right at the tower


def test_a_floor_goes_on_towards_the_camera():
    """As when the camera backs away: all of it nearer than anything that is seen."""
    truth = 0.004 * (torch.arange(SIZE[0], dtype=torch.float32)[:, None].expand(SIZE) + 10)
    inverse, seen = hide(truth, 0.3, hole=(slice(110, 160), slice(None)))
    assert off(extend_planes(inverse, seen), truth, seen).max() < 0.001


def test_a_hole_wider_than_samples_reach_is_filled_from_all_sides():
    rows = torch.arange(300, dtype=torch.float32)[:, None].expand(300, 420)
    columns = torch.arange(420, dtype=torch.float32).expand(300, 420)
    truth = 0.2 + 0.0005 * columns + 0.0002 * rows
    seen = torch.ones(truth.shape, dtype=torch.bool)
    seen[20:280, 20:400] = False
    inverse = torch.where(seen, truth, 0.9)
    assert off(extend_planes(inverse, seen), truth, seen).max() < 0.001


@pytest.mark.parametrize("seen", [False, True])
def test_nothing_or_everything_seen_is_left_as_it_is(seen):
    inverse = room()
    assert torch.equal(extend_planes(inverse, torch.full(SIZE, seen)), inverse)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (7, 3), (33, 65)])
def test_any_size_and_the_sky_are_finite(size):
    random = np.random.default_rng(1)
    seen = torch.from_numpy(random.random(size) > 0.3)
    for inverse in (torch.zeros(size), torch.from_numpy(random.random(size, np.float32))):
        made = extend_planes(inverse, seen)
        assert made.isfinite().all()
        assert (made >= 0).all()
