"""What of earlier takes a capture leaves out: the next take is of the scene and not of them.

Also imported in the second Blender, on whose copy of the file it works: bpy and the standard
library alone.
"""

from __future__ import annotations

import bpy
from bpy.types import Node, NodeTree, Scene

from . import compat

PLANE = "depthshot_plane"
"""The custom property of a plane that shows a take in front of a camera."""
GROUP = "depthshot_take"
"""The custom property of a node group that shows a take in the compositor."""
PASS_THROUGH = "depthshot_pass_through"
"""The custom property of a compositor that was made for takes and leaves the render as it is."""


def leave_out_takes() -> None:
    """Remove takes' planes, and what no render shows: backgrounds, unused materials and images.

    What is unused changes no picture, but each image names files. Without them the scene is the one
    it was before takes landed in it, and a capture of it is used again.
    """
    for item in list(bpy.data.objects):
        if PLANE in item:
            mesh = item.data
            bpy.data.objects.remove(item)
            if mesh.users == 0:
                bpy.data.meshes.remove(mesh)
    for lens in bpy.data.cameras:
        if lens.library is None:
            for background in lens.background_images:
                background.image = None  # clearing alone still counts as a use of it
            lens.background_images.clear()
            lens.show_background_images = False
    # Materials first: they are what uses images.
    for blocks in (bpy.data.materials, bpy.data.images):
        for block in list(blocks):
            if block.library is None and block.users == int(block.use_fake_user):
                blocks.remove(block)


def leave_out_nodes(scene: Scene, tree: NodeTree | None) -> bool:
    """Remove takes' nodes from the scene's compositor, before `leave_out_takes`.

    Where one of them is part of the picture, the compositor's picture is a take's and no still: the
    scene is then rendered without its compositor.

    Returns:
        Whether the scene is rendered without the compositor that it has.
    """
    if tree is None or tree.library is not None:
        return False
    shown = [
        node for node in tree.nodes if node.type == "GROUP" and GROUP in (node.node_tree or ())
    ]
    in_picture = _in_picture(tree)
    without = any(node.name in in_picture for node in shown) and scene.render.use_compositing
    if without:
        scene.render.use_compositing = False
    for node in shown:
        group = node.node_tree
        tree.nodes.remove(node)
        if group.users == 0:
            bpy.data.node_groups.remove(group)
    if PASS_THROUGH in tree and compat.passes_through(scene, tree):
        compat.drop_compositor(scene)
    return without


def _in_picture(tree: NodeTree) -> set[str]:
    """Return the names of the nodes that the tree's result depends on."""
    ends: list[Node] = [
        node
        for node in tree.nodes
        if node.bl_idname in ("CompositorNodeComposite", "NodeGroupOutput")
    ]
    found = {node.name for node in ends}
    while True:
        before = {link.from_node.name for link in tree.links if link.to_node.name in found}
        if before <= found:
            return found
        found |= before
