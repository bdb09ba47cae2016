"""Cameras, poses and depth in numpy, float64: the one place that knows the axes.

Conventions (docs/conventions.md has the drawing):
    pixels     pixel (0, 0) covers [0, 1) x [0, 1), its centre is (0.5, 0.5); y down
    wire       camera-to-world with OpenGL axes: +X right, +Y up, looking along -Z; metres
    cv         camera axes +x right, +y down, +z forward, so z is the planar depth and
               pixel = K (x, y, z) / z
    inverse depth  1 / z, 0 where nothing is hit: affine in the pixel along any plane, and it makes
               the sky an ordinary value

Formulas: Hartley and Zisserman, Multiple View Geometry, 2nd ed., 6.1 (pinhole camera) and 13.1
(the plane at depth z and its point at infinity).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from .errors import ShotError
from .wire import Camera

# Said where a shot is captured and where it is generated: the same words, so that an artist who
# meets both reads them once.
NEVER_MOVES = (
    "The camera never moves, so every frame shows the still; animate the camera to see the scene"
    " from elsewhere."
)
_GL_TO_CV = np.diag([1.0, -1.0, -1.0, 1.0])


def intrinsics(camera: Camera) -> np.ndarray:
    """Return K (3, 3), which takes cv camera coordinates to homogeneous pixels."""
    return np.array([[camera.fl_x, 0.0, camera.cx], [0.0, camera.fl_y, camera.cy], [0.0, 0.0, 1.0]])


def camera_to_world(camera: Camera) -> np.ndarray:
    """Return the camera-to-world matrix (4, 4) with the wire's OpenGL axes."""
    return np.array(camera.transform_matrix, dtype=np.float64)


def camera_to_world_cv(camera: Camera) -> np.ndarray:
    """Return the camera-to-world matrix (4, 4) with cv axes."""
    return camera_to_world(camera) @ _GL_TO_CV


def world_to_camera_cv(camera: Camera) -> np.ndarray:
    """Return the world-to-camera matrix (4, 4) with cv axes."""
    matrix = camera_to_world_cv(camera)
    result = np.eye(4)
    result[:3, :3] = matrix[:3, :3].T
    result[:3, 3] = -matrix[:3, :3].T @ matrix[:3, 3]
    return result


def relative_pose(source: Camera, target: Camera) -> np.ndarray:
    """Return the matrix (4, 4) from the cv coordinates of `source` to those of `target`."""
    return world_to_camera_cv(target) @ camera_to_world_cv(source)


def scale_camera(camera: Camera, from_size: tuple[int, int], to_size: tuple[int, int]) -> Camera:
    """Return the same camera for an image of another size (width, height).

    Pixel corners lie on whole numbers, so everything scales and nothing is added.
    """
    x, y = to_size[0] / from_size[0], to_size[1] / from_size[1]
    return replace(
        camera,
        fl_x=camera.fl_x * x,
        cx=camera.cx * x,
        fl_y=camera.fl_y * y,
        cy=camera.cy * y,
    )


def pixel_centres(width: int, height: int) -> np.ndarray:
    """Return the centres (height, width, 2) of all pixels, x then y."""
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    return np.stack([x, y], axis=-1)


def pixel_transfer(source: Camera, target: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Return A (3, 3) and b (3,) that move a pixel of known inverse depth to another camera.

    A point at pixel (u, v) and inverse depth w of `source` lies in `target` at the homogeneous
    pixel h = A (u, v, 1) + b w: pixel h[:2] / h[2], inverse depth w / h[2], in front of the camera
    where h[2] > 0. With w = 0 this is the direction (u, v) itself (A is the homography of the
    plane at infinity, b / b[2] the epipole).
    """
    pose = relative_pose(source, target)
    target_k = intrinsics(target)
    return (
        target_k @ pose[:3, :3] @ np.linalg.inv(intrinsics(source)),
        target_k @ pose[:3, 3],
    )


def inverse_depth(depth: np.ndarray) -> np.ndarray:
    """Return 1 / depth in the same type; +inf becomes 0."""
    return np.reciprocal(depth)


def unproject(depth: np.ndarray, camera: Camera) -> np.ndarray:
    """Return the world points (H, W, 3) of a map of planar depth (H, W); +inf gives no number."""
    height, width = depth.shape
    pixels = pixel_centres(width, height)
    x = (pixels[..., 0] - camera.cx) / camera.fl_x
    y = (pixels[..., 1] - camera.cy) / camera.fl_y
    with np.errstate(invalid="ignore"):
        points = np.stack([x * depth, y * depth, depth], axis=-1)
        matrix = camera_to_world_cv(camera)
        return points @ matrix[:3, :3].T + matrix[:3, 3]


def project(points: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels (..., 2) and planar depth (...) of world points (..., 3).

    Points in the camera's plane or behind it have depth <= 0 and pixels without meaning.
    """
    matrix = world_to_camera_cv(camera)
    local = points @ matrix[:3, :3].T + matrix[:3, 3]
    depth = local[..., 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        x = camera.fl_x * local[..., 0] / depth + camera.cx
        y = camera.fl_y * local[..., 1] / depth + camera.cy
    return np.stack([x, y], axis=-1), depth


def rigid_flow(depth: np.ndarray, source: Camera, target: Camera) -> np.ndarray:
    """Return the flow (H, W, 2) that the camera alone causes from `source` to `target`.

    Args:
        depth: Planar depth (H, W) in `source`.
        source: Camera of the pixels the flow starts from.
        target: Camera the flow leads to.

    Returns:
        Pixels of `target` minus pixels of `source`; NaN where the point is behind `target`.
    """
    height, width = depth.shape
    pixels = pixel_centres(width, height)
    a, b = pixel_transfer(source, target)
    h = pixels @ a[:, :2].T + a[:, 2] + inverse_depth(depth.astype(np.float64))[..., None] * b
    h[h[..., 2] <= 0] = np.nan
    return h[..., :2] / h[..., 2:] - pixels


def same_view(first: Camera, second: Camera) -> bool:
    """Return whether two cameras see the same picture (to a millionth of their numbers)."""
    return bool(
        np.allclose(intrinsics(first), intrinsics(second), rtol=1e-6, atol=1e-6)
        and np.allclose(relative_pose(first, second), np.eye(4), rtol=0, atol=1e-6)
    )


def never_moves(cameras: Sequence[Camera]) -> bool:
    """Return whether there are several cameras and all see the same picture."""
    return len(cameras) > 1 and all(same_view(cameras[0], camera) for camera in cameras[1:])


def inverse_depth_range(
    depths: Iterable[np.ndarray], *, trim: float = 0.001
) -> tuple[float, float]:
    """Return the least and greatest inverse depth of a whole shot, outliers trimmed.

    One range for all frames keeps a control image from pumping. The sky counts as 0.

    Args:
        depths: Planar depth of every known frame (H, W), +inf where nothing is hit.
        trim: Share of each frame's pixels that may lie outside on either side.

    Raises:
        ShotError: there is no depth, or nothing is hit in any frame.
    """
    least, most = np.inf, 0.0
    for depth in depths:
        low, high = np.quantile(inverse_depth(depth), [trim, 1.0 - trim])
        least, most = min(least, float(low)), max(most, float(high))
    if not most > 0.0:
        raise ShotError(
            "The shot's depth is infinite everywhere; point the camera at something and capture"
            " again."
        )
    return least, most
