"""Runs in a Blender with a window: what an artist does, one timer step at a time.

    blender --factory-startup --python in_window.py -- FOLDER ROOT

FOLDER gets `result.txt`: "passed", or the traceback of what failed.
"""

import sys
import time
import traceback
from importlib import import_module
from pathlib import Path

import addon_utils
import bpy

FOLDER, ROOT = (Path(argument) for argument in sys.argv[sys.argv.index("--") + 1 :])
MODULE = "bl_ext.devrepo.depthshot"
MOST_SECONDS = 90


def enable():
    """Enables the checkout as an installed extension."""
    repository = FOLDER / "repository"
    repository.mkdir()
    (repository / "depthshot").symlink_to(ROOT, target_is_directory=True)
    bpy.context.preferences.view.show_splash = False
    bpy.context.preferences.extensions.repos.new(
        name="devrepo",
        module="devrepo",
        custom_directory=str(repository),
        remote_url="",
        source="USER",
    )

    def fail(error):
        raise error

    addon_utils.enable(MODULE, default_set=True, handle_error=fail)


def prepare():
    """Makes a shot of Blender's own first scene, and saves it."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 1
    scene.cycles.use_denoising = False
    scene.render.resolution_x, scene.render.resolution_y = 104, 60
    scene.frame_start, scene.frame_end = 1, 8
    for frame, x in ((1, 7.0), (8, 8.0)):
        scene.camera.location.x = x
        scene.camera.keyframe_insert("location", frame=frame)
    bpy.ops.wm.save_as_mainfile(filepath=str(FOLDER / "shot.blend"))


def in_viewport():
    """Returns the context of the first window's 3D viewport."""
    window = bpy.context.window_manager.windows[0]
    area = next(area for area in window.screen.areas if area.type == "VIEW_3D")
    return bpy.context.temp_override(window=window, area=area, region=area.regions[-1])


def names():
    return [scene.name for scene in bpy.data.scenes]


def press(operator):
    with in_viewport():
        return getattr(bpy.ops.depthshot, operator)("INVOKE_DEFAULT")


def wait_while(is_so):
    began = time.monotonic()
    while is_so():
        assert time.monotonic() - began < MOST_SECONDS, status().phase
        yield 0.05


def status():
    return bpy.context.window_manager.depthshot


def artist(runner):
    """Yields the seconds until the next step."""
    with in_viewport():
        bpy.context.space_data.show_region_ui = True
    yield 0.5
    area = next(
        a for a in bpy.context.window_manager.windows[0].screen.areas if a.ui_type == "VIEW_3D"
    )
    sidebar = next(region for region in area.regions if region.type == "UI")
    sidebar.active_panel_category = "Depthshot"
    yield 0.5

    # The whole way, while the interface goes on.
    bpy.ops.ed.undo_push(message="before")
    assert press("generate") == {"FINISHED"}
    assert bpy.app.timers.is_registered(runner._timer)
    assert not bpy.context.window_manager.windows[0].modal_operators
    assert not bpy.ops.depthshot.generate.poll()
    seen = []
    while runner.running:
        seen.append((status().progress, status().phase))
        yield 0.05
    assert status().message.startswith("8 frames landed as strip “"), status().message
    assert seen == sorted(seen, key=lambda shown: shown[0])
    assert len({phase for _, phase in seen}) > 3, seen
    assert not bpy.app.timers.is_registered(runner._timer)
    with in_viewport():
        bpy.ops.ed.undo()
        assert names() == ["Scene"], names()
        bpy.ops.ed.redo()
        assert names() == ["Scene", "Scene edit"], names()

    # Cancelled while it captures.
    bpy.context.scene.camera.data.lens = 40
    press("generate")
    yield 1.0
    assert runner.running
    press("cancel")
    yield from wait_while(lambda: runner.running)
    assert status().message == "Cancelled.", status().message
    assert names() == ["Scene", "Scene edit"]

    # Another file is opened meanwhile; the take waits until its own is open again.
    bpy.ops.wm.save_mainfile()
    press("generate")
    yield 0.5
    # Saved while it runs; opened again, nothing runs any more.
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.read_homefile()
    yield from wait_while(lambda: runner.running)
    assert "choose Fetch Take" in status().message, status().message
    assert names() == ["Scene"]
    bpy.ops.wm.open_mainfile(filepath=str(FOLDER / "shot.blend"))
    yield 0.5
    assert bpy.ops.depthshot.generate.poll()
    press("fetch")
    yield from wait_while(lambda: runner.running)
    assert status().message.startswith("8 frames landed as strip “"), status().message
    press("show_take")

    # Blender is closed while one runs; it ends well (see the exit code).
    bpy.context.window_manager.windows[0].scene = bpy.data.scenes["Scene"]
    yield 0.2
    bpy.context.scene.camera.data.lens = 35
    press("generate")
    yield 1.0
    assert runner.running


def end(result):
    (FOLDER / "result.txt").write_text(result, encoding="utf-8")
    bpy.ops.wm.quit_blender()


def main():
    enable()
    prepare()
    steps = artist(import_module(f"{MODULE}.operators.runner").runner)

    def tick():
        try:
            return next(steps)
        except StopIteration:
            end("passed")
        except Exception:  # noqa: BLE001 - whatever it is, the test that waits has to hear of it
            end(traceback.format_exc())
        return None

    bpy.app.timers.register(tick, first_interval=1.0, persistent=True)


main()
