"""A small scene with a compositor, takes with masks of their own, and renders through it."""

import bpy
from bl_ext.devrepo.depthshot.scene import compat

from tests.blender import exr_pixels, shots, takes
from tests.blender.looks import look

SIZE = (32, 18)


def furnish(scene):
    """Makes a tiny scene with a plane, whose view shows colours as they are."""
    shots.small(scene, SIZE)
    look(scene, "Standard")
    shots.add_camera(scene)
    shots.add_plane(scene, half=1.5)
    bpy.data.lights.new("Sun", "SUN").energy = 3
    shots.add(scene, "Sun", bpy.data.lights["Sun"])
    return scene


def make_take(folder, frames, **options):
    """Writes a take whose masks are pictures of their own; returns them and its record."""
    take = takes.make_take(folder, frames, **options)
    masks = takes.noise(len(frames), size=take.size, seed=99)
    for index, mask in enumerate(masks):
        mask[..., 1:] = mask[..., :1]
        name = f"{take.frame_start + index:04d}.png"
        (folder / "mask" / name).write_bytes(takes.png(mask))
    return take, masks


def node_of(scene):
    """The one node of a take in the scene's compositor."""
    (node,) = [node for node in compat.compositor_tree(scene).nodes if node.type == "GROUP"]
    return node


def output(scene):
    """The socket that the scene's picture comes from."""
    kinds = ("CompositorNodeComposite", "NodeGroupOutput")
    (end,) = [node for node in compat.compositor_tree(scene).nodes if node.bl_idname in kinds]
    return end.inputs[0]


def show(scene, name):
    """Makes an output of the take's node the scene's picture."""
    compat.compositor_tree(scene).links.new(node_of(scene).outputs[name], output(scene))


def depth_through(scene, node, folder):
    """Renders; returns the values of the node's depth, (H, W)."""
    tree = compat.compositor_tree(scene)
    compat.write_channel(tree, node.outputs["Depth"], str(folder / "depth"))
    takes.render(scene, folder / "r.png", 1)
    (path,) = (folder / "depth").glob("*.exr")
    channels = exr_pixels.read(path)
    return channels["R"] if "R" in channels else next(iter(channels.values()))


def artist_tree(scene):
    """Gives the scene a compositor that changes its picture."""
    tree = compat.pass_through(scene)
    layers = next(node for node in tree.nodes if node.bl_idname == compat.RENDER_LAYERS)
    inverted = tree.nodes.new("CompositorNodeInvert")
    tree.links.new(layers.outputs["Image"], inverted.inputs["Color"])
    tree.links.new(inverted.outputs[0], output(scene))
    tree.nodes.active = inverted
    return tree


def settings(scene):
    """The plain values of everything that a scene renders with, and what else there is."""
    blocks = [scene, scene.render, scene.render.image_settings, scene.view_settings, scene.cycles]
    values = [
        (prop.identifier, repr(getattr(block, prop.identifier)))
        for block in [*blocks, *scene.view_layers, *scene.objects]
        for prop in block.bl_rna.properties
        if prop.type in ("BOOLEAN", "INT", "FLOAT", "STRING", "ENUM")
    ]
    kinds = ("objects", "materials", "worlds", "scenes", "actions", "texts", "movieclips")
    names = {kind: [block.name for block in getattr(bpy.data, kind)] for kind in kinds}
    selected = [thing.name for thing in scene.objects if thing.select_get()]
    return values, names, selected, bpy.context.view_layer.objects.active


def wiring(tree):
    """What an artist sees of a tree, apart from the take's node."""
    own = {node.name for node in tree.nodes if node.type == "GROUP"}
    nodes = {
        node.name: (node.location[:], node.select, node.mute, node.bl_idname)
        for node in tree.nodes
        if node.name not in own
    }
    links = [
        (link.from_node.name, link.from_socket.identifier, link.to_node.name)
        for link in tree.links
        if link.to_node.name not in own
    ]
    return nodes, links, tree.nodes.active.name
