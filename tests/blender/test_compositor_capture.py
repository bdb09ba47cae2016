"""A take in the compositor is no part of the scene's next capture."""

import bpy
import numpy as np
import pytest
from bl_ext.devrepo.depthshot.scene import compat
from bl_ext.devrepo.depthshot.scene.targets import compositor

from tests.blender import composited, shots, takes


@pytest.fixture
def scene(empty_scene, tmp_path):
    """A plane under a camera, its picture inverted by the compositor, saved."""
    composited.furnish(empty_scene)
    bpy.data.objects["Plane"].location.x = 2
    composited.artist_tree(empty_scene)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    return empty_scene


def still(finished):
    return takes.read(finished.folder / finished.shot.stills[0].image)


def warned(finished):
    return [line for line in finished.warnings if "shows an earlier take" in line]


def test_a_node_that_only_lies_there_leaves_the_still_as_it_was(scene, tmp_path):
    before = still(shots.capture(scene, tmp_path / "cache"))
    take, _ = composited.make_take(tmp_path / "take", takes.noise(1))
    compositor.land(scene, tmp_path / "take", take)
    after = shots.capture(scene, tmp_path / "cache")
    assert np.array_equal(still(after), before)
    assert warned(after) == []
    assert after.reused, "nothing of the shot has changed"


def test_the_first_take_in_the_compositor_renders_nothing_again(scene, tmp_path):
    scene = without_compositor(scene)
    before = shots.capture(scene, tmp_path / "cache")
    take, _ = composited.make_take(tmp_path / "take", takes.noise(1))
    compositor.land(scene, tmp_path / "take", take)
    after = shots.capture(scene, tmp_path / "cache")
    assert (before.reused, after.reused) == (False, True)


def without_compositor(scene):
    """The same shot in a scene that has never had a compositor: before Blender 5 one stays."""
    fresh = bpy.data.scenes.new("Fresh")
    for thing in scene.collection.objects:
        fresh.collection.objects.link(thing)
    shots.small(fresh, composited.SIZE).camera = scene.camera
    bpy.context.window.scene = fresh
    bpy.data.scenes.remove(scene)
    assert getattr(fresh, "node_tree", None) is None
    return fresh


def end(tree):
    """The node that the tree's picture ends in."""
    kinds = ("CompositorNodeComposite", "NodeGroupOutput")
    return next(node for node in tree.nodes if node.bl_idname in kinds)


def invert(scene, tree, layers):
    """Puts a node between that changes the picture."""
    node = tree.nodes.new("CompositorNodeInvert")
    tree.links.new(layers.outputs["Image"], node.inputs["Color"])
    tree.links.new(node.outputs[0], end(tree).inputs[0])


def other_layer(scene, tree, layers):
    """Shows a view layer that has nothing in it."""
    layer = scene.view_layers.new("Empty")
    for child in layer.layer_collection.children:
        child.exclude = True
    layer.samples = 1
    layers.layer = "Empty"


def mute(scene, tree, layers):
    """Cuts the picture off: it is black."""
    tree.links[0].is_muted = True


def alpha(scene, tree, layers):
    """Shows another output of the render."""
    tree.links.new(layers.outputs["Alpha"], end(tree).inputs[0])


@pytest.mark.parametrize("change", [invert, other_layer, mute, alpha])
def test_what_the_artist_makes_of_that_compositor_is_in_the_still(scene, tmp_path, change):
    scene = without_compositor(scene)
    take, _ = composited.make_take(tmp_path / "take", takes.noise(1))
    compositor.land(scene, tmp_path / "take", take)
    plain = shots.capture(scene, tmp_path / "cache")
    tree = compat.compositor_tree(scene)
    layers = next(node for node in tree.nodes if node.bl_idname == compat.RENDER_LAYERS)
    if change is other_layer:
        things = bpy.data.collections.new("Things")
        scene.collection.children.link(things)
        for thing in [each for each in scene.collection.objects if each != scene.camera]:
            things.objects.link(thing)
            scene.collection.objects.unlink(thing)
    change(scene, tree, layers)
    changed = shots.capture(scene, tmp_path / "cache")
    assert not changed.reused
    seen = takes.render(scene, tmp_path / "seen.png", 1)
    assert np.abs(still(changed) - seen).max() <= 1
    assert np.abs(still(changed) - still(plain)).mean() > 10


def test_a_compositor_that_is_switched_off_makes_no_difference(scene, tmp_path):
    scene = without_compositor(scene)
    shots.capture(scene, tmp_path / "cache")
    composited.artist_tree(scene)
    changed = shots.capture(scene, tmp_path / "cache")
    assert not changed.reused
    compat.drop_compositor(scene)
    assert shots.capture(scene, tmp_path / "cache").reused


def test_a_take_in_the_picture_is_not_in_the_still(scene, tmp_path):
    changed = takes.render(scene, tmp_path / "inverted.png", 1)
    scene.render.use_compositing = False
    plain = takes.render(scene, tmp_path / "plain.png", 1)
    scene.render.use_compositing = True
    assert np.abs(plain - changed).mean() > 10
    take, _ = composited.make_take(tmp_path / "take", takes.noise(1))
    compositor.land(scene, tmp_path / "take", take)
    tree = compat.compositor_tree(scene)
    tree.links.new(composited.node_of(scene).outputs["Image"], tree.nodes.active.inputs["Color"])
    finished = shots.capture(scene, tmp_path / "cache")
    assert warned(finished) == [
        "The compositor of “Scene” shows an earlier take, so the shot was rendered without it."
    ]
    assert np.abs(still(finished) - plain).max() <= 1
    assert scene.render.use_compositing
    assert composited.node_of(scene).node_tree.name == "take"
