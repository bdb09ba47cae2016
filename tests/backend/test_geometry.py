import math
from dataclasses import replace

import numpy as np
import pytest

from backend import geometry
from backend.errors import ShotError
from tests.analytic import camera_at, render, static_flow

SIZE = (64, 40)


def turned(yaw=0.3, pitch=0.2, position=(1.0, 2.0, 3.0)):
    """Return a camera turned about two axes, with shift and a pixel aspect."""
    cos, sin = math.cos(pitch), math.sin(pitch)
    camera = replace(camera_at(position, size=SIZE, yaw=yaw), fl_y=80.0, cx=30.0, cy=25.0)
    matrix = geometry.camera_to_world(camera)
    matrix[:3, :3] = matrix[:3, :3] @ np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    return replace(camera, transform_matrix=tuple(map(tuple, matrix.tolist())))


def test_a_point_ahead_above_and_right_lands_above_and_right_of_the_centre():
    camera = camera_at((0, 0, 0), size=SIZE)
    pixels, depth = geometry.project(np.array([1.0, 1.0, -4.0]), camera)
    assert depth == pytest.approx(4.0)
    assert pixels == pytest.approx([32 + camera.fl_x / 4, 20 - camera.fl_y / 4])


def test_the_centre_of_the_first_pixel_is_at_one_half():
    assert geometry.pixel_centres(3, 2)[0, 0].tolist() == [0.5, 0.5]
    assert geometry.pixel_centres(3, 2)[1, 2].tolist() == [2.5, 1.5]


def test_unprojecting_and_projecting_gives_the_pixels_and_the_depth_back():
    camera = turned()
    depth = np.random.default_rng(0).uniform(0.5, 40, (40, 64))
    pixels, back = geometry.project(geometry.unproject(depth, camera), camera)
    np.testing.assert_allclose(pixels, geometry.pixel_centres(64, 40), atol=1e-9)
    np.testing.assert_allclose(back, depth, rtol=1e-12)


def test_depth_is_along_the_axis_and_not_along_the_ray():
    camera = camera_at((0, 0, 0), size=SIZE)
    points = geometry.unproject(np.full((40, 64), 2.0), camera)
    np.testing.assert_allclose(points[..., 2], -2.0)


def test_the_inverse_pose_is_the_inverse():
    camera = turned()
    product = geometry.world_to_camera_cv(camera) @ geometry.camera_to_world_cv(camera)
    np.testing.assert_allclose(product, np.eye(4), atol=1e-12)


def test_pixel_transfer_agrees_with_going_through_the_world():
    source, target = turned(), turned(yaw=0.1, position=(1.3, 1.8, 2.7))
    depth = np.random.default_rng(1).uniform(1, 9, (40, 64))
    a, b = geometry.pixel_transfer(source, target)
    h = geometry.pixel_centres(64, 40) @ a[:, :2].T + a[:, 2] + b / depth[..., None]
    pixels, z = geometry.project(geometry.unproject(depth, source), target)
    np.testing.assert_allclose(h[..., :2] / h[..., 2:], pixels, rtol=1e-9)
    np.testing.assert_allclose((1 / depth) / h[..., 2], 1 / z, rtol=1e-9)


def test_pixel_transfer_takes_the_sky_by_direction():
    source, target = turned(), turned(position=(50.0, -20.0, 9.0))
    a, _ = geometry.pixel_transfer(source, target)
    h = a @ np.array([10.0, 7.0, 1.0])
    np.testing.assert_allclose(h[:2] / h[2], [10.0, 7.0], atol=1e-9)


@pytest.mark.parametrize("factor", [2, 3])
def test_a_scaled_camera_sees_the_same_points_at_scaled_pixels(factor):
    camera = turned()
    large = geometry.scale_camera(camera, SIZE, (SIZE[0] * factor, SIZE[1] * factor))
    point = np.array([0.5, 1.0, -4.0])
    small_pixels, small_z = geometry.project(point, camera)
    large_pixels, large_z = geometry.project(point, large)
    np.testing.assert_allclose(large_pixels, small_pixels * factor)
    assert large_z == small_z


def test_rigid_flow_is_the_exact_flow_of_a_still_scene():
    first, second = camera_at((0, 0, 0), size=SIZE), camera_at((0.1, 0.05, -0.1), size=SIZE)
    depth = render(first, SIZE)[1]
    exact = static_flow(first, depth, None, second)[..., 2:]
    np.testing.assert_allclose(geometry.rigid_flow(depth, first, second), exact, atol=1e-4)


def test_same_view_notices_a_small_turn_a_small_step_and_a_zoom():
    camera = turned()
    assert geometry.same_view(camera, turned())
    assert not geometry.same_view(camera, turned(yaw=0.3001))
    assert not geometry.same_view(camera, turned(position=(1.0001, 2.0, 3.0)))
    assert not geometry.same_view(camera, replace(camera, fl_x=camera.fl_x * 1.001))


def test_inverse_depth_range_covers_every_frame_and_counts_the_sky_as_zero():
    near, far = np.full((4, 4), 2.0), np.full((4, 4), np.inf)
    assert geometry.inverse_depth_range([near, far], trim=0.0) == (0.0, 0.5)


def test_inverse_depth_range_of_sky_alone_is_refused():
    with pytest.raises(ShotError, match="infinite everywhere"):
        geometry.inverse_depth_range([np.full((4, 4), np.inf)])
