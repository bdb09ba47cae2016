"""Reads a dataset by nerfstudio's own rules, with Pillow and OpenCV as nerfstudio does.

Nothing here is Depthshot's: the rules are those of `nerfstudio_dataparser.py` (which fields, that
frames are sorted by file name, that depth and masks are there for every frame or for none),
`data_utils.py` (how depth and masks are decoded) and docs/quickstart/data_conventions.md (camera
axes: +X right, +Y up, +Z back; intrinsics in pixels, corners on whole numbers).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Frame:
    name: str
    image: np.ndarray
    depth: np.ndarray | None
    mask: np.ndarray | None
    intrinsics: tuple[float, float, float, float]
    pose: np.ndarray


def read_dataset(folder: Path) -> list[Frame]:
    meta = json.loads((folder / "transforms.json").read_text())
    assert meta["camera_model"] in ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE")
    assert all(meta[name] == 0 for name in ("k1", "k2", "p1", "p2"))
    entries = sorted(meta["frames"], key=lambda entry: folder / entry["file_path"])
    for name in ("depth_file_path", "mask_path"):
        assert sum(name in entry for entry in entries) in (0, len(entries))
    for split in ("train", "val", "test"):
        if f"{split}_filenames" in meta:
            assert set(meta[f"{split}_filenames"]) <= {entry["file_path"] for entry in entries}
    return [read_frame(folder, entry) for entry in entries]


def read_frame(folder: Path, entry: dict) -> Frame:
    height, width = entry["h"], entry["w"]
    image = np.array(Image.open(folder / entry["file_path"]), dtype="uint8")
    assert image.shape == (height, width, 3)
    depth = mask = None
    if "depth_file_path" in entry:
        path = folder / entry["depth_file_path"]
        if path.suffix == ".npy":
            depth = np.load(path) * 1e-3
        else:
            depth = cv2.imread(str(path), cv2.IMREAD_ANYDEPTH).astype(np.float64) * 1e-3
        depth = cv2.resize(depth, (width, height), interpolation=cv2.INTER_NEAREST)
    if "mask_path" in entry:
        mask = np.array(Image.open(folder / entry["mask_path"]))
        assert mask.shape == (height, width)  # one channel
        mask = mask.astype(bool)
    intrinsics = tuple(float(entry[name]) for name in ("fl_x", "fl_y", "cx", "cy"))
    return Frame(
        entry["file_path"], image, depth, mask, intrinsics, np.array(entry["transform_matrix"])
    )


def world_points(frame: Frame) -> np.ndarray:
    """Return (H, W, 3): where the surface of each pixel is; depth 0 gives the camera's place."""
    fx, fy, cx, cy = frame.intrinsics
    height, width = frame.depth.shape
    u, v = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    rays = np.stack([(u - cx) / fx, -(v - cy) / fy, -np.ones_like(u)], -1)
    local = rays * frame.depth[..., None]  # depth along the axis
    return local @ frame.pose[:3, :3].T + frame.pose[:3, 3]


def seen_at(frame: Frame, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels (..., 2) and depth (...) of world points."""
    fx, fy, cx, cy = frame.intrinsics
    local = (points - frame.pose[:3, 3]) @ frame.pose[:3, :3]
    depth = -local[..., 2]
    return np.stack([fx * local[..., 0] / depth + cx, fy * -local[..., 1] / depth + cy], -1), depth


def read_ply(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return positions (N, 3) and colours (N, 3) of a binary PLY file, by its own header."""
    data = path.read_bytes()
    head, _, body = data.partition(b"end_header\n")
    lines = [line.split() for line in head.decode("ascii").splitlines()]
    assert lines[:2] == [["ply"], ["format", "binary_little_endian", "1.0"]]
    (count,) = [int(line[2]) for line in lines if line[:2] == ["element", "vertex"]]
    kinds = {"float": "<f4", "uchar": "u1"}
    fields = [(line[2], kinds[line[1]]) for line in lines if line[0] == "property"]
    points = np.frombuffer(body, fields)
    assert len(points) == count
    return tuple(
        np.stack([points[name] for name in names], -1)
        for names in (("x", "y", "z"), ("red", "green", "blue"))
    )
