"""Renders the guides: view layer, Cycles settings, and depth in metres.

Runs in the second Blender, on the copy: bpy and the standard library alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bpy

from . import compat

VIEW_LAYER = "Depthshot"

# A surface that is at least this opaque counts as hit: leaves cut out by an alpha texture keep
# their holes, and no edge is dithered as it is with Blender's default of 0.5.
ALPHA_THRESHOLD = 0.1

# Where nothing is hit Blender writes 1e10, which a small unit scale could turn into a distance.
NO_HIT = 1e9
STILL_NO_HIT = 1e12


def use_guide_layer(scene: bpy.types.Scene, passes: list[str]) -> None:
    """Render one view layer that shows what any of the artist's layers shows, and `passes` of it.

    Depth is thereby the nearest surface over all layers that the still is made of.
    """
    layers = [layer for layer in scene.view_layers if layer.use]
    union = scene.view_layers.new(VIEW_LAYER)
    for layer in layers:
        layer.use = False
    _show_union(union.layer_collection, [layer.layer_collection for layer in layers])
    overrides = {layer.material_override for layer in layers}
    if len(overrides) == 1:
        union.material_override = overrides.pop()
    union.use = True
    for name in dir(union):
        if name.startswith("use_pass_"):
            setattr(union, name, name in passes)
    union.pass_alpha_threshold = ALPHA_THRESHOLD


def use_guide_settings(scene: bpy.types.Scene) -> None:
    """Set Cycles to one exact ray through every pixel's centre."""
    render, cycles = scene.render, scene.cycles
    render.engine = "CYCLES"
    render.film_transparent = True
    for name in ("use_motion_blur", "use_compositing", "use_freestyle"):
        setattr(render, name, False)
    for name in (
        "use_adaptive_sampling",
        "use_denoising",
        "caustics_reflective",
        "caustics_refractive",
        "use_fast_gi",
        "use_light_tree",
        "use_auto_tile",
    ):
        setattr(cycles, name, False)
    for name in ("max", "diffuse", "glossy", "transmission", "volume"):
        setattr(cycles, f"{name}_bounces", 0)
    cycles.samples = 1
    cycles.time_limit = 0
    cycles.pixel_filter_type = "BLACKMAN_HARRIS"
    cycles.filter_width = 0.01
    cycles.film_exposure = 0  # black colours make small files
    for camera in bpy.data.cameras:
        camera.dof.use_dof = False
    compat.use_multilayer_exr(render.image_settings)


def clear_volumes() -> None:
    """Take fog and smoke away: where a ray scatters in them, Cycles writes no depth."""
    for tree, node in _outputs():
        volume, surface = node.inputs["Volume"], node.inputs["Surface"]
        if not volume.is_linked:
            continue
        for link in list(volume.links):
            tree.links.remove(link)
        if node.bl_idname == "ShaderNodeOutputMaterial" and not surface.is_linked:
            # Without a surface shader what held only a volume would turn solid.
            clear = tree.nodes.new("ShaderNodeBsdfTransparent")
            tree.links.new(clear.outputs[0], surface)
    for thing in bpy.data.objects:
        if thing.type == "VOLUME":
            thing.hide_render = True


def write_metres(scene: bpy.types.Scene, *, unit_scale: float, folder: Path) -> None:
    """Let the compositor write depth times `unit_scale` into `folder` at every render."""
    tree = compat.new_compositor(scene)
    layers = tree.nodes.new("CompositorNodeRLayers")
    layers.scene = scene
    layers.layer = VIEW_LAYER
    depth = layers.outputs["Depth"]
    nothing = compat.new_math(tree, "GREATER_THAN", depth, NO_HIT)
    scaled = compat.new_math(tree, "MULTIPLY", depth, unit_scale)
    metres = compat.new_math(tree, "MULTIPLY_ADD", nothing, STILL_NO_HIT, scaled)
    compat.write_channel(tree, metres, str(folder))
    scene.render.use_compositing = True


def _show_union(
    target: bpy.types.LayerCollection, sources: list[bpy.types.LayerCollection]
) -> None:
    """Exclude, hold out and hide from the camera only what every source does."""
    columns = (target.children, *(source.children for source in sources))
    for child, *others in zip(*columns, strict=True):
        shown = [other for other in others if not other.exclude]
        child.exclude = not shown
        if shown:
            child.holdout = all(other.holdout for other in shown)
            child.indirect_only = all(other.indirect_only for other in shown)
        _show_union(child, others)


def _outputs() -> Iterator[tuple[bpy.types.NodeTree, bpy.types.Node]]:
    owners = [*bpy.data.materials, *bpy.data.worlds]
    for tree in [*map(compat.embedded_tree, owners), *bpy.data.node_groups]:
        for node in tree.nodes if tree else ():
            if node.bl_idname in ("ShaderNodeOutputMaterial", "ShaderNodeOutputWorld"):
                yield tree, node
