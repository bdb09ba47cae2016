"""What is captured again, and what is not: a kept capture is used only for the very same scene."""

import os
import shutil

import bpy
import pytest
from bl_ext.devrepo.depthshot.backend.bundle import pack, unpack
from bl_ext.devrepo.depthshot.backend.wire import read_shot
from bl_ext.devrepo.depthshot.scene import compat

from tests.blender import shots
from tests.blender.recaptures import again, furnish, write_texture


@pytest.fixture
def scene(empty_scene, tmp_path):
    return furnish(empty_scene, tmp_path)


def test_words_and_seed_render_nothing_again(scene, tmp_path):
    first = again(scene, tmp_path, prompt="rain", seed=1)
    guide = first.folder / "guides" / "0001.exr"
    made = guide.stat().st_mtime_ns
    second = again(scene, tmp_path, prompt="snow", negative_prompt="fog", seed=2, name="New")
    assert (first.reused, second.reused) == (False, True)
    assert second.folder == first.folder
    assert guide.stat().st_mtime_ns == made
    assert words(second.shot) == ("New", "snow", "fog", 2)
    assert words(first.shot) == ("shot", "rain", "", 1)
    kept_folders = [path.parent for path in (tmp_path / "cache").glob("*/shot.json")]
    assert kept_folders == [first.folder]


def words(shot):
    return shot.name, shot.prompt, shot.negative_prompt, shot.seed


def test_another_output_path_renders_nothing_again(scene, tmp_path):
    assert not again(scene, tmp_path).reused
    scene.render.filepath = str(tmp_path / "elsewhere" / "shot_")
    assert again(scene, tmp_path).reused


def test_what_is_kept_is_never_changed_again(scene, tmp_path):
    """Another Blender may be packing it just now."""
    first = again(scene, tmp_path, prompt="rain", negative_prompt="fog", seed=1, name="Hall")
    content = tree(first.folder)
    assert words(read_shot(first.folder)) == ("shot", "", "", 0)
    second = again(scene, tmp_path, prompt="snow", seed=2)
    assert second.reused
    assert tree(first.folder) == content
    for finished in (first, second):
        pack(finished.folder, tmp_path / "shot.zip", shot=finished.shot)
        got = unpack(tmp_path / "shot.zip", tmp_path / f"got{finished.shot.seed}")
        assert got == finished.shot


def test_two_that_capture_the_same_share_what_the_first_kept(scene, tmp_path):
    slower, faster = (shots.start(scene, tmp_path / "cache", end=2, seed=s) for s in (1, 2))
    shots.step_until(slower, lambda progress: progress.phase == "guides")
    shots.finish(faster)
    before = tree(faster.folder)
    inode = faster.folder.stat().st_ino
    shots.finish(slower)
    assert not (slower.reused or faster.reused)
    assert slower.folder == faster.folder
    assert (faster.folder.stat().st_ino, tree(faster.folder)) == (inode, before)
    assert (slower.shot.seed, faster.shot.seed) == (1, 2)


def tree(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def key_of(scene, tmp_path, **changes):
    """Returns what a capture says that it depends on, without rendering it."""
    running = shots.start(scene, tmp_path / "cache", **{"end": 2, **changes})
    shots.step_until(running, lambda progress: progress.phase != "starting")
    running.cancel()
    assert running.key is not None
    return running.key


def playhead(scene, tmp_path):
    scene.frame_set(4)


def selection(scene, tmp_path):
    for thing in scene.objects:
        thing.select_set(True)
    bpy.context.view_layer.objects.active = bpy.data.objects["Lamp"]


def own_settings(scene, tmp_path):
    # Where properties of an add-on lie: as if it had been used.
    if hasattr(scene, "bl_system_properties_get"):
        scene.bl_system_properties_get(do_create=True)["depthshot"] = {"prompt": "x", "seed": 3}
    else:
        scene["depthshot"] = {"prompt": "x", "seed": 3}


def a_take_in_another_scene(scene, tmp_path):
    other = bpy.data.scenes.new("Scene edit")
    length = {"length": 2} if bpy.app.version >= (5, 0) else {"frame_end": 3}
    strips = compat.strips(other.sequence_editor_create())
    strips.new_effect("take", type="COLOR", channel=1, frame_start=1, **length)


def a_take_in_this_scene(scene, tmp_path):
    length = {"length": 2} if bpy.app.version >= (5, 0) else {"frame_end": 3}
    strips = compat.strips(scene.sequence_editor_create())
    strips.new_effect("take", type="COLOR", channel=1, frame_start=1, **length)


def things_elsewhere(scene, tmp_path):
    other = bpy.data.scenes.new("Elsewhere")
    shots.add_plane(other, "Other")


def another_session(scene, tmp_path):
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "artist.blend"))


def look_and_back(scene, tmp_path):
    look(scene, tmp_path)
    scene.view_settings.look = "None"


def sets_look(scene, name):
    try:
        scene.view_settings.look = name
    except TypeError:  # the view transform has no such look
        return False
    return True


def view_and_back(scene, tmp_path):
    before = scene.view_settings.view_transform
    scene.view_settings.view_transform = "Filmic"
    scene.view_settings.view_transform = before
    scene.view_settings.look = "None"


def names_and_back(scene, tmp_path):
    for thing in (*scene.objects, *bpy.data.materials):
        before, thing.name = thing.name, f"{thing.name} of a much longer name"
        thing.name = before


def the_same_format(scene, tmp_path):
    scene.render.image_settings.file_format = "PNG"


def another_format(scene, tmp_path):
    settings = scene.render.image_settings
    settings.file_format, settings.color_mode = "JPEG", "BW"
    settings.quality, settings.compression = 40, 90


def another_linear_format(scene, tmp_path):
    settings = scene.render.image_settings
    settings.file_format, settings.color_depth, settings.exr_codec = "OPEN_EXR", "16", "PIZ"


def test_what_no_picture_shows_makes_no_difference(scene, tmp_path):
    key = key_of(scene, tmp_path)
    for change in (
        playhead,
        selection,
        own_settings,
        a_take_in_another_scene,
        a_take_in_this_scene,
        things_elsewhere,
        another_session,
        look_and_back,
        view_and_back,
        names_and_back,
        the_same_format,
        another_format,
        another_linear_format,
    ):
        change(scene, tmp_path)
        scene = bpy.data.scenes["Scene"]
        assert key_of(scene, tmp_path) == key, change.__name__


def moved_object(scene, tmp_path):
    bpy.data.objects["Plane"].location.x += 1e-3


def moved_vertex(scene, tmp_path):
    bpy.data.meshes["Plane"].vertices[2].co.z += 1e-3


def material(scene, tmp_path):
    nodes = bpy.data.materials["Material"].node_tree.nodes
    next(n for n in nodes if n.bl_idname == "ShaderNodeEmission").inputs[1].default_value = 1.01


def removed_link(scene, tmp_path):
    tree = bpy.data.materials["Material"].node_tree
    tree.links.remove(tree.links[0])


def texture_on_disk(scene, tmp_path):
    write_texture(tmp_path, 0.75)


def texture_of_the_same_size_and_time(scene, tmp_path):
    path = tmp_path / "texture.png"
    before = path.stat()
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def lamp(scene, tmp_path):
    bpy.data.lights["Lamp"].energy += 1


def modifier(scene, tmp_path):
    bpy.data.objects["Plane"].modifiers["Wave"].height += 0.01


def key_frame(scene, tmp_path):
    action = bpy.data.objects["Camera"].animation_data.action
    shots.curves(action)[0].keyframe_points[1].co.y += 0.01


def hidden(scene, tmp_path):
    bpy.data.objects["Plane"].hide_render = True


def world(scene, tmp_path):
    scene.world = bpy.data.worlds.new("World")


def exposure(scene, tmp_path):
    scene.view_settings.exposure = 0.5


def look(scene, tmp_path):
    assert any(sets_look(scene, name) for name in ("AgX - Punchy", "Punchy", "High Contrast"))


def override(scene, tmp_path):
    settings = scene.render.image_settings
    settings.color_management = "OVERRIDE"
    settings.view_settings.view_transform = "Raw"


def samples(scene, tmp_path):
    scene.cycles.samples = 2


def resolution(scene, tmp_path):
    scene.render.resolution_x = 34


def custom_property_that_may_drive(scene, tmp_path):
    bpy.data.objects["Plane"]["knob"] = 1.0


def registered_text(scene, tmp_path):
    bpy.data.texts.new("functions.py").write("value = 1")


def test_whatever_a_picture_may_show_makes_a_difference(scene, tmp_path):
    keys = {"nothing": key_of(scene, tmp_path)}
    for change in (
        moved_object,
        moved_vertex,
        material,
        removed_link,
        texture_on_disk,
        texture_of_the_same_size_and_time,
        lamp,
        modifier,
        key_frame,
        hidden,
        world,
        exposure,
        look,
        override,
        samples,
        resolution,
        custom_property_that_may_drive,
        registered_text,
    ):
        change(scene, tmp_path)
        keys[change.__name__] = key_of(scene, tmp_path)
    for settings in ({"end": 3}, {"still": 2}, {"supersample": 2}, {"with_flow": False}):
        keys[str(settings)] = key_of(scene, tmp_path, **settings)
    assert len(set(keys.values())) == len(keys), keys


def test_a_moved_object_is_rendered_again(scene, tmp_path):
    first = again(scene, tmp_path)
    moved_object(scene, tmp_path)
    second = again(scene, tmp_path)
    assert not second.reused
    assert second.folder != first.folder


def test_another_image_for_the_still_is_captured_again(scene, tmp_path):
    shutil.copyfile(tmp_path / "texture.png", tmp_path / "still.png")
    scene.render.resolution_x = scene.render.resolution_y = 16
    image = {"still_source": "IMAGE", "still_image": tmp_path / "still.png"}
    keys = [key_of(scene, tmp_path), *(key_of(scene, tmp_path, **image) for _ in range(2))]
    write_texture(tmp_path, 0.75)
    shutil.copyfile(tmp_path / "texture.png", tmp_path / "still.png")
    keys.append(key_of(scene, tmp_path, **image))
    assert keys[1] == keys[2]
    assert len(set(keys)) == 3


def test_a_damaged_capture_is_made_again(scene, tmp_path):
    first = again(scene, tmp_path)
    guide = first.folder / "guides" / "0002.exr"
    whole = guide.read_bytes()
    guide.write_bytes(whole[:100])
    second = again(scene, tmp_path)
    assert (second.reused, second.folder) == (False, first.folder)
    assert guide.stat().st_size == len(whole)
    guide.unlink()
    assert not again(scene, tmp_path).reused


def test_a_finished_capture_is_held_until_it_is_released(scene, tmp_path):
    bpy.data.objects["Plane"].modifiers.new("Cloth", "CLOTH")
    first = again(scene, tmp_path)
    second = again(scene, tmp_path)
    assert first.folder.is_dir() and first.folder != second.folder
    first.release()
    assert not first.folder.exists()
    assert second.folder.is_dir()


def test_a_library_on_disk_counts(scene, tmp_path):
    library = tmp_path / "library.blend"
    box = shots.add_plane(scene, "Box", half=1, location=(0, 0, 1))
    bpy.data.libraries.write(str(library), {box})
    bpy.data.objects.remove(box)
    with bpy.data.libraries.load(str(library), link=True) as (_, wanted):
        wanted.objects = ["Box"]
    scene.collection.objects.link(wanted.objects[0])
    keys = [key_of(scene, tmp_path), key_of(scene, tmp_path)]
    other = shots.add_plane(scene, "Other", half=2, location=(0, 0, 2))
    bpy.data.libraries.write(str(library), {other})
    bpy.data.objects.remove(other)
    keys.append(key_of(scene, tmp_path))
    assert keys[0] == keys[1] != keys[2]
