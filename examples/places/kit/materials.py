"""Procedural materials; each reads UVs in metres and multiplies its colour by `tint`."""

from __future__ import annotations

from typing import Any

import bpy

from .shape import Color


def with_nodes(owner: bpy.types.Material | bpy.types.World) -> None:
    """Give a new material or world its node tree, which it has from the start since 5.0."""
    if owner.node_tree is None:
        owner.use_nodes = True


class Graph:
    """A material being wired: nodes are added in order, sockets are passed as values."""

    def __init__(self, name: str) -> None:
        """Start an empty material with an output and the surface's tint."""
        self.material = bpy.data.materials.new(name)
        with_nodes(self.material)
        self.tree = self.material.node_tree
        self.tree.nodes.clear()
        self.uv = self.node("ShaderNodeUVMap").outputs[0]
        self.tint = self.node("ShaderNodeAttribute", attribute_name="tint").outputs["Color"]

    def node(self, kind: str, inputs: dict | None = None, **properties: Any) -> bpy.types.Node:
        """Add a node; `inputs` maps a socket's name or number to a value or another's output."""
        made = self.tree.nodes.new(kind)
        for key, value in properties.items():
            setattr(made, key, value)
        for key, value in (inputs or {}).items():
            if isinstance(value, bpy.types.NodeSocket):
                self.tree.links.new(value, made.inputs[key])
            elif isinstance(value, tuple) and made.inputs[key].type == "RGBA":
                made.inputs[key].default_value = (*value, 1.0)
            else:
                made.inputs[key].default_value = value
        return made

    def stretch(self, scale: Color) -> bpy.types.NodeSocket:
        """Return the UVs multiplied by `scale`."""
        return self.node(
            "ShaderNodeVectorMath", {0: self.uv, 1: scale}, operation="MULTIPLY"
        ).outputs[0]

    def noise(
        self,
        vector: bpy.types.NodeSocket,
        scale: float,
        *,
        detail: float = 2.0,
        distortion: float = 0.0,
    ) -> bpy.types.NodeSocket:
        """Return fractal noise, about 0.3 to 0.7 and 0.5 on average."""
        return self.node(
            "ShaderNodeTexNoise",
            {
                "Vector": vector,
                "Scale": scale,
                "Detail": detail,
                "Distortion": distortion,
            },
        ).outputs[0]

    def ramp(
        self, value: bpy.types.NodeSocket, *stops: tuple[float, Color]
    ) -> bpy.types.NodeSocket:
        """Return a colour for `value` from (position, colour) stops."""
        made = self.node("ShaderNodeValToRGB", {0: value})
        elements = made.color_ramp.elements
        while len(elements) < len(stops):
            elements.new(1.0)
        for element, (position, color) in zip(elements, stops, strict=True):
            element.position, element.color = position, (*color, 1.0)
        return made.outputs[0]

    def mix(self, factor: Any, a: Any, b: Any, blend: str = "MIX") -> bpy.types.NodeSocket:
        """Return colour `a` mixed with `b`."""
        return self.node(
            "ShaderNodeMix", {0: factor, 6: a, 7: b}, data_type="RGBA", blend_type=blend
        ).outputs[2]

    def math(self, operation: str, a: Any, b: Any = 0.0) -> bpy.types.NodeSocket:
        """Return one arithmetic operation on two values."""
        return self.node("ShaderNodeMath", {0: a, 1: b}, operation=operation).outputs[0]

    def done(
        self,
        color: Any,
        *,
        rough: Any = 0.7,
        metal: float = 0.0,
        height: Any = None,
        depth: float = 0.004,
    ) -> bpy.types.Material:
        """Finish with a Principled surface; `height` 0..1 stands out by `depth` metres."""
        shader = self.node(
            "ShaderNodeBsdfPrincipled",
            {
                "Base Color": self.mix(1.0, self.tint, color, "MULTIPLY"),
                "Roughness": rough,
                "Metallic": metal,
            },
        )
        if height is not None:
            bump = self.node("ShaderNodeBump", {"Height": height, "Distance": depth})
            self.tree.links.new(bump.outputs[0], shader.inputs["Normal"])
        return self.finish(shader)

    def finish(self, shader: bpy.types.Node) -> bpy.types.Material:
        """Link the surface and return the material."""
        self.node("ShaderNodeOutputMaterial", {"Surface": shader.outputs[0]})
        return self.material

    def cells(
        self, width: float, height: float, gap: float, *, offset: float
    ) -> tuple[bpy.types.NodeSocket, bpy.types.NodeSocket]:
        """Lay bricks; return a random value for each brick and 1 where the gap is."""
        made = self.node(
            "ShaderNodeTexBrick",
            {
                "Vector": self.uv,
                "Color1": (0.0, 0.0, 0.0),
                "Color2": (1.0, 1.0, 1.0),
                "Mortar": (0.5, 0.5, 0.5),
                "Scale": 1.0,
                "Mortar Size": gap,
                "Mortar Smooth": 0.3,
                "Brick Width": width,
                "Row Height": height,
            },
            offset=offset,
        )
        return made.outputs["Color"], made.outputs["Fac"]


def brick(name: str = "brick") -> bpy.types.Material:
    """Return a wall of hand-made bricks with sandy mortar and damp stains."""
    g = Graph(name)
    each, gap = g.cells(0.235, 0.078, 0.009, offset=0.5)
    fine = g.noise(g.uv, 38.0, detail=3.0)
    clay = g.ramp(
        each,
        (0.0, (0.22, 0.055, 0.03)),
        (0.3, (0.36, 0.10, 0.05)),
        (0.6, (0.50, 0.18, 0.09)),
        (0.85, (0.56, 0.27, 0.15)),
        (1.0, (0.30, 0.16, 0.12)),
    )
    clay = g.mix(
        1.0, clay, g.ramp(fine, (0.3, (0.5, 0.5, 0.5)), (0.7, (1.25, 1.25, 1.25))), "MULTIPLY"
    )
    wall = g.mix(gap, clay, g.ramp(fine, (0.3, (0.34, 0.29, 0.23)), (0.7, (0.55, 0.49, 0.40))))
    stain = g.noise(g.stretch((0.8, 0.5, 1.0)), 1.3, detail=3.0, distortion=0.6)
    wall = g.mix(
        1.0, wall, g.ramp(stain, (0.34, (0.45, 0.42, 0.38)), (0.52, (1.0, 1.0, 1.0))), "MULTIPLY"
    )
    height = g.math("SUBTRACT", g.math("MULTIPLY", fine, 0.35), gap)
    return g.done(wall, rough=0.85, height=height, depth=0.010)


def planks(
    name: str = "planks",
    *,
    dark: Color = (0.12, 0.05, 0.022),
    light: Color = (0.46, 0.25, 0.11),
    width: float = 0.14,
) -> bpy.types.Material:
    """Return floor boards along u, each of its own tone, with grain."""
    g = Graph(name)
    each, gap = g.cells(1.7, width, 0.004, offset=0.37)
    grain = g.noise(g.stretch((1.2, 22.0, 1.0)), 2.4, detail=3.0, distortion=0.5)
    tone = g.math("ADD", g.math("MULTIPLY", each, 0.45), g.math("MULTIPLY", grain, 0.75))
    color = g.ramp(tone, (0.25, dark), (0.8, light))
    color = g.mix(gap, color, (0.02, 0.012, 0.008))
    return g.done(color, rough=0.45, height=g.math("SUBTRACT", grain, gap), depth=0.003)


def wood(name: str, dark: Color, light: Color, *, rough: float = 0.55) -> bpy.types.Material:
    """Return sawn wood with the grain along u."""
    g = Graph(name)
    grain = g.noise(g.stretch((1.0, 16.0, 1.0)), 3.0, detail=3.0, distortion=0.8)
    color = g.ramp(
        grain,
        (0.32, dark),
        (0.5, tuple((a + b) / 2 for a, b in zip(dark, light, strict=True))),
        (0.66, light),
    )
    return g.done(color, rough=rough, height=grain, depth=0.002)


def plaster(name: str, color: Color, stain: Color) -> bpy.types.Material:
    """Return lime plaster: clouds of tone, splashed dark near the ground, some worn patches."""
    g = Graph(name)
    clouds = g.noise(g.uv, 1.1, detail=4.0, distortion=0.4)
    trowel = g.noise(g.uv, 9.0, detail=3.0)
    wall = g.mix(g.ramp(clouds, (0.42, (0, 0, 0)), (0.62, (1, 1, 1))), color, stain)
    wall = g.mix(
        1.0, wall, g.ramp(trowel, (0.3, (0.82, 0.82, 0.82)), (0.65, (1.06, 1.06, 1.06))), "MULTIPLY"
    )
    up = g.node("ShaderNodeSeparateXYZ", {0: g.uv}).outputs[1]
    damp = g.math("ADD", up, g.math("MULTIPLY", clouds, -1.0))
    wall = g.mix(1.0, wall, g.ramp(damp, (0.0, (0.42, 0.37, 0.30)), (0.35, (1, 1, 1))), "MULTIPLY")
    return g.done(wall, rough=0.9, height=trowel, depth=0.006)


def tiles(name: str, a: Color, b: Color, *, side: float = 0.36) -> bpy.types.Material:
    """Return cement tiles with a ring-and-corner pattern in two colours, unevenly worn."""
    g = Graph(name)
    each, gap = g.cells(side, side, 0.005, offset=0.0)
    scaled = g.stretch((1 / side, 1 / side, 0.0))
    inside = g.node("ShaderNodeVectorMath", {0: scaled}, operation="FRACTION").outputs[0]
    middle = g.node(
        "ShaderNodeVectorMath", {0: inside, 1: (0.5, 0.5, 0.0)}, operation="DISTANCE"
    ).outputs["Value"]
    ring = g.math("COMPARE", middle, 0.36)
    ring.node.inputs[2].default_value = 0.07
    corner = g.math("GREATER_THAN", middle, 0.56)
    dot = g.math("LESS_THAN", middle, 0.11)
    pattern = g.math("MAXIMUM", g.math("MAXIMUM", ring, corner), dot)
    wear = g.noise(g.uv, 2.2, detail=4.0)
    color = g.mix(pattern, a, b)
    color = g.mix(
        1.0, color, g.ramp(each, (0.0, (0.7, 0.68, 0.66)), (1.0, (1.1, 1.08, 1.05))), "MULTIPLY"
    )
    color = g.mix(1.0, color, g.ramp(wear, (0.35, (0.55, 0.5, 0.45)), (0.6, (1, 1, 1))), "MULTIPLY")
    color = g.mix(gap, color, (0.16, 0.13, 0.10))
    rough = g.ramp(wear, (0.35, (0.7, 0.7, 0.7)), (0.65, (0.32, 0.32, 0.32)))
    return g.done(color, rough=rough)


def litter(name: str) -> bpy.types.Material:
    """Return the floor of a wood: earth, fallen leaves of several browns, patches of moss."""
    g = Graph(name)
    leaves = g.node(
        "ShaderNodeTexVoronoi", {"Vector": g.uv, "Scale": 15.0, "Randomness": 1.0}
    ).outputs["Color"]
    each = g.node("ShaderNodeSeparateXYZ", {0: leaves}).outputs[0]
    color = g.ramp(
        each,
        (0.0, (0.05, 0.030, 0.016)),
        (0.4, (0.20, 0.105, 0.045)),
        (0.75, (0.36, 0.20, 0.085)),
        (1.0, (0.14, 0.075, 0.04)),
    )
    fine = g.noise(g.uv, 40.0, detail=2.0)
    color = g.mix(
        1.0, color, g.ramp(fine, (0.3, (0.6, 0.6, 0.6)), (0.7, (1.2, 1.2, 1.2))), "MULTIPLY"
    )
    patch = g.noise(g.uv, 0.9, detail=3.0, distortion=0.5)
    moss = g.ramp(patch, (0.50, (0.0, 0.0, 0.0)), (0.60, (0.8, 0.8, 0.8)))
    return g.done(g.mix(moss, color, (0.09, 0.14, 0.03)), rough=0.95, height=fine, depth=0.01)


def plain(name: str, color: Color, *, rough: float = 0.6, metal: float = 0.0) -> bpy.types.Material:
    """Return paint, metal or glaze with a little unevenness."""
    g = Graph(name)
    wear = g.noise(g.uv, 7.0, detail=3.0)
    worn = g.ramp(wear, (0.3, tuple(c * 0.72 for c in color)), (0.65, color))
    return g.done(worn, rough=rough, metal=metal)


def leaf(name: str, color: Color, *, rib: Color = (0.35, 0.5, 0.12)) -> bpy.types.Material:
    """Return a leaf (UV 0..1 across and along) that lets light through."""
    g = Graph(name)
    across = g.node("ShaderNodeSeparateXYZ", {0: g.uv}).outputs[0]
    middle = g.math("ABSOLUTE", g.math("SUBTRACT", across, 0.5))
    green = g.mix(g.ramp(middle, (0.0, (0.6, 0.6, 0.6)), (0.09, (0, 0, 0))), color, rib)
    green = g.mix(1.0, g.tint, green, "MULTIPLY")
    front = g.node("ShaderNodeBsdfPrincipled", {"Base Color": green, "Roughness": 0.42})
    through = g.node("ShaderNodeBsdfTranslucent", {"Color": green})
    return g.finish(
        g.node("ShaderNodeMixShader", {0: 0.35, 1: front.outputs[0], 2: through.outputs[0]})
    )


def picture(
    name: str, image: bpy.types.Image, *, rough: float = 0.6, pile: float = 0.0
) -> bpy.types.Material:
    """Return an image over UV 0..1; `pile` is the height of woven threads in metres."""
    g = Graph(name)
    shown = g.node("ShaderNodeTexImage", {"Vector": g.uv}, image=image).outputs["Color"]
    thread = g.noise(g.stretch((260.0, 340.0, 1.0)), 1.0, detail=1.0) if pile else None
    return g.done(shown, rough=rough, height=thread, depth=pile)


def clipped(name: str, image: bpy.types.Image) -> bpy.types.Material:
    """Return cut-out leaves: the image over UV 0..1 where its alpha is above a half, else a hole.

    The edge is hard, so a surface is there or is not, whatever the number of samples.
    """
    g = Graph(name)
    shown = g.node("ShaderNodeTexImage", {"Vector": g.uv}, image=image)
    green = g.mix(1.0, g.tint, shown.outputs["Color"], "MULTIPLY")
    front = g.node("ShaderNodeBsdfDiffuse", {"Color": green})
    through = g.node("ShaderNodeBsdfTranslucent", {"Color": green})
    both = g.node("ShaderNodeMixShader", {0: 0.35, 1: front.outputs[0], 2: through.outputs[0]})
    hole = g.node("ShaderNodeBsdfTransparent")
    there = g.math("GREATER_THAN", shown.outputs["Alpha"], 0.5)
    return g.finish(
        g.node("ShaderNodeMixShader", {0: there, 1: hole.outputs[0], 2: both.outputs[0]})
    )


def glow(name: str, color: Color, strength: float) -> bpy.types.Material:
    """Return a light source's own surface."""
    g = Graph(name)
    # Seen, but not sampled as a lamp: shadow rays to dozens of tiny bulbs would only add noise.
    g.material.cycles.emission_sampling = "NONE"
    return g.finish(g.node("ShaderNodeEmission", {"Color": color, "Strength": strength}))
