"""What reads data that nobody can list: such a capture is never used a second time."""

import bpy
import pytest
from bl_ext.devrepo.depthshot.backend.wire import read_shot
from bl_ext.devrepo.depthshot.scene import simulations, unknowable

from tests.blender import shots


@pytest.fixture
def scene(empty_scene):
    scene = shots.small(empty_scene, (32, 18))
    shots.add_plane(scene, half=3)
    shots.move(shots.add_camera(scene), "location", {1: (0, 0, 8), 5: (2, 0, 8)})
    return scene


def key_of(scene, tmp_path):
    """Returns what a capture says that it depends on, None where that cannot be known."""
    running = shots.start(scene, tmp_path / "cache", end=2)
    shots.step_until(running, lambda progress: progress.phase != "starting")
    running.cancel()
    return running.key


def reopened(path):
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.open_mainfile(filepath=str(path), use_scripts=True)
    return bpy.data.scenes["Scene"]


def drive(thing, expression):
    driver = thing.driver_add("location", 0).driver
    driver.type, driver.expression = "SCRIPTED", expression


def test_a_driver_that_reads_data_without_a_pointer_to_it(scene, tmp_path):
    """At the first frame it gives the same whatever that data is."""
    control = bpy.data.objects.new("Control", None)
    control.use_fake_user, control["speed"] = True, 1.0
    scene.camera.animation_data_clear()
    drive(scene.camera, "(frame - 1) * bpy.data.objects['Control']['speed']")
    scene = reopened(tmp_path / "artist.blend")
    xs = []
    for speed in (1.0, 5.0):
        bpy.data.objects["Control"]["speed"] = speed
        scene.camera.update_tag()
        finished = shots.capture(scene, tmp_path / "cache", end=2)
        assert (finished.key, finished.reused) == (None, False)
        xs.append(read_shot(finished.folder).cameras[1].transform_matrix[0][3])
    assert xs == [1, 5]


def test_a_driver_within_a_material(scene, tmp_path):
    tree, _ = shots.add_material(bpy.data.objects["Plane"])
    tree.nodes.new("ShaderNodeValue")
    driver = tree.nodes[-1].outputs[0].driver_add("default_value").driver
    driver.type, driver.expression = "SCRIPTED", "len(bpy.data.objects)"
    assert "the scripted driver of" in unknowable.unknowable_input()


def test_simple_expressions_are_no_obstacle(scene, tmp_path):
    scene.camera.animation_data_clear()
    drive(scene.camera, "frame * 0.5")
    assert key_of(scene, tmp_path) is not None


def test_a_registered_text(scene, tmp_path):
    text = bpy.data.texts.new("notes")
    assert key_of(scene, tmp_path) is not None
    text.use_module = True
    assert key_of(scene, tmp_path) is None


def follow_control(scene, *_):
    """A handler as an add-on has it."""


@pytest.mark.parametrize("kind", ["frame_change_pre", "depsgraph_update_post", "render_pre"])
def test_a_handler_of_an_addon(scene, kind):
    assert unknowable.unknowable_input() is None
    handlers = getattr(bpy.app.handlers, kind)
    handlers.append(follow_control)
    try:
        assert unknowable.unknowable_input() == f"the handler follow_control in {kind}"
    finally:
        handlers.remove(follow_control)


def test_an_import_node(scene):
    """Its path is a value that no list of Blender's files holds."""
    if not hasattr(bpy.types, "GeometryNodeImportOBJ"):
        pytest.skip("no import nodes in this Blender")
    tree = bpy.data.node_groups.new("Nodes", "GeometryNodeTree")
    tree.nodes.new("GeometryNodeImportOBJ")
    assert "which reads a file" in unknowable.unknowable_input()


def test_freestyle_scripts(scene):
    scene.view_layers[0].freestyle_settings.mode = "SCRIPT"
    assert unknowable.unknowable_input() is None
    scene.render.use_freestyle = True
    assert "Freestyle scripts" in unknowable.unknowable_input()


def cloth(thing):
    thing.modifiers.new("Cloth", "CLOTH")


def hair(thing):
    thing.modifiers.new("Hair", "PARTICLE_SYSTEM")
    thing.particle_systems[0].settings.type = "HAIR"
    assert simulations.simulated([thing], []) == []
    thing.particle_systems[0].use_hair_dynamics = True


def sparks(thing):
    thing.modifiers.new("Sparks", "PARTICLE_SYSTEM")


@pytest.mark.parametrize("simulate", [cloth, hair, sparks])
@pytest.mark.parametrize("within", ["scene", "instance"])
def test_simulations_are_named_and_never_used_again(scene, tmp_path, simulate, within):
    """They depend on caches that no list of files names."""
    thing = bpy.data.objects["Plane"]
    if within == "instance":
        thing = shots.add_plane(scene, "Inner", half=1)
        scene.collection.objects.unlink(thing)
        inner, outer = (bpy.data.collections.new(name) for name in ("inner", "outer"))
        inner.objects.link(thing)
        middle = bpy.data.objects.new("middle", None)
        middle.instance_type, middle.instance_collection = "COLLECTION", inner
        outer.objects.link(middle)
        empty = shots.add(scene, "Instance", None)
        empty.instance_type, empty.instance_collection = "COLLECTION", outer
    simulate(thing)
    running = shots.start(scene, tmp_path / "cache", end=2)
    shots.step_until(running, lambda progress: progress.phase != "starting")
    running.cancel()
    assert running.key is None
    (warning,) = running.warnings
    assert f"Simulated: {thing.name};" in warning


def test_simulations_of_another_scene_are_not_named(scene, tmp_path):
    other = bpy.data.scenes.new("Other")
    cloth(shots.add_plane(other, "Flag"))
    assert "Flag" not in [thing.name for thing in simulations.shown_objects(scene)]
    assert [thing.name for thing in simulations.shown_objects(other)] == ["Flag"]
