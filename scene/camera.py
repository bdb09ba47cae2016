"""Turns what Blender says about a camera into a `wire.Camera`.

The facts are read in the second Blender, frame by frame, with everything evaluated; the formula
stands here, once, and needs no Blender.

Formula: Blender's BKE_camera_params_compute_viewplane, for the size that is really rendered:

    horizontal  = fit is HORIZONTAL, or AUTO and W * ax >= H * ay
    sensor      = sensor_height if fit is VERTICAL else sensor_width
    span        = W * ax if horizontal else H * ay
    f           = lens / sensor * span
    fl_x, fl_y  = f / ax, f / ay
    cx, cy      = W / 2 - shift_x * span / ax, H / 2 + shift_y * span / ay

with ax, ay the pixel aspect, pixels y down and pixel centres at +0.5. Cycles and Blender ignore a
camera's scale by normalising the columns of its world matrix; so does this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from ..backend.errors import CaptureError
from ..backend.wire import RIGID_TOLERANCE, Camera

_TYPE_NAMES = {"ORTHO": "orthographic", "PANO": "panoramic", "CUSTOM": "custom"}


@dataclass(frozen=True, slots=True)
class Picture:
    """The raster that cameras look through.

    Attributes:
        width, height: pixels really rendered, W and H of the formula.
        aspect_x, aspect_y: pixel aspect.
        unit_scale: metres in one Blender unit.
    """

    width: int
    height: int
    aspect_x: float
    aspect_y: float
    unit_scale: float


@dataclass(frozen=True, slots=True)
class CameraFacts:
    """One evaluated camera at one frame, as Blender names things.

    Attributes:
        frame: Blender frame.
        name: the camera object's name, for messages.
        type: 'PERSP', 'ORTHO', 'PANO' or 'CUSTOM'.
        lens: focal length in the unit of the sensor (millimetres).
        sensor_fit: 'AUTO', 'HORIZONTAL' or 'VERTICAL'.
        sensor_width, sensor_height: millimetres.
        shift_x, shift_y: in units of the span.
        matrix_world: four rows of four, camera to world, Blender units, scale still in it.
    """

    frame: int
    name: str
    type: str
    lens: float
    sensor_fit: str
    sensor_width: float
    sensor_height: float
    shift_x: float
    shift_y: float
    matrix_world: tuple[tuple[float, ...], ...]

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> CameraFacts:
        """Read the facts as the second Blender writes them."""
        values = {field.name: value[field.name] for field in fields(cls)}
        values["matrix_world"] = tuple(tuple(row) for row in value["matrix_world"])
        return cls(**values)


def picture_size(render: object) -> tuple[int, int]:
    """Return the size that Blender renders for its `RenderSettings`, rounded down as it does."""
    percentage = render.resolution_percentage
    return render.resolution_x * percentage // 100, render.resolution_y * percentage // 100


def check_perspective(name: str, kind: str, *, frame: int) -> None:
    """Refuse a camera of another type.

    Args:
        name: The camera object's name.
        kind: Its type, as Blender names it.
        frame: The frame at which it has that type.

    Raises:
        CaptureError: it is no perspective camera.
    """
    if kind != "PERSP":
        raise CaptureError(
            f"Camera '{name}' is {_TYPE_NAMES.get(kind, kind.lower())} at frame {frame}; Depthshot"
            " needs a perspective camera (Camera properties > Lens > Type)."
        )


def wire_camera(facts: CameraFacts, picture: Picture) -> Camera:
    """Return the camera in the shot's convention: pixels of the picture, metres, rigid.

    Raises:
        CaptureError: the camera is no perspective camera, or its matrix is sheared, mirrored or
            flat; the message names camera and frame.
    """
    check_perspective(facts.name, facts.type, frame=facts.frame)
    horizontal = facts.sensor_fit == "HORIZONTAL" or (
        facts.sensor_fit == "AUTO"
        and picture.width * picture.aspect_x >= picture.height * picture.aspect_y
    )
    sensor = facts.sensor_height if facts.sensor_fit == "VERTICAL" else facts.sensor_width
    span = picture.width * picture.aspect_x if horizontal else picture.height * picture.aspect_y
    focal = facts.lens / sensor * span
    return Camera(
        fl_x=focal / picture.aspect_x,
        fl_y=focal / picture.aspect_y,
        cx=picture.width / 2 - facts.shift_x * span / picture.aspect_x,
        cy=picture.height / 2 + facts.shift_y * span / picture.aspect_y,
        transform_matrix=_rigid(facts, unit_scale=picture.unit_scale),
    )


def _rigid(facts: CameraFacts, *, unit_scale: float) -> tuple[tuple[float, ...], ...]:
    matrix = np.array(facts.matrix_world, dtype=np.float64)
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    place = f"Camera '{facts.name}' at frame {facts.frame}"
    if not np.isfinite(matrix).all() or not (lengths > 0).all():
        raise CaptureError(f"{place} has a scale of zero; give it and its parents a scale of 1.")
    rotation = matrix[:3, :3] / lengths
    if np.abs(rotation @ rotation.T - np.eye(3)).max() >= RIGID_TOLERANCE:
        raise CaptureError(
            f"{place} is sheared by a parent with uneven scale; apply the parents' scale"
            " (Ctrl A > Scale)."
        )
    if np.linalg.det(rotation) < 0:
        raise CaptureError(
            f"{place} is mirrored by a negative scale; make the scale of the camera and its"
            " parents positive."
        )
    moved = matrix[:3, 3] * unit_scale
    rows = np.column_stack([rotation, moved]).tolist()
    return (*(tuple(row) for row in rows), (0.0, 0.0, 0.0, 1.0))
