"""The ways of an artist through the window; each is a generator of the seconds to the next step."""

import os
import re
import threading
from importlib import import_module
from pathlib import Path

import bpy
from hand import MODULE

FRAMES = 8


def runner():
    return import_module(f"{MODULE}.operators.runner").runner


def running():
    return runner().running


def make_shot(folder):
    """Makes a shot of Blender's own first scene, and saves it."""
    scene = bpy.context.scene
    scene.depthshot.model = "projection"  # the quickest: what is tested is the way, not the model
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 1
    scene.cycles.use_denoising = False
    scene.render.resolution_x, scene.render.resolution_y = 104, 60
    scene.frame_start, scene.frame_end = 1, FRAMES
    for frame, x in ((1, 7.0), (FRAMES, 8.0)):
        scene.camera.location.x = x
        scene.camera.keyframe_insert("location", frame=frame)
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "shot.blend"))


def scenes():
    return [scene.name for scene in bpy.data.scenes]


def strips_of(name):
    editor = bpy.data.scenes[name].sequence_editor
    found = editor.strips if hasattr(editor, "strips") else editor.sequences
    return [
        (strip.type, strip.frame_final_start, strip.frame_final_duration, len(strip.elements))
        for strip in found
    ]


def landed(hand):
    said = hand.status.message
    assert said.startswith(f"{FRAMES} frames landed as "), said


def start(hand):
    """Clicks Generate, where the display can be clicked on."""
    if hand.can_point():
        hand.click(*hand.tall_button())
        yield from hand.wait_while(lambda: not running())
    else:
        assert hand.press("generate") == {"FINISHED"}


def shot(hand):
    """Generates, undoes, cancels, opens another file meanwhile, and quits while one runs."""
    make_shot(hand.folder)
    yield from hand.open_tab()
    hand.picture("before")
    hand.pulse.watch(runner())
    hand.pulse.doing = "nothing"
    yield 2.0

    hand.pulse.doing = "starting"
    yield from start(hand)
    hand.pulse.held(hand.status.held_up)
    assert not hand.window.modal_operators
    assert not hand.can_press("generate")
    seen = []
    while running():
        # Without the numbers that count up in it.
        hand.pulse.doing = re.sub(r" \d.*", "", hand.status.phase) or "starting"
        seen.append((hand.status.progress, hand.status.phase))
        if len(seen) == 20:
            hand.picture("running")
        yield 0.05
    hand.pulse.doing = "after"
    yield 1.0
    hand.pulse.doing = ""
    landed(hand)
    yield from hand.manual("sidebar", hand.sidebar("VIEW_3D"))
    assert hand.status.message.startswith(f"{FRAMES} frames landed as strip “")
    assert seen == sorted(seen, key=lambda shown: shown[0])
    assert len({phase for _, phase in seen}) > 3, seen
    assert scenes() == ["Scene", "Scene edit"], scenes()
    assert strips_of("Scene edit") == [("IMAGE", 1, FRAMES, FRAMES)], strips_of("Scene edit")
    with hand.inside():
        bpy.ops.ed.undo()
    assert scenes() == ["Scene"], scenes()
    with hand.inside():
        bpy.ops.ed.redo()
    assert scenes() == ["Scene", "Scene edit"], scenes()

    # Cancelled while it captures.
    bpy.context.scene.camera.data.lens = 40
    hand.press("generate")
    yield 1.0
    assert running()
    hand.press("cancel")
    yield from hand.wait_while(running)
    assert hand.status.message.startswith("Cancelled"), hand.status.message
    assert scenes() == ["Scene", "Scene edit"]

    # Another file is opened meanwhile; the take waits until its own is open again.
    bpy.ops.wm.save_mainfile()
    hand.press("generate")
    yield 0.5
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.read_homefile()
    yield from hand.wait_while(running)
    assert "choose Fetch Take" in hand.status.message, hand.status.message
    assert scenes() == ["Scene"]
    bpy.ops.wm.open_mainfile(filepath=str(hand.folder / "shot.blend"))
    yield 0.5
    assert hand.can_press("generate")
    hand.press("fetch")
    yield from hand.wait_while(running)
    landed(hand)
    hand.press("show_take")

    # Blender is closed as soon as the backend has a job; it ends well (see the exit code).
    hand.window.scene = bpy.data.scenes["Scene"]
    yield 0.2
    bpy.context.scene.camera.data.lens = 35
    bpy.ops.wm.save_mainfile()
    hand.press("generate")
    yield from hand.wait_while(lambda: running() and not hand.status.job)
    assert running()


def reopened(hand):
    """Fetches what was under way when the session before was closed, and finds it as Last Take."""
    bpy.ops.wm.open_mainfile(filepath=str(hand.folder / "shot.blend"))
    yield 0.5
    yield from hand.open_tab()
    before = strips_of("Scene edit")
    assert hand.press("fetch") == {"FINISHED"}
    yield from hand.wait_while(running)
    landed(hand)
    assert len(strips_of("Scene edit")) == len(before) + 1
    assert Path(hand.status.take).is_dir()
    assert not hand.can_press("fetch")
    yield 1.0
    hand.picture("reopened")


def targets(hand):
    """Places a take with each button of Last Take, and takes each back."""
    make_shot(hand.folder)
    yield from hand.open_tab()
    assert hand.press("generate") == {"FINISHED"}
    yield from hand.wait_while(running)
    landed(hand)
    cube = bpy.data.objects["Cube"]
    cube.select_set(True)
    hand.window.view_layer.objects.active = cube
    bpy.context.scene.use_nodes = True  # the compositor's button needs a tree
    module = import_module(f"{MODULE}.scene.targets")
    for target in module.TARGETS:
        with hand.inside():
            reason = target.why_not(bpy.context)
            assert reason is None, (target.ID, reason)
            bpy.ops.ed.undo_push(message="before")
        before = contents()
        take = hand.status.take
        assert hand.press("place_take", target=target.ID, directory=take) == {"FINISHED"}
        landed(hand)
        assert contents() != before, target.ID
        with hand.inside():
            bpy.ops.ed.undo()
        assert contents() == before, target.ID
        with hand.inside():
            bpy.ops.ed.redo()
        assert contents() != before, target.ID
    yield from hand.show("CompositorNodeTree")
    hand.area("CompositorNodeTree").spaces.active.show_region_ui = False
    yield 0.5
    with hand.inside("CompositorNodeTree"):
        bpy.ops.node.view_all()
    yield from hand.manual("compositor", hand.area("CompositorNodeTree"), trim=(0, 300, 0, 300))
    yield from preferences(hand)


def preferences(hand, instead="CompositorNodeTree"):
    """Shows the extension's page of the preferences as someone new finds it."""
    stored = bpy.context.preferences.addons[MODULE].preferences
    stored.data_folder, stored.takes_folder = "/home/you/depthshot", "//depthshot"
    os.environ.pop("DEPTHSHOT_BACKEND_PYTHON")
    bpy.context.preferences.system.use_online_access = True
    bpy.context.preferences.active_section = "ADDONS"
    bpy.context.window_manager.addon_search = "Depthshot"
    bpy.ops.preferences.addon_expand(module=MODULE)
    yield from hand.show("PREFERENCES", instead)
    # Below Blender's own lines, the last of which says where the extension lies.
    page = hand.area("PREFERENCES")
    yield from hand.manual("preferences", page, trim=(172, 252, 0, 145))


def chore(hand):
    """Lets the mouse rest on the bar of a chore of the backend until that has ended."""
    cares = import_module(f"{MODULE}.operators.backend_care")
    progress = import_module(f"{MODULE}.backend.setup.progress").Progress()
    ended = threading.Event()

    def work():
        ended.wait()
        return "That was all."

    yield from preferences(hand, "VIEW_3D")
    page, care = hand.area("PREFERENCES"), cares.care
    care.start(cares.Chore("Installing", work, hand.folder / "none", progress))
    progress.text, progress.share = "Downloading torch", 0.2
    yield 1.5
    begun = hand.shown(page)
    hand.picture("chore-begun")
    progress.share = 0.6
    yield 1.5
    hand.picture("chore-later")
    x, y = hand.difference(begun, hand.shown(page), page)
    hand.point(x, y + 3)
    yield 1.5
    ended.set()
    yield from hand.wait_while(lambda: care.chore is not None)
    yield 1.5
    resting = hand.shown(page)
    hand.picture("chore-ended")
    hand.point(2, 2)
    page.tag_redraw()
    yield 1.5
    page.tag_redraw()
    yield 1.5
    # Beside the mouse alone: the outline of an editor is lighter while the mouse is in it.
    left, top, _, _ = hand.box(page)
    lines, columns = slice(y - top, y - top + 12), slice((x - left) * 3, (x - left + 300) * 3)
    before, after = ([row[columns] for row in rows[lines]] for rows in (resting, hand.shown(page)))
    assert before == after, "the mouse has left a bar"


def weights(hand):
    """Asks for a large model's weights, and stops the download: its hub is on this machine."""
    hubs, hub_server = (import_module(f"tests.{name}") for name in ("hubs", "hub_server"))
    family = import_module(f"{MODULE}.backend.models.wan_vace")
    care = import_module(f"{MODULE}.operators.backend_care").care
    files = hubs.model_files(shard_bytes=60_000)
    make_shot(hand.folder)
    settings = bpy.context.scene.depthshot
    settings.model, settings.prompt = "wan-vace-1.3b", "A quiet street at dusk, wet stones. " * 4
    bpy.context.preferences.system.use_online_access = True
    yield from hand.open_tab()
    yield 1.0
    hand.picture("weights-missing")
    assert not hand.can_press("generate")
    assert hand.press("download_weights", model=settings.model) == {"RUNNING_MODAL"}
    yield 1.5
    hand.picture("weights-dialog")
    assert care.chore is None, "nothing is downloaded before it was said so"
    if hand.can_point():
        hand.key("Escape")
        yield 1.0
    family.CARDS = (hubs.from_here(family.CARDS[0], files), *family.CARDS[1:])
    chores = import_module(f"{MODULE}.operators.model_chores")
    chores.BACKEND = ("-c", hubs.command_line(files))
    os.environ["HF_HOME"] = str(hand.folder / "hf")
    with hub_server.running_hub(files) as hub:
        os.environ["HF_ENDPOINT"] = hub.url
        hub.fast.clear()
        with hand.inside():
            bpy.ops.depthshot.download_weights("EXEC_DEFAULT", model=settings.model, accept=True)
        yield from hand.wait_while(lambda: care.chore.progress.share == 0)
        yield 1.0
        hand.picture("weights-arriving")
        hand.press("backend_cancel")
        yield from hand.wait_while(lambda: care.chore is not None)
        assert not care.failed, care.message
        yield 1.0
        hand.picture("weights-stopped")
        hub.fast.set()
        with hand.inside():
            bpy.ops.depthshot.download_weights("EXEC_DEFAULT", model=settings.model, accept=True)
        yield from hand.wait_while(lambda: care.chore is not None)
    assert not care.failed, care.message
    yield 1.0
    hand.picture("weights-here")
    assert hand.can_press("generate")


def look(hand):
    """Sees in the panel what a large model of tiny random weights is making, until it is made."""
    hand.make_weights("wan-vace-1.3b", "tiny_wan_vace")
    make_shot(hand.folder)
    settings = bpy.context.scene.depthshot
    settings.model = "wan-vace-1.3b"
    bpy.context.scene.render.resolution_x, bpy.context.scene.render.resolution_y = 208, 112
    group = settings.models.wan_vace_1_3b
    group.size, group.steps, group.guidance = "shot", 100, 1.0
    looks = import_module(f"{MODULE}.operators.look")
    looks.SECONDS_BETWEEN_LOOKS = 0.2  # tiny weights need seconds, not minutes
    shown = looks.shown
    bpy.context.preferences.view.ui_scale = 0.75  # so that all of the tab is in the window
    images = len(bpy.data.images)
    yield from hand.open_tab()
    assert hand.press("generate") == {"FINISHED"}
    yield from hand.wait_while(lambda: running() and not shown.icon)
    assert shown.icon, hand.status.message
    yield 0.3
    hand.picture("look")
    first = shown.icon
    yield from hand.wait_while(lambda: running() and shown.icon == first)
    assert shown.icon not in (None, first), "there was only one"
    yield 0.3
    hand.picture("look-later")
    assert len(bpy.data.images) == images
    yield from hand.wait_while(running)
    landed(hand)
    assert shown.icon is None
    yield 1.0
    hand.picture("look-over")


def contents():
    """How much of everything there is that a take can land as."""
    scene = bpy.data.scenes["Scene"]
    tree = getattr(scene, "compositing_node_group", None) or getattr(scene, "node_tree", None)
    return (
        sorted(bpy.data.objects.keys()),
        sorted(bpy.data.materials.keys()),
        sorted((slot.material.name) for slot in bpy.data.objects["Cube"].material_slots),
        len(scene.camera.data.background_images),
        {name: len(strips_of(name)) for name in scenes() if bpy.data.scenes[name].sequence_editor},
        sorted(tree.nodes.keys()) if tree else None,
    )


def sequencer(hand):
    """Generates from a strip's frame in the sequencer's tab, and shows that take in the strip."""
    make_shot(hand.folder)
    assert hand.press("generate") == {"FINISHED"}
    yield from hand.wait_while(running)
    landed(hand)
    first = hand.status.take
    hand.press("show_take")
    yield from hand.show("SEQUENCE_EDITOR")
    edit = bpy.data.scenes["Scene edit"]
    assert hand.window.scene == edit
    editor = edit.sequence_editor
    strip = (editor.strips if hasattr(editor, "strips") else editor.sequences)[0]
    editor.active_strip = strip
    edit.frame_current = 1
    yield from hand.open_tab("SEQUENCE_EDITOR")
    hand.picture("sequencer")
    assert hand.press("still_from_strip", "SEQUENCE_EDITOR") == {"FINISHED"}
    settings = bpy.data.scenes["Scene"].depthshot
    assert settings.still_source == "IMAGE", settings.still_source
    yield 0.5
    if hand.can_point():
        hand.click(*hand.tall_button("SEQUENCE_EDITOR"))
        yield from hand.wait_while(lambda: not running())
        yield 1.0
        hand.picture("sequencer-running")
    else:
        with (
            hand.inside("SEQUENCE_EDITOR"),
            bpy.context.temp_override(scene=bpy.data.scenes["Scene"]),
        ):
            assert bpy.ops.depthshot.generate("INVOKE_DEFAULT") == {"FINISHED"}
    yield from hand.wait_while(running)
    landed(hand)
    second = hand.status.take
    assert second != first
    editor.active_strip = strip
    assert hand.press("replace_take", "SEQUENCE_EDITOR", folder=second) == {"FINISHED"}
    assert bpy.path.abspath(strip.directory).startswith(second), strip.directory
    yield 0.5
    yield from hand.manual("sequencer", hand.area("SEQUENCE_EDITOR"))
    assert hand.press("go_to_shot", "SEQUENCE_EDITOR") == {"FINISHED"}
    assert hand.window.scene.name == "Scene"
