"""The sequencer's tab, drawn into a layout that writes down what it is asked for."""

from types import SimpleNamespace

import bpy
from bl_ext.devrepo.depthshot.panels import sequencer

from tests.blender.drawings import ICONS, Layout, in_a_sidebar, names

SHOT, TAKE, MENU = (
    sequencer.DEPTHSHOT_PT_strip_shot,
    sequencer.DEPTHSHOT_PT_strip_take,
    sequencer.DEPTHSHOT_MT_takes,
)


class Recorder(Layout):
    """Also knows menus, buttons' properties and pointers put into the context."""

    enabled = True
    scene = None

    def _part(self, **options):
        return Recorder(self.drawn)

    column = row = split = _part

    def prop(self, data, name, *, text=None):
        super().prop(data, name)

    def operator(self, name, *, text="", icon="NONE"):
        super().operator(name, text=text, icon=icon)
        scene = self.scene or bpy.context.scene
        self.drawn.append(("button", name, text, scene.name))
        made = SimpleNamespace()
        self.drawn.append(("made", made))
        return made

    def menu(self, name, *, icon="NONE"):
        assert icon in ICONS, icon
        assert hasattr(bpy.types, name)
        self.drawn.append(("menu", name, self.enabled))

    def context_pointer_set(self, name, data):
        assert name == "scene"
        self.scene = data


def draw(panel):
    """Returns what a panel or menu draws, as (kind, ...) in order."""
    layout = Recorder()
    drawing = SimpleNamespace(layout=layout)
    drawing.column = lambda: panel.column(drawing)
    context = in_a_sidebar(width=2000)
    if hasattr(bpy.context, "sequencer_scene"):
        context.sequencer_scene = bpy.context.sequencer_scene
    panel.draw(drawing, context)
    return layout.drawn


def labels(panel):
    return names(draw(panel), "label")
