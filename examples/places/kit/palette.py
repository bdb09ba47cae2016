"""Every material of the examples by its key, made when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import bpy

from . import materials as m
from . import pictures

RECIPES: MappingProxyType[str, Callable[[], bpy.types.Material]] = MappingProxyType(
    {
        "brick": lambda: m.brick(),
        "plaster": lambda: m.plaster("plaster", (0.72, 0.56, 0.36), (0.56, 0.40, 0.25)),
        "inside": lambda: m.plaster("inside", (0.55, 0.36, 0.20), (0.40, 0.24, 0.13)),
        "tiles": lambda: m.tiles("tiles", (0.62, 0.52, 0.38), (0.16, 0.26, 0.30)),
        "boards": lambda: m.planks("boards"),
        "oak": lambda: m.wood("oak", (0.16, 0.07, 0.028), (0.50, 0.28, 0.12)),
        "pine": lambda: m.wood("pine", (0.34, 0.19, 0.08), (0.66, 0.45, 0.23)),
        "beam": lambda: m.wood("beam", (0.14, 0.085, 0.05), (0.36, 0.24, 0.15), rough=0.8),
        "paint": lambda: m.plain("teal paint", (0.03, 0.22, 0.24), rough=0.45),
        "shutter": lambda: m.plain("shutter", (0.05, 0.20, 0.26), rough=0.55),
        "frame": lambda: m.plain("frame", (0.06, 0.045, 0.035), rough=0.5),
        "white": lambda: m.plain("white paint", (0.75, 0.72, 0.64), rough=0.5),
        "iron": lambda: m.plain("iron", (0.035, 0.035, 0.04), rough=0.5, metal=0.6),
        "brass": lambda: m.plain("brass", (0.80, 0.50, 0.18), rough=0.28, metal=1.0),
        "clay": lambda: m.plain("clay", (0.56, 0.20, 0.09), rough=0.8),
        "glaze": lambda: m.plain("glaze", (0.05, 0.16, 0.36), rough=0.15),
        "earth": lambda: m.plain("earth", (0.05, 0.03, 0.02), rough=0.95),
        "cover": lambda: m.plain("cover", (1.0, 1.0, 1.0), rough=0.55),
        "pages": lambda: m.plain("pages", (0.78, 0.70, 0.54), rough=0.9),
        "gilt": lambda: m.plain("gilt", (0.80, 0.58, 0.22), rough=0.35, metal=0.7),
        "fruit": lambda: m.plain("fruit", (0.90, 0.22, 0.004), rough=0.4),
        "stem": lambda: m.plain("stem", (0.16, 0.15, 0.05), rough=0.8),
        "leaf": lambda: m.leaf("leaf", (0.075, 0.21, 0.035)),
        "vine": lambda: m.leaf("vine", (0.16, 0.30, 0.04)),
        "flower": lambda: m.leaf("flower", (0.75, 0.08, 0.22), rib=(0.9, 0.3, 0.4)),
        "grass": lambda: m.plain("grass", (0.16, 0.24, 0.06), rough=0.95),
        "litter": lambda: m.litter("litter"),
        "bark": lambda: m.wood("bark", (0.045, 0.032, 0.024), (0.24, 0.18, 0.13), rough=0.95),
        "thicket": lambda: m.plain("thicket", (0.018, 0.045, 0.010), rough=0.95),
        "ridge": lambda: m.plain("ridge", (0.13, 0.22, 0.17), rough=0.95),
        "enamel": lambda: m.plain("enamel", (0.85, 0.42, 0.03), rough=0.3),
        "bulb": lambda: m.glow("bulb", (1.0, 0.62, 0.25), 9.0),
        "hills": lambda: m.picture("hills", pictures.draw("hills", (168, 240), pictures.hills)),
        "circles": lambda: m.picture(
            "circles", pictures.draw("circles", (160, 240), pictures.circles)
        ),
        "botanic": lambda: m.picture(
            "botanic", pictures.draw("botanic", (168, 240), pictures.botanic)
        ),
        "rug": lambda: m.picture(
            "rug", pictures.draw("rug", (192, 288), pictures.rug), rough=0.95, pile=0.004
        ),
        "limewash": lambda: m.plaster("limewash", (0.74, 0.70, 0.62), (0.62, 0.57, 0.49)),
        "stone": lambda: m.plaster("stone", (0.62, 0.56, 0.46), (0.42, 0.37, 0.30)),
        "ochre": lambda: m.plaster("ochre", (0.66, 0.33, 0.10), (0.50, 0.24, 0.08)),
        "linen": lambda: m.plain("linen", (0.42, 0.45, 0.40), rough=0.95),
        "rust": lambda: m.plain("rust cushion", (0.60, 0.20, 0.06), rough=0.95),
        "water": lambda: m.plain("water", (0.03, 0.12, 0.13), rough=0.03),
        "paving": lambda: m.tiles("paving", (0.56, 0.46, 0.34), (0.42, 0.20, 0.12), side=0.5),
        "spray": lambda: m.clipped("spray", pictures.draw("spray", (96, 128), pictures.spray)),
    }
)


class Palette(dict[str, bpy.types.Material]):
    """Materials by key; one that is asked for and not there yet is made from its recipe."""

    def __missing__(self, key: str) -> bpy.types.Material:
        """Make the material, or raise KeyError when there is no recipe for it."""
        self[key] = RECIPES[key]()
        return self[key]
