"""What a take in the compositor leaves as it was, and where its node goes."""

from itertools import pairwise

import bpy
import numpy as np
import pytest
from bl_ext.devrepo.depthshot.backend.errors import TakeError, TargetError
from bl_ext.devrepo.depthshot.scene import compat
from bl_ext.devrepo.depthshot.scene.targets import compositor

from tests.blender import composited, scene_hash, takes
from tests.blender.looks import look


@pytest.fixture
def scene(empty_scene):
    return composited.furnish(empty_scene)


def test_an_artists_tree_and_its_picture_stay_as_they_are(scene, tmp_path):
    tree = composited.artist_tree(scene)
    before = takes.render(scene, tmp_path / "before.png", 1)
    kept = composited.wiring(tree)
    state = composited.settings(scene)
    take, _ = composited.make_take(tmp_path / "take", takes.noise(2))
    landed = compositor.land(scene, tmp_path / "take", take)
    assert compat.compositor_tree(scene) == tree
    assert composited.wiring(tree) == kept
    assert composited.settings(scene) == state
    assert np.array_equal(takes.render(scene, tmp_path / "after.png", 1), before)
    assert before.std() > 10
    assert not any("had no compositor" in note for note in landed.notes)


@pytest.mark.parametrize("layers", [1, 2])
def test_a_scene_without_a_compositor_renders_as_before(scene, tmp_path, layers):
    if layers == 2:
        # The first layer that is rendered makes the picture, here the only one with the plane.
        things = bpy.data.collections.new("Things")
        scene.collection.children.link(things)
        things.objects.link(bpy.data.objects["Plane"])
        scene.collection.objects.unlink(bpy.data.objects["Plane"])
        scene.view_layers[0].use = False
        for name in ("Second", "Third"):
            scene.view_layers.new(name)
        for layer in (scene.view_layers[0], scene.view_layers["Third"]):
            layer.layer_collection.children["Things"].exclude = True
    before = takes.render(scene, tmp_path / "before.png", 1)
    take, _ = composited.make_take(tmp_path / "take", takes.noise(2))
    landed = compositor.land(scene, tmp_path / "take", take)
    assert np.array_equal(takes.render(scene, tmp_path / "after.png", 1), before)
    assert before.std() > 10
    told = "“Scene” had no compositor; it has one now that leaves its render as it is."
    assert told in landed.notes
    again = compositor.land(scene, tmp_path / "take", take)
    assert told not in again.notes


def test_the_layer_that_a_multilayer_render_gets_is_said(scene, tmp_path):
    compat.use_multilayer_exr(scene.render.image_settings)
    take, _ = composited.make_take(tmp_path / "take", takes.noise(1))
    landed = compositor.land(scene, tmp_path / "take", take)
    assert any("has a layer more, “Composite”" in note for note in landed.notes)
    again = compositor.land(scene, tmp_path / "take", take)
    assert not any("Composite”" in note for note in again.notes)


def test_a_compositor_that_is_switched_off_stays_off(scene, tmp_path):
    if bpy.app.version >= (5, 0):
        pytest.skip("a compositor cannot be switched off since Blender 5")
    tree = composited.artist_tree(scene)
    scene.use_nodes = False
    before = takes.render(scene, tmp_path / "before.png", 1)
    take, _ = composited.make_take(tmp_path / "take", takes.noise(1))
    landed = compositor.land(scene, tmp_path / "take", take)
    assert not scene.use_nodes
    assert any(node.type == "GROUP" for node in tree.nodes)
    assert np.array_equal(takes.render(scene, tmp_path / "after.png", 1), before)
    assert any("turn on its Use Nodes" in note for note in landed.notes)


def test_what_keeps_the_compositor_from_rendering_is_said(scene, tmp_path):
    take, _ = composited.make_take(tmp_path / "take", takes.noise(1))
    scene.render.use_compositing = False
    editor = scene.sequence_editor_create()
    compat.strips(editor).new_image("over", str(tmp_path / "take/frames/0001.png"), 1, 1)
    notes = compositor.land(scene, tmp_path / "take", take).notes
    assert any("Post Processing > Compositing" in note for note in notes)
    assert any("Post Processing > Sequencer" in note for note in notes)


def test_a_take_that_lands_again_is_the_same_group_at_a_spot_of_its_own(scene, tmp_path):
    one, _ = composited.make_take(tmp_path / "one", takes.noise(2))
    two, _ = composited.make_take(tmp_path / "two", takes.noise(2, seed=5))
    for name, take in (("one", one), ("one", one), ("two", two)):
        compositor.land(scene, tmp_path / name, take)
    nodes = list(compat.compositor_tree(scene).nodes)
    groups = [node.node_tree.name for node in nodes if node.type == "GROUP"]
    assert sorted(groups) == ["one", "one", "two"]
    assert len([image for image in bpy.data.images if image.source == "SEQUENCE"]) == 4
    spans = sorted((node.location.x, node.location.x + node.width) for node in nodes)
    assert all(left[1] < right[0] for left, right in pairwise(spans))


def test_frames_around_nodes_do_not_hide_the_free_spot(scene, tmp_path):
    tree = compat.pass_through(scene)
    frame = tree.nodes.new("NodeFrame")
    for node in list(tree.nodes):
        if node != frame:
            node.parent = frame
    frame.location = (-3000, 500)
    take, _ = composited.make_take(tmp_path / "take", takes.noise(1))
    compositor.land(scene, tmp_path / "take", take)
    node = composited.node_of(scene)
    assert node.parent is None
    assert node.location.x + node.width < -3000


def test_another_view_gets_another_group(scene, tmp_path):
    frames = takes.noise(1)
    take, _ = composited.make_take(tmp_path / "take", frames)
    compositor.land(scene, tmp_path / "take", take)
    look(scene, "Filmic")
    compositor.land(scene, tmp_path / "take", take)
    groups = [group for group in bpy.data.node_groups if group.name.startswith("take")]
    spaces = {
        node.image.colorspace_settings.name
        for group in groups
        for node in group.nodes
        if node.bl_idname == compat.COMPOSITOR_IMAGE
    }
    assert len(groups) == 2
    assert spaces == {"sRGB", "Filmic sRGB", "Non-Color"}


@pytest.mark.parametrize("lost", ["frames/0002.png", "mask/0001.png"])
def test_a_missing_picture_is_named_and_changes_nothing(scene, tmp_path, lost):
    take, _ = composited.make_take(tmp_path / "take", takes.noise(2))
    (tmp_path / "take" / lost).unlink()
    before = scene_hash.session_state()
    with pytest.raises(TakeError, match=lost):
        compositor.land(scene, tmp_path / "take", take)
    assert scene_hash.differences(before, scene_hash.session_state()) == []


def linked_scene(scene, path):
    """Writes the scene into a library and links it; returns the linked one."""
    scene.name = "Library"
    bpy.data.libraries.write(str(path), {scene})
    bpy.data.scenes.new("Own")
    bpy.data.scenes.remove(scene)
    with bpy.data.libraries.load(str(path), link=True) as (_, wanted):
        wanted.scenes = ["Library"]
    return bpy.data.scenes["Library"]


def test_a_linked_scene_is_refused_with_the_way_out(scene, tmp_path):
    assert compositor.why_not(bpy.context) is None
    linked = linked_scene(scene, tmp_path / "library.blend")
    take, _ = composited.make_take(tmp_path / "take", takes.noise(1))
    with pytest.raises(TargetError, match=r"linked from another file.*make the scene local"):
        compositor.land(linked, tmp_path / "take", take)
    assert compositor.why_not(bpy.context) is None
    with bpy.context.temp_override(scene=linked):
        assert "“Library” is linked" in compositor.why_not(bpy.context)
    assert len(bpy.data.images) == 0


def test_a_linked_compositor_is_refused_with_the_way_out(scene, tmp_path):
    if bpy.app.version < (5, 0):
        pytest.skip("before Blender 5 a compositor belongs to its scene")
    tree = composited.artist_tree(scene)
    tree.name = "House style"
    bpy.data.libraries.write(str(tmp_path / "library.blend"), {tree})
    bpy.data.node_groups.remove(tree)
    with bpy.data.libraries.load(str(tmp_path / "library.blend"), link=True) as (_, wanted):
        wanted.node_groups = ["House style"]
    scene.compositing_node_group = bpy.data.node_groups["House style"]
    take, _ = composited.make_take(tmp_path / "take", takes.noise(1))
    with pytest.raises(TargetError, match=r"“House style” is linked.*make it local"):
        compositor.land(scene, tmp_path / "take", take)


def test_one_undo_step_removes_everything(scene, tmp_path):
    bpy.ops.ed.undo_push(message="before")
    take, _ = composited.make_take(tmp_path / "take", takes.noise(2))
    compositor.land(scene, tmp_path / "take", take)
    bpy.ops.ed.undo_push(message="take")
    assert "take" in bpy.data.node_groups
    bpy.ops.ed.undo()
    assert compat.compositor_tree(bpy.data.scenes["Scene"]) is None
    assert list(bpy.data.node_groups) == []
    assert list(bpy.data.images) == []
    bpy.ops.ed.redo()
    composited.show(bpy.data.scenes["Scene"], "Image")
    picture = takes.read(tmp_path / "take/frames/0002.png")
    rendered = takes.render(bpy.data.scenes["Scene"], tmp_path / "r.png", 2)
    assert np.array_equal(rendered, picture)
