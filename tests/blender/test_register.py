"""What the extension adds to Blender and takes away again, each time in a Blender of its own."""

import signal
import subprocess
import sys
from pathlib import Path

import bpy
import pytest

ROOT = Path(__file__).resolve().parents[2]

BEGIN = """
import sys
import addon_utils
import bpy

MODULE = "bl_ext.devrepo.depthshot"

def left():
    found = [name for name in sys.modules if name.startswith(MODULE + ".")]
    found += [c.__name__ for b in (bpy.types.Panel, bpy.types.Operator, bpy.types.PropertyGroup,
              bpy.types.AddonPreferences) for c in b.__subclasses__()
              if c.is_registered and c.__module__.startswith(MODULE)]
    found += [kind.__name__ for kind in (bpy.types.Scene, bpy.types.WindowManager)
              if hasattr(kind, "depthshot")]
    found += [name for name, value in vars(sys.modules[MODULE]).items()
              if getattr(value, "__name__", "").startswith(MODULE + ".")]
    found += [f for name in dir(bpy.app.handlers)
              if isinstance(handlers := getattr(bpy.app.handlers, name), list)
              for f in handlers if f.__module__.startswith(MODULE)]
    return found
"""


def run(script, tmp_path):
    """Runs a script in a Blender with the extension enabled; it fails if the script does."""
    path = tmp_path / "script.py"
    path.write_text(BEGIN + script)
    result = subprocess.run(
        [sys.executable, str(ROOT / "tools/with_extension.py"), str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_nothing_is_left_after_disabling_and_it_can_be_enabled_again(tmp_path):
    run(
        """
DRAWN = "DEPTHSHOT_PT_shot", "DEPTHSHOT_PT_strip_shot", "DEPTHSHOT_MT_takes"
for _ in range(2):
    assert hasattr(bpy.types.Scene, "depthshot")
    assert bpy.context.scene.depthshot.models.projection.fill is True
    assert "generate" in dir(bpy.ops.depthshot)
    assert len(left()) > 10, left()
    assert all(hasattr(bpy.types, name) for name in DRAWN)
    addon_utils.disable(MODULE)
    assert left() == [], left()
    assert not any(hasattr(bpy.types, name) for name in DRAWN)
    addon_utils.enable(MODULE, default_set=True, handle_error=lambda error: sys.exit(repr(error)))
addon_utils.disable(MODULE)
assert left() == [], left()
""",
        tmp_path,
    )


@pytest.mark.skipif(not hasattr(signal, "SIGPIPE"), reason="POSIX alone has this signal")
def test_a_connection_that_breaks_does_not_end_blender(tmp_path):
    """Blender's program leaves the signal as it is; Python, which runs bpy here, does not."""
    run(
        """
import signal
import socket
addon_utils.disable(MODULE)
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
addon_utils.enable(MODULE, default_set=True, handle_error=lambda error: sys.exit(repr(error)))
ours, theirs = socket.socketpair()
theirs.close()
try:
    ours.send(b"a shot")
except BrokenPipeError:
    sent = False
assert not sent
""",
        tmp_path,
    )


def test_a_timer_of_a_running_generation_goes_with_the_extension(tmp_path):
    run(
        """
import importlib
runner = importlib.import_module(MODULE + ".operators.runner").runner
generation = importlib.import_module(MODULE + ".operators.generation").Generation

class Steps(generation):
    def __init__(self):
        super().__init__(None)
        self._steps = iter_steps(self)

def iter_steps(self):
    try:
        while True:
            yield
    finally:
        ended.append(True)

ended = []
running = Steps()
running.step()
runner.start(running)
assert bpy.app.timers.is_registered(runner._timer)
timer = runner._timer
addon_utils.disable(MODULE)
assert not bpy.app.timers.is_registered(timer)
assert ended == [True]
assert running.outcome is not None
""",
        tmp_path,
    )


def test_the_first_model_is_the_one_that_ships_its_weights(empty_scene):
    settings = empty_scene.depthshot
    assert settings.model == "draft"
    model = settings.bl_rna.properties["model"]
    assert [item.identifier for item in model.enum_items][:2] == ["draft", "projection"]
    draft = settings.models.draft
    assert (draft.mean, draft.steps, draft.lock) == (False, 4, True)
    draft.steps = 100
    assert draft.steps == 8, "the card's range"
    draft.detail = -1
    assert draft.detail == 0


def test_settings_are_kept_in_the_file(tmp_path, empty_scene):
    settings = empty_scene.depthshot
    settings.model = "projection"
    settings.models.draft.detail = 0.25
    settings.prompt = "a quiet street"
    settings.models.projection.fill = False
    settings.landing = "EDIT"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert bpy.context.scene.depthshot.models.projection.fill is True
    assert bpy.context.scene.depthshot.model == "draft"
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    settings = bpy.context.scene.depthshot
    assert settings.prompt == "a quiet street"
    assert settings.models.projection.fill is False
    assert settings.landing == "EDIT"
    assert (settings.model, settings.models.draft.detail) == ("projection", 0.25)


def properties_of(group):
    """Yields every property of a group and of the groups inside it."""
    for prop in group.bl_rna.properties:
        if prop.identifier in ("rna_type", "name", "bl_idname"):
            continue
        yield f"{type(group).__name__}.{prop.identifier}", prop
        inside = getattr(group, prop.identifier)
        if isinstance(inside, bpy.types.PropertyGroup):
            yield from properties_of(inside)


def all_properties():
    groups = (
        bpy.context.scene.depthshot,
        bpy.context.window_manager.depthshot,
        bpy.context.preferences.addons["bl_ext.devrepo.depthshot"].preferences,
    )
    return [found for group in groups for found in properties_of(group)]


def test_everything_has_a_tooltip(empty_scene):
    found = all_properties()
    assert len(found) > 25
    for name, prop in found:
        assert prop.name, name
        assert prop.description, name
        # Blender adds the full stop.
        assert not prop.description.endswith("."), name
        if prop.type == "ENUM":
            for item in prop.enum_items:
                assert item.name, f"{name}: {item.identifier}"


@pytest.mark.parametrize(
    "name",
    [
        *("generate", "fetch", "cancel", "show_take", "open_folder"),
        *(f"backend_{name}" for name in ("install", "repair", "cancel", "remove")),
        *(f"backend_{name}" for name in ("start", "stop", "doctor", "log", "settings")),
        *("still_from_strip", "go_to_shot", "open_strip_folder", "replace_take"),
    ],
)
def test_every_operator_says_what_it_does(name):
    rna = getattr(bpy.ops.depthshot, name).get_rna_type()
    assert rna.name
    assert rna.description
    assert not rna.description.endswith(".")


def test_menus_keep_their_meaning_when_choices_are_added(empty_scene):
    numbers = {}
    for name, prop in all_properties():
        if name.endswith((".model", ".target")):
            numbers |= {item.identifier: item.value for item in prop.enum_items}
    assert numbers["draft"] == 1182570132
    assert numbers["projection"] == 313382
    assert numbers["STRIP"] == 1477870997
    assert len(set(numbers.values())) == len(numbers)


def test_importing_the_root_needs_no_bpy():
    code = "import sys; sys.modules['bpy'] = None; import __init__ as root; root.register"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
