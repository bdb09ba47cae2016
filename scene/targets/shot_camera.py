"""The camera that a take was seen through, and what of it decides where each pixel lies.

The formula is the one of `scene.camera`, per unit of distance and with the picture's shape taken
from the take: the picture is `wide` x `high` times sensor / lens wide and high, and its centre lies
`shift` times sensor / lens beside the axis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bpy.types import ID, Object, Scene, bpy_struct

from ...backend.errors import TargetError
from ...backend.take import Take
from ..camera import picture_size


@dataclass(frozen=True, slots=True)
class Framing:
    """The shape of a picture in units of the camera's span.

    Attributes:
        sensor: Which property of the camera holds the sensor's size along the span.
        wide, high: Width and height of the picture over the span.
    """

    sensor: str
    wide: float
    high: float


def camera_problem(scene: Scene) -> str | None:
    """Return why nothing can follow the scene's camera, None if something can."""
    if scene.library is not None:
        return f"“{scene.name}” is linked from another file; make it local first"
    cameras = _marked(scene) or [scene.camera]
    for camera in cameras:
        if camera is None:
            return f"“{scene.name}” has no camera; choose one in Scene properties > Camera"
        if camera.type != "CAMERA" or camera.data.type != "PERSP":
            return f"“{camera.name}” is no perspective camera; choose another one for the scene"
    return None


def shot_cameras(scene: Scene, take: Take) -> list[Object]:
    """Return the scene's cameras of the take's frames, the first one first.

    Raises:
        TargetError: there is none, or one that no shot can have.
    """
    problem = camera_problem(scene)
    if problem is not None:
        raise TargetError(f"{problem}.")
    markers = sorted(
        (marker for marker in scene.timeline_markers if marker.camera),
        key=lambda marker: marker.frame,
    )
    if not markers:
        return [scene.camera]
    # Before the first marker Blender uses its camera already.
    before = [marker for marker in markers if marker.frame <= take.frame_start]
    last = take.frame_start + take.frames - 1
    during = [marker for marker in markers if take.frame_start < marker.frame <= last]
    first = before[-1] if before else markers[0]
    return list(dict.fromkeys(marker.camera for marker in (first, *during)))


def shot_camera(scene: Scene, take: Take) -> Object:
    """Return the one camera of the take.

    Raises:
        TargetError: there is none, or there are several, or its scale distorts what follows it.
    """
    camera, *others = shot_cameras(scene, take)
    if others:
        names = " and ".join(f"“{each.name}”" for each in (camera, *others))
        raise TargetError(
            f"The take changes cameras ({names}), but this can follow only one; let it land as an"
            " image strip, or make a shot for each camera."
        )
    return camera


def framing(scene: Scene, camera: Object, take: Take) -> Framing:
    """Return the shape of the take's picture in the camera's view."""
    width = take.size[0] * scene.render.pixel_aspect_x
    height = take.size[1] * scene.render.pixel_aspect_y
    fit = camera.data.sensor_fit
    span = width if fit == "HORIZONTAL" or (fit == "AUTO" and width >= height) else height
    sensor = "sensor_height" if fit == "VERTICAL" else "sensor_width"
    return Framing(sensor, width / span, height / span)


def shape_notes(scene: Scene, take: Take) -> tuple[str, ...]:
    """Return what to know when the scene's picture has another shape than the take."""
    width, height = picture_size(scene.render)
    taken_width, taken_height = take.size
    # Sizes are rounded to whole pixels.
    if abs(width * taken_height - height * taken_width) <= max(width, taken_width):
        return ()
    return (
        f"The take is {taken_width} x {taken_height} pixels, but “{scene.name}” renders {width} x"
        f" {height}; another shape shows less or more than the take.",
    )


def drive(
    owner: bpy_struct,
    path: str,
    index: int,
    *,
    expression: str,
    variables: Mapping[str, tuple[ID, str]],
) -> None:
    """Drive a value by others, so that it is right at every frame, whatever is animated.

    Args:
        owner: What has the value.
        path: The property that is driven.
        index: Its component that is driven; -1 when it has but one.
        expression: Arithmetic alone: Blender evaluates that in files whose scripts are blocked.
        variables: For each name in the expression the data-block and the path of its value.
    """
    driver = owner.driver_add(path, index).driver
    for name, (block, data_path) in variables.items():
        variable = driver.variables.new()
        variable.name = name
        target = variable.targets[0]
        # A data-block that is not an object has to be of the kind that is said first.
        target.id_type = _KINDS.get(block.bl_rna.identifier, "OBJECT")
        target.id = block
        target.data_path = data_path
    driver.expression = expression


_KINDS = {"Camera": "CAMERA"}


def _marked(scene: Scene) -> list[Object]:
    return [marker.camera for marker in scene.timeline_markers if marker.camera]
