"""All that an artist can see, in this Blender: panels, grey buttons and tooltips.

Nothing is listed by name, so what is added later is looked at as well.
"""

import re

import bpy
import pytest
from bl_ext.devrepo.depthshot.backend.models.machine import Machine
from bl_ext.devrepo.depthshot.operators.runner import runner
from bl_ext.devrepo.depthshot.operators.this_machine import this_machine
from bl_ext.devrepo.depthshot.preferences import EXTENSION
from bl_ext.devrepo.depthshot.scene import compat

from tests.blender import layouts, takes, views
from tests.blender.generations import furnish


def fresh(scene, folder):
    """A new file with nothing in it."""


def furnished(scene, folder):
    """A scene with a shot, saved."""
    furnish(scene)
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "shot.blend"))


def running(scene, folder):
    """A take is on its way."""
    furnished(scene, folder)
    runner._generation = object()
    status = bpy.context.window_manager.depthshot
    status.phase, status.progress, status.held_up = "Capturing: rendering guides 3/48", 0.25, 0.5
    status.time_left = "about 40 s"


def failed(scene, folder):
    """The last generation ended in an error."""
    furnished(scene, folder)
    status = bpy.context.window_manager.depthshot
    status.message, status.failed, status.warnings = "The backend ended.", True, "One.\nTwo."


def landed(scene, folder):
    """A take has landed as a strip, which is active under the playhead."""
    views.moving_camera(scene)
    _place(scene, folder, "STRIP")
    edit = bpy.data.scenes[bpy.context.window_manager.depthshot.scene]
    compat.show_in_sequencer(bpy.context.window, edit)
    (strip,) = takes.strips(edit)
    edit.sequence_editor.active_strip = strip
    edit.frame_set(views.FRAMES[0])


def locked(scene, folder):
    """The same, and the strip must not be changed."""
    landed(scene, folder)
    edit = bpy.data.scenes[bpy.context.window_manager.depthshot.scene]
    takes.strips(edit)[0].lock = True


def lost(scene, folder):
    """A take has landed in no sequencer, and its folder is gone."""
    views.moving_camera(scene)
    _place(scene, folder, "TEXTURE")
    (folder / "take").rename(folder / "elsewhere")


def large(scene, folder):
    """A model is chosen whose weights are not here, and told more than a field has room for."""
    views.moving_camera(scene)
    scene.depthshot.model = "wan-vace-1.3b"
    this_machine.found = Machine(gpus=(), ram=32_000_000_000, ram_free=24_000_000_000)
    scene.depthshot.prompt = "a quiet street at dusk, warm light in the windows, wet stones " * 3


def elsewhere(scene, folder):
    """The same, and takes are made on another computer."""
    large(scene, folder)
    bpy.context.preferences.addons[EXTENSION].preferences.use_elsewhere = True


def _place(scene, folder, target):
    take = views.finished_take(folder / "take")
    bpy.ops.depthshot.place_take(target=target, directory=str(take))


STATES = (fresh, furnished, large, elsewhere, running, failed, landed, locked, lost)
PANELS = layouts.registered(bpy.types.Panel, EXTENSION)
MENUS = layouts.registered(bpy.types.Menu, EXTENSION)
OPERATORS = sorted(dir(bpy.ops.depthshot))


@pytest.fixture
def python(stored, tmp_path):
    """Where the backend's Python would be; there is none yet."""
    stored.data_folder = str(tmp_path / "data")
    stored.backend_python = str(tmp_path / "python")
    yield tmp_path / "python"
    runner._generation = this_machine.found = None


def in_every_state(folder):
    """Yields each state after the other, each in a new file and with a folder of its own."""
    for state in STATES:
        bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
        own = folder / state.__name__
        own.mkdir(parents=True)
        state(bpy.context.scene, own)
        yield state.__name__
        runner._generation = None
        bpy.context.preferences.addons[EXTENSION].preferences.property_unset("use_elsewhere")
        status = bpy.context.window_manager.depthshot
        for name in type(status).__annotations__:
            status.property_unset(name)


def pages():
    """Draws everything; returns the calls of each page that shows itself."""
    stored = bpy.context.preferences.addons[EXTENSION].preferences
    drawn = {kind.__name__: layouts.draw(kind) for kind in (*PANELS, *MENUS)}
    drawn["preferences"] = layouts.draw(type(stored), stored=stored)
    return {name: calls for name, calls in drawn.items() if calls is not None}


def test_every_panel_and_menu_draws_itself_in_this_blender(python, tmp_path):
    shown = set()
    for there in (False, True):
        if there:
            python.touch()
        for state in in_every_state(tmp_path / f"backend {there}"):
            drawn = pages()
            assert [name for name, calls in drawn.items() if not calls] == [], state
            shown |= drawn.keys()
    never = {kind.__name__ for kind in (*PANELS, *MENUS)} - shown
    assert never == set(), "what shows itself in no state is not looked at"


def test_every_button_that_is_grey_says_why_in_a_sentence(python, tmp_path):
    """In some state each button with a condition is grey, and its reason is not Blender's own."""
    reasons = {}
    for _ in in_every_state(tmp_path / "states"):
        for name in OPERATORS:
            operator = getattr(bpy.ops.depthshot, name)
            if not operator.poll():
                with pytest.raises(RuntimeError) as refusal:
                    operator()
                reasons.setdefault(name, set()).add(str(refusal.value).partition("poll() ")[2])
    for name, said in reasons.items():
        for reason in said:
            assert "context is incorrect" not in reason, f"{name} does not say why it is grey"
            assert re.match(r"[A-Z“']\S* \S+ \S", reason), f"{name}: {reason!r} is no sentence"
    conditional = {
        kind.bl_idname.partition(".")[2]
        for kind in layouts.registered(bpy.types.Operator, EXTENSION)
        if "poll" in {attribute for base in kind.__mro__[:-1] for attribute in vars(base)}
    }
    assert conditional - reasons.keys() == set(), "never seen grey"


def groups(group):
    """Yields a group of properties and those inside it, with the name of each."""
    yield type(group).__name__, group.bl_rna
    for prop in group.bl_rna.properties:
        if prop.type != "POINTER" or prop.identifier == "rna_type":
            continue
        inside = getattr(group, prop.identifier)
        if isinstance(inside, bpy.types.PropertyGroup):
            yield from groups(inside)


def texts():
    """Returns (where, name, tooltip) of every property, choice and operator."""
    stored = bpy.context.preferences.addons[EXTENSION].preferences
    where = [
        *groups(bpy.context.scene.depthshot),
        *groups(bpy.context.window_manager.depthshot),
        *groups(stored),
        *((name, getattr(bpy.ops.depthshot, name).get_rna_type()) for name in OPERATORS),
    ]
    found = [(name, rna.name, rna.description) for name, rna in where if name in OPERATORS]
    for owner, rna in where:
        for prop in rna.properties:
            if prop.identifier in ("rna_type", "name", "bl_idname") or prop.is_hidden:
                continue
            place = f"{owner}.{prop.identifier}"
            found.append((place, prop.name, prop.description))
            # The choices of a model's setting are the model's own words.
            if prop.type == "ENUM" and not owner.startswith("DepthshotModel_"):
                found += [
                    (f"{place} = {item.identifier}", item.name, item.description)
                    for item in prop.enum_items
                ]
    return found


def test_every_tooltip_tells_more_than_the_name_and_ends_as_blenders_do(empty_scene):
    found = texts()
    assert len(found) > 80
    wrong = []
    for place, name, tooltip in found:
        # Blender adds the full stop.
        ends = re.search(r"[\w)”'…%]$", tooltip)
        begins = re.match(r"[A-Z0-9“]", tooltip)
        words = re.findall(r"\w+", tooltip.lower())
        more = set(words) - set(re.findall(r"\w+", name.lower()))
        if not (name.strip() == name and name and ends and begins and len(more) > 1):
            wrong.append(f"{place} “{name}”: {tooltip!r}")
        if "  " in tooltip or "\n" in tooltip:
            wrong.append(f"{place}: {tooltip!r} has a gap")
    assert wrong == []


def test_every_panel_and_menu_has_a_label():
    assert PANELS
    for kind in (*PANELS, *MENUS):
        assert kind.bl_label, kind
