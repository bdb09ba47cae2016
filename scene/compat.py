"""What differs between Blender versions, each difference in one place.

Also loaded by path in the second Blender (`capture_child`), so it needs bpy and the standard
library alone and imports nothing of the extension.
"""

from __future__ import annotations

import bpy

FILE_OUTPUT = "CompositorNodeOutputFile"
RENDER_LAYERS = "CompositorNodeRLayers"
COMPOSITOR_IMAGE = "CompositorNodeImage"
# For a linear format an override is about its linear space, not about the display's.
_LINEAR = {"OPEN_EXR", "OPEN_EXR_MULTILAYER", "HDR"}
# Options of a path property that may begin with "//". From 4.5 on Blender wants to be told, before
# that it does not know the word.
RELATIVE_PATH = {"PATH_SUPPORTS_BLEND_RELATIVE"} if bpy.app.version >= (4, 5) else set()

# Fields of a .blend file, (struct, field), that no picture depends on in this version: in Blender 5
# a scene composites where it has a node group for that, and the old switch is set at times.
UNUSED_FIELDS = frozenset({("Scene", "use_nodes")} if bpy.app.version >= (5, 0) else ())


def strips(editor: bpy.types.SequenceEditor) -> bpy.types.bpy_prop_collection:
    """Return the top-level strips; they were called sequences up to Blender 4.4."""
    return editor.strips if hasattr(editor, "strips") else editor.sequences


def literal_path(path: str) -> str:
    """Return an output path in which braces mean themselves; templates since 4.5."""
    if bpy.app.version < (4, 5):
        return path
    return path.replace("{", "{{").replace("}", "}}")


def compositor_tree(scene: bpy.types.Scene) -> bpy.types.NodeTree | None:
    """Return the scene's compositor node tree, or None where there is none."""
    if hasattr(scene, "compositing_node_group"):
        return scene.compositing_node_group
    return scene.node_tree if scene.use_nodes else None


def use_png16(settings: bpy.types.ImageFormatSettings) -> None:
    """Make the output a 16-bit RGB PNG; a view transform of its own is kept."""
    linear = settings.file_format in _LINEAR
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format = "PNG"
    settings.color_mode = "RGB"
    settings.color_depth = "16"
    if linear:
        settings.color_management = "FOLLOW_SCENE"


def output_display(scene: bpy.types.Scene) -> str:
    """Return the display device that rendered pictures are encoded for (see `use_png16`)."""
    own = overrides_color(scene)
    return (scene.render.image_settings if own else scene).display_settings.display_device


def overrides_color(scene: bpy.types.Scene) -> bool:
    """Return whether rendered pictures have other color management than the scene's own."""
    settings = scene.render.image_settings
    return settings.color_management == "OVERRIDE" and settings.file_format not in _LINEAR


def has_white_balance(view: bpy.types.ColorManagedViewSettings) -> bool:
    """Return whether a view balances white, which came with Blender 4.3."""
    return getattr(view, "use_white_balance", False)


def drop_white_balance(view: bpy.types.ColorManagedViewSettings) -> None:
    """Let a view leave white as it is."""
    if hasattr(view, "use_white_balance"):
        view.use_white_balance = False


def use_multilayer_exr(settings: bpy.types.ImageFormatSettings) -> None:
    """Make the output one float32 multilayer EXR with every pass in one part."""
    if hasattr(settings, "media_type"):
        settings.media_type = "MULTI_LAYER_IMAGE"
    settings.file_format = "OPEN_EXR_MULTILAYER"
    settings.color_depth = "32"
    settings.exr_codec = "ZIP"
    # Blender 5 writes one part a pass by default, and 5.0 then fails unless pixels are square.
    if hasattr(settings, "use_exr_interleave"):
        settings.use_exr_interleave = True


def drop_settings(scene: bpy.types.Scene, name: str) -> None:
    """Remove an add-on's property group from a scene, whether or not the add-on is enabled."""
    if hasattr(scene, "bl_system_properties_get"):
        properties = scene.bl_system_properties_get()
    else:
        properties = scene
    if properties is not None and name in properties:
        del properties[name]


def embedded_tree(block: bpy.types.ID) -> bpy.types.NodeTree | None:
    """Return the node tree that belongs to a material, world, light, texture or scene."""
    if isinstance(block, bpy.types.Scene):
        return compositor_tree(block)
    return getattr(block, "node_tree", None)


def new_compositor(scene: bpy.types.Scene) -> bpy.types.NodeTree:
    """Give the scene an empty compositor in place of the one it has."""
    if hasattr(scene, "compositing_node_group"):
        scene.compositing_node_group = bpy.data.node_groups.new("Depthshot", "CompositorNodeTree")
        return scene.compositing_node_group
    scene.use_nodes = True
    scene.node_tree.nodes.clear()
    return scene.node_tree


def disused_compositor(scene: bpy.types.Scene) -> bpy.types.NodeTree | None:
    """Return the nodes of a compositor that is switched off; since Blender 5 none is."""
    if hasattr(scene, "compositing_node_group"):
        return None
    return None if scene.use_nodes else scene.node_tree


def drop_compositor(scene: bpy.types.Scene) -> None:
    """Take the scene's compositor away; before Blender 5 the nodes stay, switched off."""
    if not hasattr(scene, "compositing_node_group"):
        scene.use_nodes = False
        return
    tree = scene.compositing_node_group
    scene.compositing_node_group = None
    if tree.users == 0:
        bpy.data.node_groups.remove(tree)


def pass_through(scene: bpy.types.Scene) -> bpy.types.NodeTree:
    """Give a scene that has no compositor one that leaves the render as it is."""
    tree = new_compositor(scene)
    layers = tree.nodes.new(RENDER_LAYERS)
    layers.scene = scene
    # Without a compositor, what is saved is the first view layer that is rendered.
    rendered = [layer.name for layer in scene.view_layers if layer.use]
    if rendered:
        layers.layer = rendered[0]
    if hasattr(scene, "compositing_node_group"):
        tree.name = "Compositor Nodes"  # as Blender's own button calls them
        tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
        end = tree.nodes.new("NodeGroupOutput")
    else:
        end = tree.nodes.new("CompositorNodeComposite")
    end.location.x = 2 * layers.width
    tree.links.new(layers.outputs["Image"], end.inputs[0])
    return tree


def passes_through(scene: bpy.types.Scene, tree: bpy.types.NodeTree) -> bool:
    """Return whether a compositor still leaves the render as it is, as `pass_through` made it."""
    rendered = [layer.name for layer in scene.view_layers if layer.use]
    if len(tree.nodes) != 2 or len(tree.links) != 1 or any(node.mute for node in tree.nodes):
        return False
    (link,) = tree.links
    layers, end = link.from_node, link.to_node
    return (
        link.is_valid
        and not link.is_muted
        and layers.bl_idname == RENDER_LAYERS
        and layers.scene == scene
        and layers.layer in rendered[:1]
        and link.from_socket.name == "Image"
        and end.bl_idname in ("CompositorNodeComposite", "NodeGroupOutput")
        and link.to_socket == end.inputs[0]
        and getattr(end, "use_alpha", True)
    )


def even_out_compositor(scene: bpy.types.Scene) -> None:
    """Undo what a compositor leaves behind in a scene that composites with none.

    Nothing shows that, and no script can remove it, so each scene gets it: the settings that Cycles
    looks up in a view layer when a node shows that, which makes them, and before Blender 5 a tree.
    """
    for layer in scene.view_layers:
        getattr(layer, "cycles", None)
    if hasattr(scene, "compositing_node_group") or scene.use_nodes:
        return
    scene.use_nodes = True
    tree = scene.node_tree
    tree.nodes.clear()
    tree.animation_data_clear()
    tree["depthshot"] = 0  # where one was ever set, an empty group of them stays
    for name in list(tree.keys()):
        del tree[name]
    scene.use_nodes = False


def fit_to_render(
    tree: bpy.types.NodeTree, socket: bpy.types.NodeSocket, *, interpolation: str
) -> bpy.types.NodeSocket:
    """Scale a picture to the size of the render, its sides kept in proportion; exact at that size.

    Args:
        tree: The compositor tree or group to work in.
        socket: The picture.
        interpolation: "NEAREST" or "BILINEAR".
    """
    node = tree.nodes.new("CompositorNodeScale")
    if hasattr(node, "space"):
        node.space, node.frame_method = "RENDER_SIZE", "FIT"
        # Since 4.3 or so: older ones take the nearest where there is no choice.
        if hasattr(node, "interpolation"):
            node.interpolation = interpolation
    else:
        node.inputs["Type"].default_value = "Render Size"
        node.inputs["Frame Type"].default_value = "Fit"
        node.inputs["Interpolation"].default_value = interpolation.capitalize()
    tree.links.new(socket, node.inputs["Image"])
    return node.outputs["Image"]


def new_math(tree: bpy.types.NodeTree, operation: str, *inputs: object) -> bpy.types.NodeSocket:
    """Add a compositor math node; inputs are sockets or numbers. Returns its output."""
    old = hasattr(bpy.types, "CompositorNodeMath")
    node = tree.nodes.new("CompositorNodeMath" if old else "ShaderNodeMath")
    node.operation = operation
    for socket, value in zip(node.inputs, inputs, strict=False):
        if isinstance(value, bpy.types.NodeSocket):
            tree.links.new(value, socket)
        else:
            socket.default_value = value
    return node.outputs[0]


def write_channel(tree: bpy.types.NodeTree, socket: bpy.types.NodeSocket, folder: str) -> None:
    """Write one value per pixel as a float32 EXR into `folder` at every render.

    The file's name is Blender's own choice and differs between versions.
    """
    node = tree.nodes.new(FILE_OUTPUT)
    if hasattr(node.format, "media_type"):
        node.format.media_type = "IMAGE"
    node.format.file_format = "OPEN_EXR"
    node.format.color_depth = "32"
    node.format.exr_codec = "ZIP"
    if hasattr(node, "file_output_items"):
        node.directory = literal_path(folder)
        node.file_output_items.new("FLOAT", "Depth")
    else:
        node.base_path = literal_path(folder)
    tree.links.new(socket, node.inputs[0])


def show_in_sequencer(window: bpy.types.Window, scene: bpy.types.Scene) -> None:
    """Let the window's sequencers show a scene; since Blender 5 that is not the window's own."""
    if hasattr(window.workspace, "sequencer_scene"):
        window.workspace.sequencer_scene = scene
    else:
        window.scene = scene


def sequencer_scene(context: bpy.types.Context) -> bpy.types.Scene | None:
    """Return the scene that the sequencer shows; since Blender 5 that is the workspace's choice."""
    if hasattr(context, "sequencer_scene"):
        return context.sequencer_scene
    return context.scene


def nested_strips(editor: bpy.types.SequenceEditor) -> bpy.types.bpy_prop_collection:
    """Return all strips, those inside meta strips too; sequences up to Blender 4.4."""
    return editor.strips_all if hasattr(editor, "strips_all") else editor.sequences_all


def strip_inputs(strip: bpy.types.Strip) -> list[bpy.types.Strip]:
    """Return the strips that an effect strip works on, none for any other strip."""
    return [
        found
        for name in ("input_1", "input_2")
        if (found := getattr(strip, name, None)) is not None
    ]


def weigh_by_alpha(combine: bpy.types.Node) -> None:
    """Have a Z Combine node weigh both pictures by alpha too; an input in later Blenders."""
    if "Use Alpha" in combine.inputs:
        combine.inputs["Use Alpha"].default_value = True
    else:
        combine.use_alpha = True
