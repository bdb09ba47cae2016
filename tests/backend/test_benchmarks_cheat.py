"""The cheat is as sharp as it says, and its noise stays on the world."""

import numpy as np
import pytest

from backend.score.motion import MotionSums, PairGeometry
from benchmarks.cheat import detail, sharpen_with_noise, world_noise, world_points
from tests.analytic import path, render

SIZE = (160, 96)


def noise_of(camera, depth, still):
    points = world_points(depth, camera, still)
    return world_noise(points.reshape(-1, 3), still).reshape(depth.shape)


@pytest.mark.parametrize("scene", ["room", "planes"])
def test_noise_stays_on_its_surfaces_when_the_camera_moves(scene):
    cameras = path(2, size=SIZE)
    depths = tuple(render(camera, SIZE, scene=scene)[1] for camera in cameras)
    pair = PairGeometry.of(depths, cameras, (None, None))
    locked = [
        noise_of(camera, depth, cameras[0]) for camera, depth in zip(cameras, depths, strict=True)
    ]
    # The same pictures, but the second's noise belongs to the pixels of the first.
    steady, stuck = (
        MotionSums.of(*(0.5 + 0.1 * np.stack([one] * 3, -1) for one in both), pair)
        for both in (locked, (locked[0], locked[0]))
    )
    assert steady.warp_error.mean().all < 0.4 * stuck.warp_error.mean().all


def test_noise_is_a_function_of_the_place_alone():
    still = path(1, size=SIZE)[0]
    points = np.random.default_rng(1).uniform(-3, -1, (4000, 3))
    first = world_noise(points, still)
    np.testing.assert_array_equal(world_noise(points[::-1], still)[::-1], first)
    near = world_noise(points + 1e-5, still)
    assert np.abs(near - first).mean() < 0.02
    assert np.abs(first[1:] - first[:-1]).mean() > 0.5
    assert first.mean() == pytest.approx(0, abs=0.1)


def test_frames_become_as_sharp_as_wanted_inside_their_regions():
    random = np.random.default_rng(3)
    filled = [np.full((60, 80, 3), 90 + 20 * n, np.uint8) for n in range(2)]
    holes = [np.zeros((60, 80), bool) for _ in filled]
    holes[0][10:40, 5:60], holes[1][20:50, 10:70] = True, True
    noise = [random.normal(size=hole.shape).astype(np.float32) * hole for hole in holes]
    inner = [hole & np.roll(hole, 2, 0) & np.roll(hole, 2, 1) for hole in holes]
    made, amplitude = sharpen_with_noise(filled, noise, regions=inner, wanted=0.12)
    sharp = np.concatenate([detail(one)[region] for one, region in zip(made, inner, strict=True)])
    assert sharp.mean() == pytest.approx(0.12, rel=0.01)
    assert 0 < amplitude < 1
    for before, after, hole in zip(filled, made, holes, strict=True):
        np.testing.assert_array_equal(before[~hole], after[~hole])


def test_frames_that_are_too_sharp_already_are_refused():
    random = np.random.default_rng(3)
    sharp = [random.integers(0, 255, (40, 40, 3)).astype(np.uint8)]
    everywhere = [np.ones((40, 40), bool)]
    with pytest.raises(ValueError, match=r"as sharp as 2\.55 levels"):
        sharpen_with_noise(sharp, [np.ones((40, 40))], regions=everywhere, wanted=0.01)
