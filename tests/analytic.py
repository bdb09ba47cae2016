"""Small shots whose every pixel, depth and flow is known exactly, by ray casting in numpy.

Surfaces have smooth colours of their own that do not depend on the view, so a perfect projection
of the still shows the very colours of the true frame. `SCENES` names what there is:

    room    the inside of a box with two boxes and a ball in it; every ray hits something
    planes  a card before a wall under an open sky; rays that miss both have infinite depth
"""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import OpenImageIO

from backend import media
from backend.geometry import scale_camera
from backend.reader import ShotReader
from backend.wire import Camera, Shot, Still, write_shot

FOCAL = 0.9  # in widths


def camera_at(
    position: tuple[float, float, float], *, size: tuple[int, int], yaw: float = 0.0
) -> Camera:
    """Return a camera at `position` (metres, +Y up) looking along -Z, turned left by `yaw`."""
    width, height = size
    cos, sin = math.cos(yaw), math.sin(yaw)
    x, y, z = position
    return Camera(
        fl_x=FOCAL * width,
        fl_y=FOCAL * width,
        cx=width / 2,
        cy=height / 2,
        transform_matrix=(
            (cos, 0.0, sin, x),
            (0.0, 1.0, 0.0, y),
            (-sin, 0.0, cos, z),
            (0.0, 0.0, 0.0, 1.0),
        ),
    )


def path(frames: int, *, size: tuple[int, int], step: float = 0.06) -> tuple[Camera, ...]:
    """Return a sideways move with a slight turn: `step` metres a frame."""
    return tuple(
        camera_at((step * i, 0.3 * step * i, 0.1 * step * i), size=size, yaw=0.1 * step * i)
        for i in range(frames)
    )


def render(
    camera: Camera, size: tuple[int, int], *, scene: str = "room", samples: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Cast rays through pixel centres.

    Args:
        camera: In pixels of `size`.
        size: (W, H).
        scene: A key of `SCENES`.
        samples: Colour samples a pixel's side; depth is always that of the centre.

    Returns:
        (H, W, 3) float32 display values 0..1, and (H, W) float32 planar depth, +inf for no hit.
    """
    width, height = size
    colors = np.zeros((height, width, 3))
    for row in range(samples):
        for column in range(samples):
            offset = ((column + 0.5) / samples, (row + 0.5) / samples)
            colors += _cast(camera, size, scene, offset)[0]
    depth = _cast(camera, size, scene, (0.5, 0.5))[1]
    return (colors / samples**2).astype(np.float32), depth.astype(np.float32)


def static_flow(
    camera: Camera, depth: np.ndarray, before: Camera | None, after: Camera | None
) -> np.ndarray:
    """Return (H, W, 4) float32 prev_u prev_v next_u next_v of a scene in which nothing moves.

    Zero where nothing is hit and where there is no such frame.
    """
    height, width = depth.shape
    flow = np.zeros((height, width, 4))
    u, v = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    hit = np.isfinite(depth)
    z = np.where(hit, depth, 1.0)
    local = np.stack(
        [(u - camera.cx) / camera.fl_x * z, -(v - camera.cy) / camera.fl_y * z, -z], -1
    )
    pose = np.array(camera.transform_matrix)
    world = local @ pose[:3, :3].T + pose[:3, 3]
    for first, other in ((0, before), (2, after)):
        if other is None:
            continue
        pose = np.array(other.transform_matrix)
        seen = (world - pose[:3, 3]) @ pose[:3, :3]
        flow[..., first] = other.cx - other.fl_x * seen[..., 0] / seen[..., 2] - u
        flow[..., first + 1] = other.cy + other.fl_y * seen[..., 1] / seen[..., 2] - v
    flow[~hit] = 0
    return flow.astype(np.float32)


def analytic_shot(
    folder: Path,
    *,
    frames: int = 3,
    size: tuple[int, int] = (64, 40),
    still_index: int = 0,
    scene: str = "room",
    frame_start: int = 1,
    step: float = 0.06,
    still_scale: int = 1,
    with_flow: bool = False,
) -> Path:
    """Write a shot with exact depth for every frame; return its folder.

    Args:
        folder: Where it goes; made if missing.
        frames: Number of frames.
        size: (W, H).
        still_index: Which frame the still shows (16-bit PNG).
        scene: A key of `SCENES`.
        frame_start: Blender frame of the first.
        step: Metres the camera moves a frame; 0 for a camera that never moves.
        still_scale: How many times larger than the shot the still is.
        with_flow: Whether exact flow goes along.
    """
    (folder / "depth").mkdir(parents=True)
    cameras = path(frames, size=size, step=step)
    large = (size[0] * still_scale, size[1] * still_scale)
    pixels = render(scale_camera(cameras[still_index], size, large), large, scene=scene, samples=2)[
        0
    ]
    write_png16(folder / "still.png", pixels)
    guides = {"depth": tuple(f"depth/{frame_start + i:04d}.exr" for i in range(frames))}
    if with_flow:
        (folder / "flow").mkdir()
        guides["flow"] = tuple(f"flow/{frame_start + i:04d}.exr" for i in range(frames))
    for index, camera in enumerate(cameras):
        depth = render(camera, size, scene=scene)[1]
        media.write_depth(folder / guides["depth"][index], depth)
        if with_flow:
            before = cameras[index - 1] if index else None
            after = cameras[index + 1] if index + 1 < frames else None
            write_exr(
                folder / guides["flow"][index],
                static_flow(camera, depth, before, after),
                media.FLOW_NAMES,
            )
    shot = Shot(
        name=f"analytic {scene}",
        size=size,
        fps=24.0,
        frame_start=frame_start,
        stills=(Still("still.png", still_index),),
        cameras=cameras,
        guides=guides,
    )
    write_shot(shot, folder)
    return folder


def slide_near_box(folder: Path, pixels: float, *, nearer_than: float = 3.9) -> list[np.ndarray]:
    """Let what is near move sideways by itself in the flow of a shot, by `pixels` a frame.

    Depth and colours stay as they are: a thing that slides along itself.

    Returns:
        For each frame, (H, W) bool: where it is.
    """
    reader, boxes = ShotReader(folder), []
    for index, name in enumerate(reader.shot.guides["flow"]):
        flow, box = reader.flow(index), reader.depth(index) < nearer_than
        flow[..., 0][box] += pixels
        flow[..., 2][box] -= pixels
        write_exr(folder / name, flow, media.FLOW_NAMES)
        boxes.append(box)
    return boxes


def write_truth(folder: Path, shot: Shot, *, scene: str = "room") -> Path:
    """Write the true frames of an analytic shot as `frames/0001.png`; return `folder`."""
    (folder / "frames").mkdir(parents=True)
    for index, camera in enumerate(shot.cameras):
        pixels = render(camera, shot.size, scene=scene, samples=2)[0]
        content = media.encode_png(media.to_8bit(pixels))
        (folder / "frames" / f"{shot.frame(index):04d}.png").write_bytes(content)
    return folder


def write_png16(file: Path, pixels: np.ndarray) -> None:
    """Write (H, W, 3) display values 0..1 as a 16-bit PNG, with OpenCV."""
    values = np.round(np.clip(pixels, 0, 1) * 65535).astype(np.uint16)
    assert cv2.imwrite(str(file), values[..., ::-1])


def write_exr(
    file: Path, pixels: np.ndarray, names: tuple[str, ...], *, kind: str = "float",
    compression: str = "zip",
) -> None:  # fmt: skip
    """Write (H, W, C) float32 as a one-part EXR with these channel names, with OpenImageIO."""
    height, width = pixels.shape[:2]
    spec = OpenImageIO.ImageSpec(width, height, len(names), kind)
    spec.channelnames = names
    spec["compression"] = compression
    output = OpenImageIO.ImageOutput.create(str(file))
    assert output.open(str(file), spec), output.geterror()
    assert output.write_image(np.ascontiguousarray(pixels)), output.geterror()
    assert output.close()


def _cast(
    camera: Camera, size: tuple[int, int], scene: str, offset: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    width, height = size
    u, v = np.meshgrid(np.arange(width) + offset[0], np.arange(height) + offset[1])
    # Rays have length 1 along the view axis, so the distance along them is planar depth.
    local = np.stack(
        [(u - camera.cx) / camera.fl_x, -(v - camera.cy) / camera.fl_y, -np.ones_like(u)], -1
    )
    pose = np.array(camera.transform_matrix)
    rays = local @ pose[:3, :3].T
    origin = pose[:3, 3]
    depth = np.full(u.shape, np.inf)
    colors = np.zeros((*u.shape, 3))
    for number, hit in enumerate(SCENES[scene]):
        distance = hit(origin, rays)
        nearer = distance < depth
        depth = np.where(nearer, distance, depth)
        point = origin + rays * np.where(nearer, distance, 0.0)[..., None]
        colors = np.where(nearer[..., None], _color(point, number), colors)
    sky = np.stack([0.5 + 0.2 * rays[..., 1], 0.7 + 0.1 * rays[..., 0], np.full(u.shape, 0.9)], -1)
    return np.where(np.isfinite(depth)[..., None], colors, np.clip(sky, 0, 1)), depth


def _color(point: np.ndarray, number: int) -> np.ndarray:
    """Return smooth colours between 0.1 and 0.9 that differ from surface to surface."""
    x, y, z = np.moveaxis(point, -1, 0)
    waves = [
        np.sin(5.0 * x + 3.0 * z + number) * np.cos(4.0 * y - 2.0 * z + 2 * number),
        np.sin(9.0 * y + 2.0 * x + 3 * number) * np.cos(3.0 * z + number),
        np.sin(4.0 * z - 6.0 * x + 5 * number) * np.cos(7.0 * y + 1.5 * number),
    ]
    return 0.5 + 0.4 * np.stack(waves, -1)


def _slabs(low: tuple[float, ...], high: tuple[float, ...], *, inside: bool):
    """Return the distance to an axis-aligned box, from outside or to its inner walls."""

    def hit(origin: np.ndarray, rays: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            first = (np.array(low) - origin) / rays
            second = (np.array(high) - origin) / rays
        near = np.fmax.reduce(np.fmin(first, second), axis=-1)
        far = np.fmin.reduce(np.fmax(first, second), axis=-1)
        if inside:
            return far
        return np.where((near <= far) & (near > 0), near, np.inf)

    return hit


def _ball(center: tuple[float, ...], radius: float):
    def hit(origin: np.ndarray, rays: np.ndarray) -> np.ndarray:
        to = origin - np.array(center)
        a = (rays**2).sum(-1)
        b = rays @ to
        under = b**2 - a * (to @ to - radius**2)
        near = (-b - np.sqrt(np.maximum(under, 0))) / a
        return np.where((under > 0) & (near > 0), near, np.inf)

    return hit


SCENES = {
    "room": (
        _slabs((-2.5, -1.3, -6.0), (2.5, 1.5, 1.5), inside=True),
        _slabs((-1.3, -1.3, -4.2), (-0.5, 0.2, -3.4), inside=False),
        _slabs((0.3, -1.3, -3.2), (0.9, -0.2, -2.6), inside=False),
        _ball((0.1, 0.5, -3.8), 0.35),
    ),
    "planes": (
        _slabs((-3.0, -2.0, -5.1), (3.0, 0.7, -5.0), inside=False),
        _slabs((-0.4, -0.5, -2.51), (0.5, 0.4, -2.5), inside=False),
    ),
}
