"""A take as a material that the shot's camera projects onto the chosen objects, frame by frame.

The position of each surface point in the camera's own coordinates gives its place in the picture,
as in `scene.camera`; values that the camera's lens decides are driven by it. The camera of each
frame belongs to the picture of that frame, so a point keeps its colour while the camera moves, and
other cameras see the picture on the surfaces.
"""

from __future__ import annotations

import json
from pathlib import Path

from bpy.types import Context, NodeSocket, NodeTree, Object, Scene

from ...backend.errors import TargetError
from ...backend.take import Take
from .landed import Landed
from .material import BORDER_PIXELS, TakeMaterial, new_material, picture_notes
from .shot_camera import camera_problem, drive, framing, shape_notes, shot_camera

ID = "PROJECTED"
LABEL = "Projected Material"
HELP = (
    "A material on the mesh objects that are selected when it is asked for: the shot's camera"
    " projects the take onto them at every frame, in place of their own materials, which are kept"
)

NO_OBJECTS = "No mesh object is selected; select those that the take is projected onto"
# A camera that is scaled more unevenly distorts its own coordinates.
_UNEVEN = 1e-4
_NAMED = 3


def selected(context: Context) -> str:
    """Return the names of the selected mesh objects, to be remembered until the take lands."""
    chosen = context.view_layer.objects.selected
    return json.dumps([each.name for each in chosen if each.type == "MESH" and not each.library])


def why_not(context: Context) -> str | None:
    """Return why nothing can be projected from the scene's camera now, None if it can."""
    problem = camera_problem(context.scene)
    if problem is None and selected(context) == "[]":
        return NO_OBJECTS
    return problem


def land(scene: Scene, folder: Path, take: Take, *, place: str = "[]") -> Landed:
    """Project the take in `folder` onto objects.

    Each of an object's material slots shows the new material through the object, so its mesh, and
    other objects that share it, keep the materials they have.

    Args:
        scene: The shot's scene.
        folder: The take's folder.
        take: The take's record.
        place: Names of the objects, from `selected`.

    Raises:
        TakeError: a frame of the take is missing; nothing was changed.
        TargetError: there is no object or no camera, or Blender cannot count the take's frames;
            nothing was changed.
    """
    camera = shot_camera(scene, take)
    scale = camera.matrix_world.to_scale()
    if max(scale) - min(scale) > _UNEVEN * max(scale):
        raise TargetError(
            f"“{camera.name}” is scaled unevenly, which distorts what it projects; apply its scale"
            " (Ctrl A > Scale)."
        )
    names = json.loads(place)
    found = [scene.objects.get(name) for name in names]
    objects = [each for each in found if each and each.type == "MESH" and _has_room(each)]
    if not objects:
        gone = ", ".join(f"“{name}”" for name in names)
        raise TargetError(
            f"None of the objects to project onto ({gone}) can have a material; select others and"
            " use Last Take > Projected Material."
            if names
            else f"{NO_OBJECTS}."
        )
    made = new_material(scene, folder, take)
    made.texture.extension = "EXTEND"
    _project(made, scene, camera, take)
    kept = [each for each in objects if _cover(each, made)]
    return Landed(
        scene=scene.name,
        where=f"material “{made.material.name}” projected onto {_list(objects)}",
        notes=(
            *picture_notes(scene, take),
            *shape_notes(scene, take),
            *_left_out_notes(names, objects),
            *_kept_notes(kept),
        ),
    )


def _project(made: TakeMaterial, scene: Scene, camera: Object, take: Take) -> None:
    """Feed the texture with the place of each point in the camera's picture, 0 to 1."""
    nodes, links = made.tree.nodes, made.tree.links
    point = nodes.new("ShaderNodeTexCoord")
    point.object = camera
    point.label = f"In front of “{camera.name}”"
    split = nodes.new("ShaderNodeSeparateXYZ")
    depth = nodes.new("ShaderNodeMath")
    depth.operation = "MULTIPLY"
    depth.inputs[1].default_value = -1.0
    depth.label = "Depth"
    divide = nodes.new("ShaderNodeVectorMath")
    divide.operation = "DIVIDE"
    divide.label = "At depth 1"
    lens = nodes.new("ShaderNodeMapping")
    lens.label = "Lens and shift"
    seen = nodes.new("ShaderNodeMath")
    seen.operation = "GREATER_THAN"
    seen.inputs[1].default_value = 0.0
    seen.label = "In front of the camera"
    for column, node in enumerate((lens, divide, depth, split, point)):
        node.location = (-520 - 200 * column, 0)
    seen.location = (-300, -320)
    links.new(point.outputs["Object"], split.inputs["Vector"])
    links.new(split.outputs["Z"], depth.inputs[0])
    links.new(point.outputs["Object"], divide.inputs[0])
    links.new(depth.outputs["Value"], divide.inputs[1])
    links.new(divide.outputs["Vector"], lens.inputs["Vector"])
    links.new(lens.outputs["Vector"], made.texture.inputs["Vector"])
    links.new(depth.outputs["Value"], seen.inputs[0])
    inside = _inside(made.tree, lens.outputs["Vector"], take)
    both = nodes.new("ShaderNodeMath")
    both.operation = "MULTIPLY"
    both.label = "Seen by the camera"
    both.location = (-120, -320)
    links.new(seen.outputs["Value"], both.inputs[0])
    links.new(inside, both.inputs[1])
    links.new(both.outputs["Value"], made.emission.inputs["Strength"])
    shape = framing(scene, camera, take)
    data = camera.data
    for index, (axis, share) in enumerate(zip("xy", (shape.wide, shape.high), strict=True)):
        drive(
            lens.inputs["Scale"],
            "default_value",
            index,
            expression=f"lens / (sensor * {share!r})",
            variables={"lens": (data, "lens"), "sensor": (data, shape.sensor)},
        )
        drive(
            lens.inputs["Location"],
            "default_value",
            index,
            expression=f"0.5 - shift / {share!r}",
            variables={"shift": (data, f"shift_{axis}")},
        )


def _inside(tree: NodeTree, place: NodeSocket, take: Take) -> NodeSocket:
    """Return 1 where a place lies in the picture or on its border, else 0.

    Not left to the texture's own clipping, which mixes black into the outermost pixels.
    """
    shares = [side / (side + 2 * BORDER_PIXELS) for side in take.size]
    socket = place
    for column, (operation, other) in enumerate(
        (("SUBTRACT", (0.5, 0.5, 0.0)), ("ABSOLUTE", None), ("MULTIPLY", (*shares, 0.0)))
    ):
        node = tree.nodes.new("ShaderNodeVectorMath")
        node.operation = operation
        node.location = (-1120 + 200 * column, -520)
        tree.links.new(socket, node.inputs[0])
        if other is not None:
            node.inputs[1].default_value = other
        socket = node.outputs["Vector"]
    split = tree.nodes.new("ShaderNodeSeparateXYZ")
    split.location = (-520, -520)
    tree.links.new(socket, split.inputs["Vector"])
    farthest = tree.nodes.new("ShaderNodeMath")
    farthest.operation = "MAXIMUM"
    farthest.location = (-320, -520)
    tree.links.new(split.outputs["X"], farthest.inputs[0])
    tree.links.new(split.outputs["Y"], farthest.inputs[1])
    within = tree.nodes.new("ShaderNodeMath")
    within.operation = "LESS_THAN"
    within.label = "In the picture"
    within.location = (-120, -520)
    within.inputs[1].default_value = 0.5
    tree.links.new(farthest.outputs["Value"], within.inputs[0])
    return within.outputs["Value"]


def _has_room(item: Object) -> bool:
    """Return whether an object can be given a material of its own."""
    if item.library is not None:
        return False
    return bool(item.material_slots) or item.data.library is None


def _cover(item: Object, made: TakeMaterial) -> bool:
    """Show the material on the whole object; return whether it had others that are kept."""
    if not item.material_slots:
        # The slot is the mesh's and stays empty for other objects that share it.
        item.data.materials.append(None)
    had = False
    for slot in item.material_slots:
        if slot.material is not None:
            had = True
            if slot.link == "OBJECT":
                # No mesh holds it, and what has no user is not saved.
                slot.material.use_fake_user = True
        slot.link = "OBJECT"
        slot.material = made.material
    return had


def _list(objects: list[Object]) -> str:
    names = [f"“{each.name}”" for each in objects[:_NAMED]]
    more = len(objects) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def _left_out_notes(names: list[str], objects: list[Object]) -> tuple[str, ...]:
    there = {each.name for each in objects}
    lost = [f"“{name}”" for name in names if name not in there]
    if not lost:
        return ()
    return (f"The take is not on {', '.join(lost)}: gone, linked, or no mesh any more.",)


def _kept_notes(objects: list[Object]) -> tuple[str, ...]:
    if not objects:
        return ()
    return (
        f"The materials of {_list(objects)} are kept: choose Data in place of Object beside each"
        " material slot to have them back.",
    )
