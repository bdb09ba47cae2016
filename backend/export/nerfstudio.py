"""A shot or a take as a dataset that nerfstudio's own `nerfstudio-data` reader takes.

    transforms.json     cameras, one entry a picture
    images/0001.png     8-bit sRGB
    depth/0001.png      16-bit millimetres along the axis, 0 = unknown (or .npy, float32)
    masks/0001.png      255 = to train on; where asked for
    points.ply          coloured points from the depth

The cameras' convention is the shot's own: camera-to-world, OpenGL axes, metres, pixel corners on
whole numbers. Sources: nerfstudio, docs/quickstart/data_conventions.md and
`nerfstudio_dataparser.py` (depth and masks for every picture or for none).
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import media
from ..marks import add_mark, read_mark, software
from ..png import read_header
from ..take import Take
from .depths import NONE, UNIT, DepthFiles
from .disclosure import disclosure, source_type
from .points import Points
from .views import View

SEEN = "seen"
MASKS = (NONE, SEEN)
TRANSFORMS_FILE, POINTS_FILE = "transforms.json", "points.ply"
_RGB = 2  # PNG's colour type
_HEADER_BYTES = 64  # more than a PNG needs to say it


@dataclass(frozen=True, slots=True)
class DatasetSettings:
    """What a dataset has beside pictures and cameras.

    Attributes:
        depth: "png", "npy" or "none".
        masks: "none", or "seen": only pixels that a still shows are to be trained on.
        points: Whether a point cloud goes along.
    """

    depth: str = "png"
    masks: str = NONE
    points: bool = True


class DatasetWriter:
    """Writes pictures one by one and `transforms.json` last."""

    def __init__(self, views: list[View], settings: DatasetSettings, take: Take | None) -> None:
        self._views = views
        self._take = take
        known = sum(view.depth is not None for view in views)
        self._depth = (
            DepthFiles(settings.depth, views[0].size) if known and settings.depth != NONE else None
        )
        self._no_depth = not known and (settings.depth != NONE or settings.points)
        self._suffix = settings.depth
        self._points = Points(known) if settings.points else None
        self._masks = settings.masks == SEEN and views[0].generated is not None
        self._no_masks = settings.masks == SEEN and not self._masks
        self._empty_masks = 0
        self._frames: list[dict[str, object]] = []

    def add(self, folder: Path, view: View) -> None:
        """Write the files of a picture."""
        image = media.to_8bit(view.pixels())
        size = image.shape[1], image.shape[0]
        camera = view.camera_for(size)
        name = f"{view.name}.png"
        entry: dict[str, object] = {"file_path": f"images/{name}"}
        _write_image(_file(folder, "images", name), view.file, image)
        depth = view.depth() if view.depth and (self._depth or self._points) else None
        if self._depth is not None:
            entry["depth_file_path"] = f"depth/{view.name}.{self._suffix}"
            file = _file(folder, "depth", f"{view.name}.{self._suffix}")
            file.write_bytes(self._depth.encode(depth))
        if self._masks:
            entry["mask_path"] = f"masks/{name}"
            mask = np.where(view.generated() == 0, 255, 0).astype(np.uint8)
            self._empty_masks += not mask.any()
            _file(folder, "masks", name).write_bytes(media.encode_mask(mask))
        if self._points is not None and depth is not None:
            self._points.add(depth, image, view.camera)
        self._frames.append(entry | {"w": size[0], "h": size[1]} | camera.to_json())

    def finish(self, folder: Path) -> None:
        """Write the point cloud and `transforms.json`."""
        content: dict[str, object] = {"camera_model": "OPENCV"}
        content |= dict.fromkeys(("k1", "k2", "p1", "p2"), 0.0)
        points = self._points.encode(self._comment()) if self._points is not None else None
        if points is not None:
            (folder / POINTS_FILE).write_bytes(points)
            content["ply_file_path"] = POINTS_FILE
        if len(self._views) == 1:
            # nerfstudio's own split would leave nothing to evaluate on, and stop.
            only = [self._frames[0]["file_path"]]
            content |= {f"{split}_filenames": only for split in ("train", "val", "test")}
        content["depthshot"] = self._origin()
        content["frames"] = self._frames
        text = json.dumps(content, indent=1, allow_nan=False) + "\n"
        (folder / TRANSFORMS_FILE).write_text(text, encoding="utf-8")

    def warnings(self) -> list[str]:
        """Return what to know about the dataset, a sentence each."""
        said = self._depth.warnings() if self._depth is not None else []
        if self._no_depth:
            said.append(
                "The depth of these pictures is not known, so the dataset has none and no points;"
                " give the take's shot for it."
            )
        if self._no_masks:
            said.append("A still has no generated pixels, so there are no masks.")
        if self._empty_masks:
            said.append(
                f"In {self._empty_masks} pictures every pixel is generated, so their masks leave"
                " nothing to train on."
            )
        positions = {
            tuple(row[3] for row in view.camera.transform_matrix[:3]) for view in self._views
        }
        if len(positions) == 1:
            said.append(
                "All pictures are seen from one place, by which nerfstudio cannot scale the scene;"
                " train with --auto-scale-poses False."
            )
        return said

    def _comment(self) -> str:
        return f"Exported with {software()}" if self._take is None else disclosure(self._take)

    def _origin(self) -> dict[str, object]:
        origin: dict[str, object] = {"comment": self._comment()}
        if self._take is not None:
            origin |= {
                "digital_source_type": source_type(self._take),
                "model": f"{self._take.model} {self._take.revision}",
                "seed": self._take.seed,
                "shot_sha256": self._take.shot_sha256,
                "fps": self._take.fps,
                "frame_start": self._take.frame_start,
            }
        if self._depth is not None:
            origin["depth"] = {"metres_per_unit": UNIT, "unknown": 0, "along": "axis"}
        return origin


def _file(folder: Path, kind: str, name: str) -> Path:
    (folder / kind).mkdir(exist_ok=True)
    return folder / kind / name


def _write_image(path: Path, file: Path, image: np.ndarray) -> None:
    """Write a picture: the file itself where it is plain 8-bit RGB, else its pixels as that."""
    with file.open("rb") as stream:
        header = read_header(stream.read(_HEADER_BYTES), place=file.name)
    if (header.bits, header.color) == (8, _RGB):
        shutil.copyfile(file, path)
        return
    path.write_bytes(media.encode_png(image))
    mark = read_mark(file)
    if mark is not None:
        add_mark(path, mark)
