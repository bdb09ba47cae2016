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


@pytest.mark.skipif(bpy.app.version < (5, 0), reason="a scene's nodes cannot be removed before")
def test_the_first_take_in_the_compositor_renders_nothing_again(scene, tmp_path):
    compat.drop_compositor(scene)
    before = shots.capture(scene, tmp_path / "cache")
    take, _ = composited.make_take(tmp_path / "take", takes.noise(1))
    compositor.land(scene, tmp_path / "take", take)
    after = shots.capture(scene, tmp_path / "cache")
    assert (before.reused, after.reused) == (False, True)


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
