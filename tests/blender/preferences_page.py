"""The page of the preferences, drawn; its buttons, and looks at what is installed."""

from types import SimpleNamespace

import bpy
from bl_ext.devrepo.depthshot.operators.backend_care import care
from bl_ext.devrepo.depthshot.panels import backend_page

from tests.blender.drawings import Layout, in_a_sidebar, names

OPERATORS = bpy.ops.depthshot


def draw(page) -> Layout:
    layout = Layout()
    names = ("device", "starts_itself", "takes_folder", "backend_python", "data_folder")
    values = {name: getattr(page, name) for name in names}
    context = in_a_sidebar(width=2000)
    context.preferences = SimpleNamespace(
        system=Named(bpy.context.preferences.system), addons=bpy.context.preferences.addons
    )
    backend_page.draw(SimpleNamespace(layout=layout, bl_rna=page.bl_rna, **values), context)
    return layout


class Named:
    """Blender's system preferences with the scale of a window's interface."""

    ui_scale = 1.0

    def __init__(self, system) -> None:
        self.bl_rna = system.bl_rna


def can(name: str) -> bool:
    return getattr(OPERATORS, f"backend_{name}").poll()


def labels(page) -> str:
    return "\n".join(names(draw(page).drawn, "label"))


def look_again() -> bool:
    care._asked = float("-inf")
    care.ask()
    return False
