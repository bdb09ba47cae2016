"""What moves by itself between a still and a frame: found however slow, and never made up."""

import cv2
import numpy as np
import pytest
import torch

from backend.projection.backward import transfer_pixels
from backend.projection.motion import NOISE, Follower, own_motion
from backend.projection.surface import describe_surface, inverse_depth
from tests.analytic import path, render, static_flow

CPU = torch.device("cpu")
SIZE = (104, 60)
SHAPE = (60, 104)


def surface_of(depth):
    return describe_surface(inverse_depth(depth, device=CPU))


def as_flow(flow):
    return torch.from_numpy(np.ascontiguousarray(flow, np.float32)).permute(2, 0, 1)


class Walk:
    """Frames of the analytic room, left one by one; `still` is the first."""

    def __init__(self, frames, *, step=0.06):
        self.cameras = path(frames, size=SIZE, step=step)
        self.depths = [render(camera, SIZE)[1] for camera in self.cameras]
        self.follower = Follower(surface_of(self.depths[0]), self.cameras[0])

    def box(self, index):
        """Return the pixels of the nearer box, without its outline."""
        inside = ((self.depths[index] > 2.5) & (self.depths[index] < 3.2)).astype(np.uint8)
        inside[:, :50] = 0
        return cv2.erode(inside, np.ones((3, 3), np.uint8)) > 0

    def flow(self, index):
        """Return (H, W, 2) to the frame before."""
        return static_flow(self.cameras[index], self.depths[index], self.cameras[index - 1], None)[
            ..., :2
        ]

    def step(self, index, *, own=(0.0, 0.0), depth=True, flow=True):
        """Go on to a frame in which the box has moved by `own` pixels."""
        vectors = self.flow(index)
        vectors[self.box(index)] -= np.float32(own)
        moved = self.follower.step(
            surface_of(self.depths[index]) if depth else None,
            self.cameras[index],
            as_flow(vectors) if flow else None,
        )
        return None if moved is None else moved.numpy()


def shares(walk, moved, index):
    """Return the moved share of the box and of what is well away from it."""
    box = walk.box(index)
    away = ~(cv2.dilate(box.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0)
    assert box.sum() > 30
    return moved[box].mean(), moved[away].mean()


def test_own_motion_is_where_a_point_was_less_where_it_would_have_been():
    walk = Walk(2)
    surface = surface_of(walk.depths[1])
    still = transfer_pixels(surface, walk.cameras[1], walk.cameras[0])
    vectors = walk.flow(1)
    assert own_motion(as_flow(vectors), surface, still).abs().max() == 0
    vectors[walk.box(1)] += np.float32((0.3, -0.2))
    found = own_motion(as_flow(vectors), surface, still).numpy()
    assert found[0][walk.box(1)] == pytest.approx(0.3, abs=1e-3)
    assert found[1][walk.box(1)] == pytest.approx(-0.2, abs=1e-3)
    assert np.abs(found[:, ~walk.box(1)]).max() == 0


def test_motion_adds_up_stays_after_rest_and_does_not_spread():
    walk = Walk(8)
    seen = []
    for index in range(1, 8):
        moved = walk.step(index, own=(0.2, 0.0) if index <= 4 else (0.0, 0.0))
        seen.append(shares(walk, moved, index))
    assert [box for box, _ in seen[:2]] == [0, 0]  # 0.2 and 0.4 pixels
    assert seen[2][0] > 0.9  # 0.6 pixels
    assert seen[6][0] > 0.7  # at rest again, but no longer where the still shows it
    assert max(away for _, away in seen) == 0


def test_the_slowest_motion_adds_up_too():
    walk = Walk(70, step=0.002)
    found = []
    for index in range(1, 70):
        moved = walk.step(index, own=(0.006, 0.008))  # 0.01 pixels a frame
        found.append(shares(walk, moved, index))
    assert max(box for box, _ in found[:48]) == 0
    assert found[-1][0] > 0.9
    assert max(away for _, away in found) == 0


def test_trembling_about_one_place_is_no_motion_but_what_went_away_and_back_has_moved():
    walk = Walk(22, step=0.002)
    for index in range(1, 11):
        moved = walk.step(index, own=(0.3 if index % 2 else -0.3, 0.0))
    assert shares(walk, moved, 10)[0] == 0
    for index in range(11, 16):
        moved = walk.step(index, own=(0.0, 0.2))
    assert shares(walk, moved, 15)[0] > 0.9
    for index in range(16, 21):
        moved = walk.step(index, own=(0.0, -0.2))
    assert shares(walk, moved, 20)[0] > 0.9


def test_rounding_of_a_thousand_frames_is_no_motion():
    """A thousandth of a pixel, the same way each time: twice what Blender's passes are off by."""
    camera = path(2, size=(40, 24), step=0.0)[0]
    depth = np.full((24, 40), 3.0, np.float32)
    follower = Follower(surface_of(depth), camera)
    rng = np.random.default_rng(1)
    for _ in range(1000):
        flow = np.float32(1e-3) + rng.uniform(-5e-4, 5e-4, (24, 40, 2))
        moved = follower.step(surface_of(depth), camera, as_flow(flow))
    assert not moved.any()


def test_flow_in_half_floats_is_no_motion():
    walk = Walk(2, step=0.4)
    exact = walk.flow(1)
    rounded = exact.astype(np.float16).astype(np.float32)
    assert np.abs(rounded - exact).max() > NOISE
    surface = surface_of(walk.depths[1])
    still = transfer_pixels(surface, walk.cameras[1], walk.cameras[0])
    assert own_motion(as_flow(rounded), surface, still).abs().max() == 0


def test_what_comes_out_from_behind_a_moving_thing_has_not_moved():
    """A card slides before a wall; the wall that it uncovers is where it was, the card is not."""
    camera = path(1, size=SIZE)[0]

    def wall_and_card(index):
        depth = np.full(SHAPE, 8.0, np.float32)
        card = np.zeros(SHAPE, bool)
        card[20:40, 20 + 5 * index : 50 + 5 * index] = True
        depth[card] = 2.0
        return depth, card

    follower = Follower(surface_of(wall_and_card(0)[0]), camera)
    for index in range(1, 9):
        depth, card = wall_and_card(index)
        flow = np.zeros((*SHAPE, 2), np.float32)
        flow[card, 0] = -5.0
        moved = follower.step(surface_of(depth), camera, as_flow(flow)).numpy()
        assert moved[card].all()
        assert not moved[~card].any()


def test_a_thing_that_comes_nearer_is_followed_through_its_depths():
    """A disc grows about a point that does not move: near that point it moves slowest."""
    camera = path(1, size=SIZE)[0]
    v, u = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.5
    u, v = u - 52.0, v - 30.0
    radius = np.hypot(u, v)
    follower = None
    for index in range(30):
        depth = np.full(SHAPE, 9.0, np.float32)
        size = 10.0 * 1.02**index
        disc = radius < size
        depth[disc] = 4.0 / 1.02**index
        if follower is None:
            follower = Follower(surface_of(depth), camera)
            continue
        flow = np.stack([u, v], -1) * (1 / 1.02 - 1) * disc[..., None]
        moved = follower.step(surface_of(depth), camera, as_flow(flow)).numpy()
    ring = (radius > 3) & (radius < 15)
    assert moved[ring].mean() > 0.9  # 0.06 pixels a frame at 3 pixels, below 0.3 everywhere
    assert not moved[radius > size + 1].any()


@pytest.mark.parametrize("gap", [1, 3])
def test_a_gap_in_depth_is_no_motion(gap):
    walk = Walk(8)
    for index in range(1, 8):
        moved = walk.step(index, depth=not 2 <= index < 2 + gap)
        assert (moved is None) == (2 <= index < 2 + gap)
    assert not moved.any()


@pytest.mark.parametrize("lost", [{"depth": False}, {"flow": False}], ids=["depth", "flow"])
@pytest.mark.parametrize("frames", [(1,), (2, 3, 4), (2, 4)], ids=str)
def test_motion_goes_on_where_no_frame_tells_it(lost, frames):
    """0.09 pixels a frame are 0.54 pixels in six frames, whichever of them are known."""
    walk = Walk(7, step=0.01)
    for index in range(1, 7):
        moved = walk.step(index, own=(0.09, 0.0), **(lost if index in frames else {}))
        if index == 5:
            early = shares(walk, moved, index)[0] if moved is not None else 0
    assert early < 0.2  # 0.5 pixels, on the verge
    box, away = shares(walk, moved, 6)
    assert box > 0.8
    assert away == 0


def test_what_has_moved_before_a_gap_has_moved_after_it():
    walk = Walk(6, step=0.01)
    for index in range(1, 6):
        moved = walk.step(index, own=(1.0 if index == 1 else 0.0, 0.0), depth=index not in (2, 3))
    box, away = shares(walk, moved, 5)
    assert box > 0.8
    assert away == 0
