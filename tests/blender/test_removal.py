"""What stays when the extension goes: in Blender nothing, in the file what was made with it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import bpy
import pytest
from bl_ext.devrepo.depthshot.scene import compat
from bl_ext.devrepo.depthshot.scene.targets import TARGETS

from tests.blender import takes, traces, views

ROOT = Path(__file__).resolve().parents[2]

# Enabled, used in every way that needs no backend, and removed; twice, in one Blender.
SCRIPT = """
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from tools import with_extension

folder = Path(sys.argv[2])
resources = folder / "blender"
resources.mkdir()
with_extension.install(resources)

import addon_utils
import bpy
from tests.blender import traces

traces.watch_timers()
# Modules of others that the extension reads are not its own: as if another add-on had, too.
import concurrent.futures.thread, numpy, requests, sqlite3

before = traces.traces()
problems = []
for turn in range(2):
    with_extension.switch_on()
    assert traces.traces()["registered"], "or nothing was watched"
    scene = bpy.context.scene
    scene.depthshot.prompt = "a street"
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    bpy.ops.mesh.primitive_cube_add()
    for target in scene.depthshot.bl_rna.properties["target"].enum_items.keys():
        bpy.ops.depthshot.place_take(target=target, directory=str(folder / "take"))
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "shot.blend"))
    assert not bpy.ops.depthshot.cancel.poll()
    addon_utils.disable(with_extension.MODULE, default_set=True)
    after = traces.traces()
    problems += [
        f"{turn} {name}: {sign}{each}"
        for name in before
        for sign, found in (("+", after[name] - before[name]), ("-", before[name] - after[name]))
        for each in sorted(map(str, found))
    ]
    # What the file keeps, and it goes on without the extension.
    kept = traces.own_properties()
    scene.frame_set(scene.frame_current + 1)
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "without.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(folder / "without.blend"))
    assert traces.own_properties() == kept, (traces.own_properties(), kept)
    drivers = [
        f"{block.name}.{curve.data_path}"
        for blocks in (bpy.data.objects, bpy.data.cameras, bpy.data.materials, bpy.data.node_groups)
        for block in blocks
        for owner in (block, getattr(block, "node_tree", None))
        if owner is not None and owner.animation_data
        for curve in owner.animation_data.drivers
        if not curve.driver.is_valid
    ]
    assert drivers == [], drivers
assert problems == [], "\\n".join(problems)
import json
(folder / "kept.json").write_text(json.dumps(sorted(kept)))
with_extension.leave(0)
"""

# What the file keeps, and why: docs/manual/removal.md tells artists the same.
KEPT = {
    "SCENE: depthshot",  # the settings, there again when the extension is
    "SCENE: depthshot_edit_of",  # whose edit a scene is: the next take finds it
    "SCENE: depthshot_edit_view",
    "OBJECT: depthshot_plane",  # captures leave these two out
    "NODETREE: depthshot_take",
    "IMAGE: depthshot_shot",  # Find Take accepts no other take; strips have all four as well
    "IMAGE: depthshot_capture",
    "IMAGE: depthshot_take",
    "IMAGE: depthshot_made",
    "NODETREE: depthshot_pass_through",  # captures know it as a compositor that changes nothing
}


@pytest.fixture
def folder(tmp_path):
    """A finished take on disk."""
    return views.finished_take(tmp_path / "take")


def test_nothing_is_left_in_blender_and_in_the_file_only_what_is_meant_to_be(tmp_path, folder):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-P", str(script), str(ROOT), str(tmp_path)],
        env={**os.environ, "XDG_DATA_HOME": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    kept = set(json.loads((tmp_path / "kept.json").read_text()))
    assert kept - KEPT == set(), "the file keeps something that is not accounted for"
    assert {"SCENE: depthshot", "SCENE: depthshot_edit_of", "OBJECT: depthshot_plane"} <= kept


def remove_strip(scene):
    """As an artist who no longer wants the take: its edit scene goes."""
    bpy.data.scenes.remove(bpy.data.scenes[f"{scene.name} edit"])


def remove_texture(scene):
    # Both wait to be used, so they have a fake user, which an artist takes away.
    bpy.data.materials.remove(bpy.data.materials["take"])
    bpy.data.images["take frames"].use_fake_user = False


def remove_plane(scene):
    bpy.data.objects.remove(bpy.data.objects["take"])


def remove_projected(scene):
    cube = bpy.data.objects["Cube"]
    while cube.material_slots:
        with bpy.context.temp_override(object=cube, active_object=cube):
            bpy.ops.object.material_slot_remove()


def remove_background(scene):
    backgrounds = scene.camera.data.background_images
    backgrounds[0].image = None
    backgrounds.clear()


def remove_compositor(scene):
    tree = compat.compositor_tree(scene)
    (node,) = [node for node in tree.nodes if node.type == "GROUP"]
    tree.nodes.remove(node)


REMOVE = {
    "STRIP": remove_strip,
    "TEXTURE": remove_texture,
    "PLANE": remove_plane,
    "PROJECTED": remove_projected,
    "BACKGROUND": remove_background,
    "COMPOSITOR": remove_compositor,
}


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.ID)
def test_what_a_target_adds_can_be_removed_by_hand_and_purged(
    empty_scene, stored, tmp_path, folder, target
):
    stored.data_folder = str(tmp_path / "data")
    views.moving_camera(empty_scene)
    bpy.ops.mesh.primitive_cube_add()
    # The compositor that a scene without one gets is the scene's own and stays.
    if target.ID == "COMPOSITOR":
        compat.pass_through(empty_scene)
    before = traces.data()
    picture = takes.strips(empty_scene), len(empty_scene.objects)
    assert bpy.ops.depthshot.place_take(target=target.ID, directory=str(folder)) == {"FINISHED"}
    assert traces.data() - before, "it has landed"
    REMOVE[target.ID](empty_scene)
    bpy.ops.outliner.orphans_purge(do_local_ids=True, do_linked_ids=True, do_recursive=True)
    assert traces.data() == before
    assert (takes.strips(empty_scene), len(empty_scene.objects)) == picture
