"""Seen, unseen and moving pixels against an exact answer worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from backend.geometry import camera_to_world, project, unproject
from backend.score.regions import (
    EDGE_PIXEL,
    MOVING_PIXEL,
    SEEN_PIXEL,
    UNSEEN_PIXEL,
    StillView,
    label,
    moving_pixels,
)
from backend.score.visibility import HIDDEN, UNSURE, VISIBLE, Surface, land, visibility
from tests.analytic import SCENES, camera_at, path, render, static_flow

SIZE = (208, 120)
STILL = camera_at((0.0, 0.0, 0.0), size=SIZE)
FRAME = camera_at((0.5, 0.1, -0.1), size=SIZE, yaw=0.05)
# Of the scene "planes": left, right, low, high, z.
CARD = (-0.4, 0.5, -0.5, 0.4, -2.5)
WALL = (-3.0, 3.0, -2.0, 0.7, -5.0)


@pytest.fixture(scope="module")
def still() -> StillView:
    return StillView(STILL, Surface.of(render(STILL, SIZE, scene="planes")[1]), None)


@pytest.fixture(scope="module")
def depth() -> np.ndarray:
    return render(FRAME, SIZE, scene="planes")[1]


def still_pixels(depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where the frame's points lie in the still's picture (x, y in pixels)."""
    finite = np.isfinite(depth)
    points = unproject(np.where(finite, depth, 1), FRAME)
    # A direction without end is seen from the still under the same angle.
    directions = points - camera_to_world(FRAME)[:3, 3]
    rays = np.where(finite[..., None], points, directions)
    with np.errstate(divide="ignore", invalid="ignore"):
        x = STILL.fl_x * rays[..., 0] / -rays[..., 2] + STILL.cx
        y = STILL.fl_y * -rays[..., 1] / -rays[..., 2] + STILL.cy
    return x, y


def distance_into(plane: tuple[float, ...], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return how far, in the still's pixels, places lie inside (> 0) a plane's outline."""
    left, right, low, high, z = plane
    scale = STILL.fl_x / -z
    x, y = (x - STILL.cx) / scale, (STILL.cy - y) / scale
    return np.minimum.reduce([x - left, right - x, y - low, high - y]) * scale


def distance_to_border(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.minimum.reduce([x, SIZE[0] - x, y, SIZE[1] - y])


def test_labels_agree_with_the_shadows_of_card_and_wall(still, depth):
    labels = label(depth, FRAME, [still], moving=None)
    x, y = still_pixels(depth)
    hidden = (depth > 3) & (distance_into(CARD, x, y) > 0)
    hidden |= np.isinf(depth) & (distance_into(WALL, x, y) > 0)
    hidden |= distance_to_border(x, y) < 0
    assert not (hidden & (labels == SEEN_PIXEL)).any()
    assert not (~hidden & (labels == UNSEEN_PIXEL)).any()
    assert (labels == UNSEEN_PIXEL).mean() > 0.08
    assert (labels == SEEN_PIXEL).mean() > 0.5


@pytest.mark.parametrize(("step", "share"), [(0.02, 0.0), (0.3, 0.7), (0.8, 0.9)])
def test_labels_agree_with_rays_cast_from_the_still(step, share):
    """Boxes and a ball in a room: every point of the frame is aimed at from the still."""
    cameras = path(2, size=SIZE, step=step)
    depths = [render(camera, SIZE)[1] for camera in cameras]
    still = StillView(cameras[0], Surface.of(depths[0]), None)
    labels = label(depths[1], cameras[1], [still], moving=None)
    points = unproject(depths[1].astype(np.float64), cameras[1])
    eye = camera_to_world(cameras[0])[:3, 3]
    rays = points - eye  # a point lies at distance 1 of its ray
    hidden = np.min([hit(eye, rays) for hit in SCENES["room"]], axis=0) < 0.999
    pixels, _ = project(points, cameras[0])
    hidden |= distance_to_border(pixels[..., 0], pixels[..., 1]) < 0
    assert not (hidden & (labels == SEEN_PIXEL)).any()
    assert not (~hidden & (labels == UNSEEN_PIXEL)).any()
    assert (labels == EDGE_PIXEL).mean() < 0.07
    assert (labels == UNSEEN_PIXEL).sum() >= share * hidden.sum()


def test_only_pixels_near_an_outline_are_left_undecided(still, depth):
    labels = label(depth, FRAME, [still], moving=None)
    x, y = still_pixels(depth)
    outlines = [distance_into(CARD, x, y), distance_into(WALL, x, y), distance_to_border(x, y)]
    # 3 pixels: the band of one pixel, the two of sampling, the change of scale.
    far = np.logical_and.reduce([abs(outline) > 3 for outline in outlines])
    near, beyond = ndimage.minimum_filter(depth, 3), ndimage.maximum_filter(depth, 3)
    far &= beyond <= 1.2 * near  # nor beside an outline in the frame itself
    assert far.mean() > 0.7
    assert not (labels[far] == EDGE_PIXEL).any()
    assert (labels == EDGE_PIXEL).any()


def test_the_sky_is_seen_where_the_still_shows_sky(still, depth):
    labels = label(depth, FRAME, [still], moving=None)
    x, y = still_pixels(depth)
    shown = np.isinf(depth) & (distance_to_border(x, y) > 3)
    for plane in (CARD, WALL):
        shown &= distance_into(plane, x, y) < -3
    assert shown.sum() > 500
    assert (labels[shown] == SEEN_PIXEL).all()


def test_a_camera_that_does_not_move_sees_everything(still):
    depth = render(STILL, SIZE, scene="planes")[1]
    labels = label(depth, STILL, [still], moving=None)
    assert (labels == SEEN_PIXEL).all()


def test_a_second_still_makes_more_seen(still, depth):
    other = camera_at((0.9, 0.1, -0.1), size=SIZE, yaw=0.05)
    second = StillView(other, Surface.of(render(other, SIZE, scene="planes")[1]), None)
    one = label(depth, FRAME, [still], moving=None)
    both = label(depth, FRAME, [still, second], moving=None)
    assert (both == UNSEEN_PIXEL).sum() < 0.3 * (one == UNSEEN_PIXEL).sum()
    assert (both == SEEN_PIXEL).sum() > (one == SEEN_PIXEL).sum()


def test_points_behind_the_other_camera_are_hidden(depth):
    turned = replace(
        FRAME,
        transform_matrix=(
            (-1.0, 0.0, 0.0, 0.0),
            (0.0, 1.0, 0.0, 0.0),
            (0.0, 0.0, -1.0, 0.0),
            (0.0, 0.0, 0.0, 1.0),
        ),
    )
    state = visibility(land(depth, FRAME, turned), Surface.of(depth))
    assert (state == HIDDEN).all()


def test_a_grazing_floor_is_one_surface():
    """Depth changes by a tenth from pixel to pixel, but no pixel hides another."""
    first = camera_at((0.0, -1.2, 1.0), size=SIZE)
    second = camera_at((0.1, -1.2, 0.8), size=SIZE)
    depths = [render(camera, SIZE)[1] for camera in (first, second)]
    state = visibility(land(depths[0], first, second), Surface.of(depths[1]))
    floor = np.zeros_like(state, dtype=bool)
    floor[68:80, 60:150] = True
    assert (state[floor] == VISIBLE).mean() > 0.99


def test_a_surface_in_front_of_what_the_view_shows_is_unsure(depth):
    nearer = Surface.of(np.full_like(depth, 10.0))
    state = visibility(land(np.full_like(depth, 5.0), STILL, STILL), nearer)
    assert (state == UNSURE).all()


def test_a_picture_of_one_pixel_has_a_surface():
    camera = camera_at((0.0, 0.0, 0.0), size=(1, 1))
    depth = np.full((1, 1), 2.0, np.float32)
    assert visibility(land(depth, camera, camera), Surface.of(depth)).tolist() == [[VISIBLE]]


@pytest.fixture(scope="module")
def moving_scene() -> tuple[np.ndarray, np.ndarray, tuple]:
    """Depth and flow of the middle frame of three, and the cameras; nothing moves yet."""
    cameras = path(3, size=SIZE, step=0.1)
    depth = render(cameras[1], SIZE)[1]
    return depth, static_flow(cameras[1], depth, cameras[0], cameras[2]), cameras


def test_nothing_moves_in_a_still_world(moving_scene):
    depth, flow, cameras = moving_scene
    assert not moving_pixels(flow, depth, cameras, 1).any()


@pytest.mark.parametrize("channel", [0, 1, 2, 3])
def test_what_moves_is_found_in_either_direction(moving_scene, channel):
    depth, flow, cameras = moving_scene
    flow = flow.copy()
    flow[40:60, 50:80, channel] += 3
    moving = moving_pixels(flow, depth, cameras, 1)
    assert moving[40:60, 50:80].all()
    assert moving.sum() == 20 * 30


def test_flow_out_of_the_shot_is_not_compared(moving_scene):
    depth, _, cameras = moving_scene
    assert not moving_pixels(
        static_flow(cameras[1], depth, None, cameras[2]), depth, cameras[1:], 0
    ).any()


def test_moving_pixels_are_neither_seen_nor_unseen(still, depth):
    moving = np.zeros(depth.shape, dtype=bool)
    moving[30:50, 60:90] = True
    labels = label(depth, FRAME, [still], moving=moving)
    assert ((labels == MOVING_PIXEL) == moving).all()


def test_what_moved_in_the_still_is_not_seen_at_its_old_place(still, depth):
    at_still = np.zeros(depth.shape, dtype=bool)
    at_still[20:40, 100:120] = True
    labels = label(depth, FRAME, [replace(still, moving=at_still)], moving=None)
    x, y = still_pixels(depth)
    there = (
        (x > 101)
        & (x < 119)
        & (y > 21)
        & (y < 39)
        & (label(depth, FRAME, [still], moving=None) == SEEN_PIXEL)
    )
    assert there.sum() > 100
    assert (labels[there] == MOVING_PIXEL).all()
