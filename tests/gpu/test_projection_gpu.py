"""The projection on a GPU: the same picture as on the CPU, and the same bytes each time.

Needs torch and numpy alone.
"""

import numpy as np
import pytest
import torch

from backend.projection.frame import carry_frame, project_frame
from backend.projection.motion import Follower
from backend.projection.output import to_image, to_mask
from backend.projection.source import prepare_source
from backend.projection.surface import describe_surface, inverse_depth
from backend.wire import Camera

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here"),
]

WIDTH, HEIGHT = 320, 184


def camera(x, turn=0.0):
    """Return a camera at (x, 0, 0) looking along -Z, turned left by `turn`."""
    cos, sin = float(np.cos(turn)), float(np.sin(turn))
    pose = ((cos, 0.0, sin, x), (0.0, 1.0, 0.0, 0.0), (-sin, 0.0, cos, 0.0), (0.0, 0.0, 0.0, 1.0))
    return Camera(280.0, 280.0, WIDTH / 2, HEIGHT / 2, pose)


def scene(eye):
    """Return colour and depth of a floor, a wall, a post and sky, by casting rays."""
    pose = np.array(eye.transform_matrix)
    v, u = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    rays = np.stack([(u - eye.cx) / eye.fl_x, -(v - eye.cy) / eye.fl_y, -np.ones_like(u)], -1)
    rays = rays @ pose[:3, :3].T
    origin = pose[:3, 3]
    depth = np.full(u.shape, np.inf)
    number = np.zeros(u.shape)
    for surface, (axis, level, low, high) in enumerate(
        [
            (1, -1.0, (-9, -9, -9), (9, 9, 9)),
            (2, -6.0, (-2, -1, -9), (3, 1, 9)),
            (2, -3.0, (-0.2, -1, -9), (0.3, 0.8, 9)),
        ],
        start=1,
    ):
        with np.errstate(divide="ignore"):
            distance = (level - origin[axis]) / rays[..., axis]
        point = origin + rays * distance[..., None]
        inside = ((point >= low) & (point <= high)).all(-1)
        nearer = inside & (distance > 0) & (distance < depth)
        depth = np.where(nearer, distance, depth)
        number = np.where(nearer, surface, number)
    point = origin + rays * np.where(np.isfinite(depth), depth, 50.0)[..., None]
    colour = 0.5 + 0.4 * np.sin(point * [7.0, 5.0, 6.0] + number[..., None] * [1.0, 2.0, 3.0])
    return colour.astype(np.float32), depth.astype(np.float32)


def make(device, *, forward):
    device = torch.device(device)
    cameras = [camera(0.0), camera(0.9, 0.1), camera(0.4, 0.05)]
    sources = [prepare_source(*scene(one), one, device=device) for one in cameras[:2]]
    if forward:
        made = carry_frame(sources[:1], cameras[2])
    else:
        surface = describe_surface(inverse_depth(scene(cameras[2])[1], device=device))
        follower = Follower(sources[0].surface, cameras[0])
        flow = torch.zeros(2, HEIGHT, WIDTH, device=device)
        moved = follower.step(surface, cameras[2], flow)
        moved[: HEIGHT // 2] = False
        made = project_frame(
            sources, surface, cameras[2], nearness=[1.0, 0.5], moved=[moved, moved & False]
        )
    return to_image(made.colour), to_mask(made.generated), made.inverse.cpu().numpy()


@pytest.mark.parametrize("forward", [False, True], ids=["backward", "forward"])
def test_the_gpu_gives_the_picture_of_the_cpu(forward):
    ours, theirs = make("cuda", forward=forward), make("cpu", forward=forward)
    # A pixel on the very edge of a test may fall on either side.
    assert (ours[1] != theirs[1]).mean() < 0.002
    off = np.abs(ours[0].astype(int) - theirs[0])
    assert np.quantile(off, 0.99) <= 1
    assert np.quantile(np.abs(ours[2] - theirs[2]), 0.99) < 1e-4


@pytest.mark.parametrize("forward", [False, True], ids=["backward", "forward"])
def test_the_gpu_gives_the_same_bytes_each_time(forward):
    first = make("cuda", forward=forward)
    for _ in range(5):
        again = make("cuda", forward=forward)
        assert all(a.tobytes() == b.tobytes() for a, b in zip(first, again, strict=True))
