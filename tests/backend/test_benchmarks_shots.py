"""Shots that benchmarks make out of other shots."""

import numpy as np
import pytest

from backend.reader import ShotReader
from benchmarks.shots import cut_shot, imported_shot, repeat_shot
from tests.analytic import static_flow

SIZE = (48, 32)


@pytest.fixture
def shot(make_shot):
    return make_shot(frames=6, size=SIZE, with_flow=True)


def test_a_repeated_shot_goes_to_and_fro_with_its_flow_turned_round(shot, tmp_path):
    source = ShotReader(shot)
    made = ShotReader(repeat_shot(shot, tmp_path / "long", 13))
    order = [0, 1, 2, 3, 4, 5, 4, 3, 2, 1, 0, 1, 2]
    assert made.shot.cameras == tuple(source.shot.cameras[index] for index in order)
    for position, index in enumerate(order):
        np.testing.assert_array_equal(made.depth(position), source.depth(index))
    cameras = made.shot.cameras
    for position in range(1, 12):
        depth = made.depth(position)
        exact = static_flow(cameras[position], depth, cameras[position - 1], cameras[position + 1])
        np.testing.assert_allclose(made.flow(position), exact, atol=1e-3)


def test_a_cut_shot_has_the_share_that_was_asked_for(shot, tmp_path):
    shares = [0.0, 0.04, 0.08, 0.12, 0.16, 0.20]
    folder, share = cut_shot(shot, tmp_path / "cut", frames=4, shares=shares, wanted=0.12)
    source, made = ShotReader(shot).shot, ShotReader(folder)
    # The still's frame, then 3, 4, 5: their mean is 0.12.
    assert share == pytest.approx(0.12)
    assert made.shot.cameras == tuple(source.cameras[index] for index in (0, 3, 4, 5))
    assert made.shot.stills == source.stills
    # Frame 0 is no neighbour of frame 3, so nothing is known of the motion between them.
    assert made.flow(1) is None
    assert made.flow(2) is not None


def test_a_share_that_no_part_of_the_way_has_is_refused(shot, tmp_path):
    with pytest.raises(ValueError, match=r"about 50% unseen pixels \(the nearest have 1\.0%\)"):
        cut_shot(shot, tmp_path / "cut", frames=4, shares=[0.01] * 6, wanted=0.5)
    assert not (tmp_path / "cut").exists()


def test_an_imported_still_knows_its_own_depth_and_nothing_else(shot, tmp_path):
    made = ShotReader(imported_shot(shot, tmp_path / "imported"))
    assert made.shot.cameras == ShotReader(shot).shot.cameras
    np.testing.assert_array_equal(made.depth(0), ShotReader(shot).depth(0))
    assert [made.depth(index) for index in range(1, 6)] == [None] * 5
    assert set(made.shot.guides) == {"depth"}
