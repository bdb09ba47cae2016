"""A layout that writes down what panels ask it for; Blender checks the names."""

from types import SimpleNamespace

import bpy

ICONS = set(bpy.types.UILayout.bl_rna.functions["label"].parameters["icon"].enum_items.keys())


class Layout:
    """Records properties, operators and texts, and refuses what Blender would."""

    active = True
    enabled = True

    def __init__(self, drawn=None, buttons=None):
        self.drawn = [] if drawn is None else drawn
        self._buttons = [] if buttons is None else buttons

    def _part(self, **options):
        return Layout(self.drawn, self._buttons)

    @property
    def buttons(self):
        """The operators' buttons as they are set afterwards, with whether they can be pressed."""
        return [(button, layout.enabled) for button, layout in self._buttons]

    column = row = split = box = _part

    def separator(self, **options):
        pass

    def prop(self, data, name, **options):
        assert name in data.bl_rna.properties, name
        self.drawn.append(("prop", name))
        if not self.active:
            self.drawn.append(("grey", name))

    def operator(self, name, *, text="", icon="NONE"):
        assert icon in ICONS, icon
        module, function = name.split(".")
        getattr(getattr(bpy.ops, module), function).get_rna_type()
        self.drawn.append(("operator", name))
        button = SimpleNamespace(text=text)
        self._buttons.append((button, self))
        return button

    def label(self, *, text="", icon="NONE"):
        assert icon in ICONS, icon
        self.drawn.append(("label", text, icon))

    def template_icon(self, *, icon_value, scale):
        self.drawn.append(("picture", icon_value, scale))

    def progress(self, *, factor, text):
        assert 0 <= factor <= 1
        self.drawn.append(("progress", round(factor, 3), text))


def in_a_sidebar(*, width=330):
    """Returns the context as a panel finds it in a window; without one there is no region."""
    return SimpleNamespace(
        scene=bpy.context.scene,
        window_manager=bpy.context.window_manager,
        view_layer=bpy.context.view_layer,
        region=SimpleNamespace(width=width),
        preferences=SimpleNamespace(
            system=SimpleNamespace(ui_scale=1.0), addons=bpy.context.preferences.addons
        ),
    )


def draw(panel):
    """Returns what a panel draws, as (kind, ...) in order."""
    return drawn_layout(panel).drawn


def drawn_layout(panel):
    """Returns the layout that a panel has drawn into."""
    layout = Layout()
    drawing = SimpleNamespace(layout=layout)
    drawing.column = lambda: panel.column(drawing)
    panel.draw(drawing, in_a_sidebar())
    return layout


def names(drawn, kind):
    return [found[1] for found in drawn if found[0] == kind]
