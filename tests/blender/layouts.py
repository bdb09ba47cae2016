"""A layout that panels draw into and that refuses what this Blender's own layout would refuse.

Names, arguments and menus' choices are looked up in Blender's description of itself, so that a call
which only another version knows fails here, without a window.
"""

import inspect
from types import MethodType, SimpleNamespace

import bpy

RNA = bpy.types.UILayout.bl_rna
_ATTRIBUTES = set(RNA.properties.keys()) - {"rna_type"}


class Button:
    """What `UILayout.operator` returns: the operator's properties, and no others."""

    def __init__(self, name):
        module, _, function = name.partition(".")
        operator = getattr(getattr(bpy.ops, module), function).get_rna_type()
        object.__setattr__(self, "_known", set(operator.properties.keys()))

    def __setattr__(self, name, value):
        assert name in self._known, f"the operator has no property {name}"
        object.__setattr__(self, name, value)


class StrictLayout:
    """Writes down every call, as (function, its arguments by name)."""

    def __init__(self, drawn):
        object.__setattr__(self, "drawn", drawn)

    def __setattr__(self, name, value):
        assert name in _ATTRIBUTES, f"a layout has no {name} in Blender {bpy.app.version_string}"
        prop = RNA.properties[name]
        assert not prop.is_readonly, name
        if prop.type == "ENUM":
            assert value in prop.enum_items.keys(), f"{name} = {value}"  # noqa: SIM118 - RNA
        object.__setattr__(self, name, value)

    def __getattr__(self, name):
        if name in _ATTRIBUTES:
            prop = RNA.properties[name]
            return prop.default
        function = RNA.functions.get(name)
        assert function is not None, f"no layout.{name} in Blender {bpy.app.version_string}"

        def call(*given, **named):
            arguments = _bind(function, given, named)
            self.drawn.append((name, arguments))
            _check_meaning(name, arguments)
            if name == "operator":
                return Button(arguments["operator"])
            results = [each for each in function.parameters if each.is_output]
            layouts = [StrictLayout(self.drawn) for _ in results]
            return tuple(layouts) if len(layouts) > 1 else layouts[0] if layouts else None

        return call


def _bind(function, given, named):
    """Returns the arguments by name; fails as Blender's own layout does."""
    parameters = [each for each in function.parameters if not each.is_output]
    names = [each.identifier for each in parameters]
    assert len(given) <= len(names), function.identifier
    arguments = dict(zip(names, given, strict=False))
    assert not arguments.keys() & named.keys(), function.identifier
    arguments |= named
    unknown = arguments.keys() - set(names)
    assert not unknown, f"layout.{function.identifier} takes no {unknown} in this Blender"
    for each in parameters:
        assert not each.is_required or each.identifier in arguments, each.identifier
        value = arguments.get(each.identifier)
        if each.type == "ENUM" and value is not None and not each.is_enum_flag:
            assert value in each.enum_items.keys(), f"{each.identifier} = {value}"  # noqa: SIM118
        if each.type == "STRING" and value is not None:
            assert isinstance(value, str), f"{function.identifier}: {each.identifier} = {value!r}"
    return arguments


def _check_meaning(name, arguments):
    """Looks up what is named by a word alone: properties and menus."""
    if "data" in arguments and "property" in arguments:
        data, prop = arguments["data"], arguments["property"]
        assert prop in data.bl_rna.properties, f"{name}: {data.bl_rna.identifier}.{prop}"
    if name == "menu":
        assert hasattr(bpy.types, arguments["menu"]), arguments["menu"]


class _Over:
    """Something of Blender's with a few values in place of its own."""

    def __init__(self, base, **values):
        self._base = base
        vars(self).update(values)

    def __getattr__(self, name):
        return getattr(self._base, name)


def in_a_sidebar():
    """Returns the context as a panel has it in a window: with a region, and a scale above 0."""
    preferences = bpy.context.preferences
    return _Over(
        bpy.context,
        region=SimpleNamespace(width=330, type="UI"),
        preferences=_Over(preferences, system=_Over(preferences.system, ui_scale=1.0)),
    )


class _Drawing:
    """Stands for the panel that Blender makes of a class each time it draws it."""

    def __init__(self, kind, layout, stored):
        self._kind, self.layout, self._stored = kind, layout, stored

    def __getattr__(self, name):
        if self._stored is not None and name in {*self._stored.bl_rna.properties.keys(), "bl_rna"}:
            return getattr(self._stored, name)
        own = inspect.getattr_static(self._kind, name)
        return MethodType(own, self) if inspect.isfunction(own) else getattr(self._kind, name)


def registered(kind, module):
    """Returns the registered classes of a module's package that Blender knows as of a kind."""
    found, waiting = [], [kind]
    while waiting:
        below = waiting.pop().__subclasses__()
        waiting += below
        found += [
            each
            for each in below
            if each.__module__.startswith(f"{module}.") and getattr(each, "is_registered", False)
        ]
    return sorted(found, key=lambda each: each.__name__)


def draw(kind, *, stored=None):
    """Draws a panel, menu or preferences page; returns its calls, None if its poll hides it."""
    context = in_a_sidebar()
    if hasattr(kind, "poll") and not kind.poll(context):
        return None
    drawn = []
    drawing = _Drawing(kind, StrictLayout(drawn), stored)
    if hasattr(kind, "draw_header"):
        kind.draw_header(drawing, context)
    kind.draw(drawing, context)
    return drawn
