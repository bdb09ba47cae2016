"""A take in the compositor: one node with its picture, what of it is generated, and depth.

The take becomes a node group of its own, and one node of it is added to the tree that the scene
has. Nothing there is rewired: the node waits for the artist to link it.

Depth is the take's own where it has one, in the units of Blender's Depth pass, so that the two can
be compared. Else the scene's Depth pass goes through the group: it knows every surface of the
shot, those that no still shows too.
"""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.types import Context, Image, Node, NodeSocket, NodeTree, Scene

from ...backend.errors import TargetError
from ...backend.take import DEPTHS, Take, frame_name
from ..color import picture_space
from ..compat import (
    COMPOSITOR_IMAGE,
    RENDER_LAYERS,
    compositor_tree,
    disused_compositor,
    fit_to_render,
    new_math,
    pass_through,
)
from ..leave_out import GROUP, PASS_THROUGH
from .edit_scene import Place, renders_strips
from .image import Kind, check_files, load_sequence, picture_kind, show_frames
from .landed import Landed, color_notes, timing_notes

ID = "COMPOSITOR"
LABEL = "Compositor Node"
HELP = (
    "A node in this scene's compositor with the take, a mask of what is generated, and depth. It is"
    " linked to nothing: what the scene renders stays as it is"
)

# An input that nothing is linked to: as far as the sky in Blender's own Depth pass.
FAR = 1e10
_OUTPUTS = (
    (
        "Image",
        "NodeSocketColor",
        "The take's frames, scene-linear: the scene's view shows them as they were made",
    ),
    ("Mask", "NodeSocketFloat", "1 where the take is generated, 0 where a still shows the surface"),
    ("Depth", "NodeSocketFloat", "Distance along the camera's view, as in the Depth pass"),
)
_GAP = 80.0  # between the new node and what is there, in the node editor's units
_COLUMN = 200.0  # from node to node inside the group
_ROW = 330.0


def why_not(context: Context) -> str | None:
    """Return why no take can land in this scene's compositor now, None where one can."""
    return _obstacle(context.scene)


def land(scene: Scene, folder: Path, take: Take, *, place: Place = "AUTO") -> Landed:
    """Add a node with the take in `folder` to the scene's compositor.

    Args:
        scene: The shot's scene.
        folder: The take's folder; the group is named after it.
        take: The take's record.
        place: Not used: the compositor is always that of the shot's own scene.

    Raises:
        TakeError: a picture of the take is missing; nothing was changed.
        TargetError: the scene's compositor cannot be changed; nothing was.
    """
    obstacle = _obstacle(scene)
    if obstacle is not None:
        raise TargetError(f"{obstacle}.")
    picture = picture_kind(take)
    kinds: list[Kind] = [picture, "mask", "depth"] if _has_depth(take) else [picture, "mask"]
    for kind in kinds:
        check_files(folder, take, kind=kind)
    images = {
        kind: load_sequence(
            folder,
            take,
            kind=kind,
            color_space=picture_space(scene, take) if kind == picture else "Non-Color",
            name=folder.name if kind == picture else f"{folder.name} {kind}",
        )
        for kind in kinds
    }
    group = _find_group(images) or _new_group(scene, folder.name, take, images)
    tree, notes = _tree(scene)
    node = _add_node(tree, group)
    if "depth" not in images:
        notes += _link_depth(scene, tree, node)
    notes += [
        *color_notes(scene, scene, take),
        *timing_notes(scene, take),
        *_size_notes(scene, take),
    ]
    where = f"the node “{group.name}” in the compositor of “{scene.name}”"
    return Landed(scene.name, where, tuple(notes))


def _obstacle(scene: Scene) -> str | None:
    if scene.library is not None:
        return (
            f"“{scene.name}” is linked from another file, so its compositor cannot be changed; open"
            " that file or make the scene local"
        )
    tree = compositor_tree(scene)
    if tree is not None and tree.library is not None:
        return (
            f"The compositor “{tree.name}” is linked from another file and cannot be changed; make"
            " it local"
        )
    return None


def _has_depth(take: Take) -> bool:
    numbers = range(take.frame_start, take.frame_start + take.frames)
    return all(f"{DEPTHS}/{frame_name(number, '.exr')}" in take.files for number in numbers)


def _tree(scene: Scene) -> tuple[NodeTree, list[str]]:
    """Return the tree that gets the node, a new one where there is none, and what to know of it."""
    name = scene.name
    tree = compositor_tree(scene)
    notes = []
    if tree is None:
        tree = disused_compositor(scene)
        if tree is not None:
            # Its nodes would change the picture, and the artist has put them out of use.
            return tree, [f"The compositor of “{name}” is switched off; turn on its Use Nodes."]
        tree = pass_through(scene)
        tree[PASS_THROUGH] = True
        notes.append(f"“{name}” had no compositor; it has one now that leaves its render as it is.")
        if scene.render.image_settings.file_format == "OPEN_EXR_MULTILAYER":
            notes.append(
                f"The multilayer EXR that “{name}” renders has a layer more, “Composite”, with its"
                " compositor's picture."
            )
    if not scene.render.use_compositing:
        notes.append(
            f"“{name}” renders without its compositor; turn on Output > Post Processing >"
            " Compositing."
        )
    if renders_strips(scene):
        notes.append(
            f"“{name}” renders its strips in place of its compositor; mute them or turn off"
            " Output > Post Processing > Sequencer."
        )
    return tree, notes


def _find_group(images: dict[Kind, Image]) -> NodeTree | None:
    """Return the group that was made of these images before."""
    for group in bpy.data.node_groups:
        if GROUP in group and group.library is None:
            shown = {node.image for node in group.nodes if node.bl_idname == COMPOSITOR_IMAGE}
            if shown == set(images.values()):
                return group
    return None


def _new_group(scene: Scene, name: str, take: Take, images: dict[Kind, Image]) -> NodeTree:
    group = bpy.data.node_groups.new(name, "CompositorNodeTree")
    group[GROUP] = name
    for output, kind, meaning in _OUTPUTS:
        socket = group.interface.new_socket(output, in_out="OUTPUT", socket_type=kind)
        socket.description = meaning
    end = group.nodes.new("NodeGroupOutput")
    results = {}
    for kind, image in images.items():
        # Between two depths there is no surface.
        smooth = "NEAREST" if kind == "depth" else "BILINEAR"
        shown = _sequence(group, take, image)
        results[kind] = fit_to_render(group, shown, interpolation=smooth)
    if "depth" in results:
        # From metres to the units of the scene, which the Depth pass has too.
        depth = new_math(group, "DIVIDE", results["depth"], scene.unit_settings.scale_length)
    else:
        depth = _depth_input(group)
    for index, result in enumerate((results[picture_kind(take)], results["mask"], depth)):
        group.links.new(result, end.inputs[index])
    _lay_out(group)
    return group


def _depth_input(group: NodeTree) -> NodeSocket:
    """Give the group an input for the Depth pass; returns it as seen from inside."""
    socket = group.interface.new_socket("Depth", in_out="INPUT", socket_type="NodeSocketFloat")
    socket.description = (
        "The Depth of a Render Layers node that shows the shot alone, without what is added to it"
    )
    socket.default_value = FAR
    return group.nodes.new("NodeGroupInput").outputs[0]


def _sequence(group: NodeTree, take: Take, image: Image) -> NodeSocket:
    node = group.nodes.new(COMPOSITOR_IMAGE)
    node.image = image
    show_frames(node, take)
    return node.outputs["Image"]


def _lay_out(group: NodeTree) -> None:
    """Place the group's nodes in columns, each left of all that it is linked to."""
    columns = {node.name: 0 for node in group.nodes}
    for _ in group.nodes:
        for link in group.links:
            source, target = link.from_node.name, link.to_node.name
            columns[source] = max(columns[source], columns[target] + 1)
    rows = dict.fromkeys(columns.values(), 0)
    for node in group.nodes:
        column = columns[node.name]
        node.location = (-_COLUMN * column, -_ROW * rows[column])
        rows[column] += 1


def _add_node(tree: NodeTree, group: NodeTree) -> Node:
    """Add a node of the group to the left of all others, where nothing is covered by it."""
    places = [_place(node) for node in tree.nodes]
    active = tree.nodes.active
    node = tree.nodes.new("CompositorNodeGroup")
    node.node_tree = group
    node.select = False
    if active is not None:
        tree.nodes.active = active
    if places:
        left, top = min(x for x, _ in places), max(y for _, y in places)
        node.location = (left - _GAP - node.width, top)
    return node


def _place(node: Node) -> tuple[float, float]:
    """Return where a node is; its own location counts from the frame that it lies in."""
    x, y = node.location
    while (node := node.parent) is not None:
        x, y = x + node.location.x, y + node.location.y
    return x, y


def _link_depth(scene: Scene, tree: NodeTree, node: Node) -> list[str]:
    """Link the scene's Depth pass to the node where there is no doubt which one."""
    layers = [
        other for other in tree.nodes if other.bl_idname == RENDER_LAYERS and other.scene == scene
    ]
    # A pass that the view layer does not make is not found by its name.
    depth = layers[0].outputs.get("Depth") if len(layers) == 1 else None
    if depth is not None:
        tree.links.new(depth, node.inputs["Depth"])
        return []
    return [
        "To composite by depth, link the Depth of the Render Layers node that shows the shot to the"
        " take's node (View Layer > Passes > Data > Z makes it); until then the take lies behind"
        " everything."
    ]


def _size_notes(scene: Scene, take: Take) -> list[str]:
    render = scene.render
    size = tuple(
        side * render.resolution_percentage // 100
        for side in (render.resolution_x, render.resolution_y)
    )
    if size == take.size:
        return []
    return [
        "The take has {} x {} pixels and “{}” renders {} x {}: the node fits it in.".format(
            *take.size, scene.name, *size
        )
    ]
