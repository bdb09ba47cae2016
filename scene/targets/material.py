"""A material that shines with a take's pictures: what textures, planes and projections share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bpy
from bpy.types import Material, NodeTree, Scene, ShaderNode

from ...backend.take import Take
from ..color import picture_space
from .image import load_sequence, picture_kind, show_frames
from .landed import color_notes, timing_notes

BORDER_PIXELS = 2
"""How far a picture goes on beyond its border, as it is there: the filter of a render's outermost
pixels reaches a little out of the view."""


@dataclass(frozen=True, slots=True)
class TakeMaterial:
    """A new material.

    Attributes:
        material: The material: an Image Texture that feeds an Emission.
        texture: The Image Texture node; its Vector is free.
        emission: The Emission node; its Strength is free.
    """

    material: Material
    texture: ShaderNode
    emission: ShaderNode

    @property
    def tree(self) -> NodeTree:
        """The material's nodes."""
        return self.material.node_tree


def new_material(scene: Scene, folder: Path, take: Take) -> TakeMaterial:
    """Make a material that shows the take as it was made when `scene` is rendered.

    Emission, because light and shadow are in the pictures already.

    Raises:
        TakeError: a frame of the take is missing; nothing was changed.
        TargetError: Blender cannot count the take's frames; nothing was changed.
    """
    image = load_sequence(
        folder,
        take,
        kind=picture_kind(take),
        color_space=picture_space(scene, take),
        name=f"{folder.name} frames",
    )
    material = bpy.data.materials.new(folder.name)
    material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    texture = tree.nodes.new("ShaderNodeTexImage")
    texture.image = image
    show_frames(texture.image_user, take)
    texture.location = (-300, 0)
    emission = tree.nodes.new("ShaderNodeEmission")
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    output.location = (200, 0)
    tree.links.new(texture.outputs["Color"], emission.inputs["Color"])
    tree.links.new(emission.outputs["Emission"], output.inputs["Surface"])
    return TakeMaterial(material, texture, emission)


def picture_notes(scene: Scene, take: Take) -> tuple[str, ...]:
    """Return what keeps a take in a material of `scene` from looking as it was made."""
    return (*color_notes(scene, scene, take), *_film_notes(scene), *timing_notes(scene, take))


def _film_notes(scene: Scene) -> tuple[str, ...]:
    """Return what to know where Cycles makes all that it renders brighter or darker."""
    film = scene.cycles.film_exposure if scene.render.engine == "CYCLES" else 1.0
    if film == 1:
        return ()
    # A film that gets no light shows no take at any strength.
    strength = f", or the Strength of the material's Emission to {1 / film:g}" if film else ""
    return (
        f"“{scene.name}” renders all light {film:g} times as bright (Render properties > Film >"
        f" Exposure), the take too; set that to 1{strength}.",
    )
