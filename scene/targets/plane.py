"""A take on a plane that fills the shot's camera's view at every frame.

The plane follows the camera by a constraint that leaves the camera's scale out, as rendering does.
Drivers give it the size of the view at its distance from the camera, which is a property of the
plane: the artist can push it back to let something stand in front of it.
"""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.types import Context, Mesh, Object, Scene

from ...backend.take import Take
from ..leave_out import PLANE
from .landed import Landed
from .material import BORDER_PIXELS, new_material, picture_notes
from .shot_camera import camera_problem, drive, framing, shape_notes, shot_camera

ID = "PLANE"
LABEL = "Camera Plane"
HELP = (
    "A plane in front of the shot's camera that fills its view at every frame, shows the take in"
    " renders and lights nothing"
)

DISTANCE = "distance"
# Far enough beyond where the camera begins to see that rounding cannot cut the plane.
_CLIP_STARTS = 2.0


def why_not(context: Context) -> str | None:
    """Return why no plane can follow the scene's camera now, None if one can."""
    return camera_problem(context.scene)


def land(scene: Scene, folder: Path, take: Take, *, place: str = "") -> Landed:
    """Add a plane with the take in `folder`; nothing that is there is changed.

    It stands at twice the distance at which the camera begins to see, in front of nearly all else.

    Raises:
        TakeError: a frame of the take is missing; nothing was changed.
        TargetError: the scene has no camera to follow, or Blender cannot count the take's frames;
            nothing was changed.
    """
    camera = shot_camera(scene, take)
    made = new_material(scene, folder, take)
    made.texture.extension = "EXTEND"
    mesh = _new_mesh(folder.name, take)
    mesh.materials.append(made.material)
    plane = bpy.data.objects.new(folder.name, mesh)
    plane[PLANE] = take.shot_sha256
    _light_nothing(plane)
    _follow(plane, camera)
    _fill_view(plane, scene, camera, take)
    scene.collection.objects.link(plane)
    return Landed(
        scene=scene.name,
        where=f"plane “{plane.name}” in front of the camera “{camera.name}”",
        notes=(
            *picture_notes(scene, take),
            *shape_notes(scene, take),
            *_focus_notes(plane, camera),
        ),
    )


def _new_mesh(name: str, take: Take) -> Mesh:
    """Return a face along +Z: the picture on one unit around its origin, with a border."""
    mesh = bpy.data.meshes.new(name)
    across, up = (BORDER_PIXELS / side for side in take.size)
    corners = [(-across, -up), (1 + across, -up), (1 + across, 1 + up), (-across, 1 + up)]
    mesh.from_pydata([(x - 0.5, y - 0.5, 0) for x, y in corners], [], [(0, 1, 2, 3)])
    layer = mesh.uv_layers.new(name="UVMap")
    for corner, uv in zip(layer.data, corners, strict=True):
        corner.uv = uv
    return mesh


def _light_nothing(plane: Object) -> None:
    for kind in ("diffuse", "glossy", "transmission", "volume_scatter", "shadow"):
        setattr(plane, f"visible_{kind}", False)
    for kind in ("volume", "sphere", "plane"):
        setattr(plane, f"hide_probe_{kind}", True)


def _follow(plane: Object, camera: Object) -> None:
    constraint = plane.constraints.new("CHILD_OF")
    constraint.name = "Follow the camera"
    constraint.target = camera
    # Else the plane would stay where it is at first, which is at the world's origin.
    constraint.set_inverse_pending = False
    for axis in "xyz":
        setattr(constraint, f"use_scale_{axis}", False)


def _fill_view(plane: Object, scene: Scene, camera: Object, take: Take) -> None:
    lens = camera.data
    nearest = lens.clip_start
    plane[DISTANCE] = min(_CLIP_STARTS * nearest, (nearest + lens.clip_end) / 2)
    plane.id_properties_ui(DISTANCE).update(
        min=1e-4,
        soft_max=lens.clip_end,
        subtype="DISTANCE",
        description="How far the plane is from the camera; it fills the view at any distance",
    )
    shape = framing(scene, camera, take)
    distance = (plane, f'["{DISTANCE}"]')
    span = {
        "distance": distance,
        "sensor": (lens, shape.sensor),
        "lens": (lens, "lens"),
    }
    size = "distance * sensor / lens"
    for index, share in enumerate((shape.wide, shape.high)):
        drive(plane, "scale", index, expression=f"{size} * {share!r}", variables=span)
    for index, axis in enumerate("xy"):
        shift = {**span, "shift": (lens, f"shift_{axis}")}
        drive(plane, "location", index, expression=f"{size} * shift", variables=shift)
    drive(plane, "location", 2, expression="-distance", variables={"distance": distance})


def _focus_notes(plane: Object, camera: Object) -> tuple[str, ...]:
    if not camera.data.dof.use_dof:
        return ()
    return (
        f"“{camera.name}” has depth of field, which blurs the plane unless “{plane.name}” stands in"
        " its focus; set the plane's Distance (Object properties > Custom Properties) to that.",
    )
