"""What a take's node in the compositor gives, checked by rendering through it."""

import bpy
import numpy as np
import pytest
from bl_ext.devrepo.depthshot.scene import compat
from bl_ext.devrepo.depthshot.scene.targets import compositor

from tests.blender import composited, takes
from tests.blender.looks import BOUNDS, bounds_of, look, through_the_view


@pytest.fixture
def scene(empty_scene):
    return composited.furnish(empty_scene)


@pytest.mark.parametrize("start", [1, 7, 0, 1001, 9998])
def test_every_frame_is_at_its_place_and_the_ends_are_held(scene, tmp_path, start):
    frames = takes.noise(3)
    take, masks = composited.make_take(tmp_path / "take", frames, start=start)
    landed = compositor.land(scene, tmp_path / "take", take)
    assert landed.scene == "Scene"
    assert landed.where == "the node “take” in the compositor of “Scene”"
    assert composited.node_of(scene).node_tree.name == "take"
    before, after = max(start - 5, 0), start + 9
    shown = {before: 0, start: 0, start + 1: 1, start + 2: 2, after: 2}
    for output_name, pictures, view in (("Image", frames, "Standard"), ("Mask", masks, "Raw")):
        look(scene, view)
        composited.show(scene, output_name)
        for frame, index in shown.items():
            rendered = takes.render(scene, tmp_path / "r.png", frame)
            assert np.array_equal(rendered, pictures[index]), f"{output_name}, frame {frame}"


VIEWS = [(view, grey) for view, grey in BOUNDS if view in ("Standard", "Filmic", "AgX")]


@pytest.mark.parametrize(("view_transform", "grey"), VIEWS)
def test_a_take_looks_as_it_was_made(scene, tmp_path, view_transform, grey):
    mean, largest = bounds_of(view_transform, grey)
    look(scene, view_transform)
    picture = through_the_view(scene, tmp_path / "picture.png", grey=grey)
    scene.render.resolution_x, scene.render.resolution_y = picture.shape[1::-1]
    take, _ = composited.make_take(tmp_path / "take", [picture])
    landed = compositor.land(scene, tmp_path / "take", take)
    composited.show(scene, "Image")
    rendered = takes.render(scene, tmp_path / "r.png", 1)
    difference = np.abs(rendered - picture.astype(int))
    assert difference.mean() <= mean
    assert difference.max() <= largest
    assert not any("looks different" in note for note in landed.notes)


def test_what_has_no_inverse_is_said(scene, tmp_path):
    scene.view_settings.exposure = 1
    take, _ = composited.make_take(tmp_path / "take", takes.noise(1))
    landed = compositor.land(scene, tmp_path / "take", take)
    assert any("an exposure of 1, so the take looks different" in note for note in landed.notes)


def test_the_shots_own_depth_pass_goes_through(scene, tmp_path):
    scene.view_layers[0].use_pass_z = True
    take, _ = composited.make_take(tmp_path / "take", takes.noise(1))
    landed = compositor.land(scene, tmp_path / "take", take)
    assert not any("To composite by depth" in note for note in landed.notes)
    depth = composited.depth_through(scene, composited.node_of(scene), tmp_path)
    assert depth.shape == composited.SIZE[::-1]
    assert depth[9, 16] == pytest.approx(8, abs=1e-4)
    assert depth[0, 0] >= 1e9


@pytest.mark.parametrize("reason", ["no pass", "two layers"])
def test_in_doubt_no_depth_is_linked_and_the_take_lies_behind_everything(scene, tmp_path, reason):
    scene.view_layers[0].use_pass_z = reason == "two layers"
    tree = compat.pass_through(scene)
    if reason == "two layers":
        tree.nodes.new(compat.RENDER_LAYERS).scene = scene
    take, _ = composited.make_take(tmp_path / "take", takes.noise(1))
    landed = compositor.land(scene, tmp_path / "take", take)
    assert any("To composite by depth, link the Depth" in note for note in landed.notes)
    node = composited.node_of(scene)
    assert not node.inputs["Depth"].is_linked
    assert node.inputs["Depth"].default_value == pytest.approx(1e10)


def write_depth(path, values):
    """Writes (H, W) metres, first row at the top, as a float EXR with Blender itself."""
    height, width = values.shape
    image = bpy.data.images.new("depth", width, height, float_buffer=True)
    image.colorspace_settings.name = "Non-Color"
    pixels = np.ones((height, width, 4), np.float32)
    pixels[..., :3] = values[::-1, :, None]
    image.pixels.foreach_set(pixels.ravel())
    image.file_format = "OPEN_EXR"
    image.filepath_raw = str(path)
    image.save()
    bpy.data.images.remove(image)


def test_a_takes_own_depth_comes_out_in_the_units_of_the_depth_pass(scene, tmp_path):
    scene.unit_settings.scale_length = 0.01
    take, _ = composited.make_take(tmp_path / "take", takes.noise(2))
    metres = np.random.default_rng(4).uniform(0.5, 90, composited.SIZE[::-1]).astype(np.float32)
    (tmp_path / "take/depth").mkdir()
    for frame in (1, 2):
        name = f"depth/{frame:04d}.exr"
        write_depth(tmp_path / "take" / name, metres if frame == 1 else metres * 2)
        take.files[name] = "0" * 64
    compositor.land(scene, tmp_path / "take", take)
    node = composited.node_of(scene)
    assert len(node.inputs) == 0
    depth = composited.depth_through(scene, node, tmp_path)
    assert np.allclose(depth, metres * 100, rtol=1e-5)


def test_a_render_of_another_size_gets_the_take_fitted_and_is_told(scene, tmp_path):
    frame = np.zeros((18, 32, 3), np.uint8)
    frame[:, :16] = 200
    take, _ = composited.make_take(tmp_path / "take", [frame])
    scene.render.resolution_x, scene.render.resolution_y = 64, 50
    landed = compositor.land(scene, tmp_path / "take", take)
    told = "The take has 32 x 18 pixels and “Scene” renders 64 x 50: the node fits it in."
    assert told in landed.notes
    composited.show(scene, "Image")
    rendered = takes.render(scene, tmp_path / "r.png", 1)
    assert rendered.shape == (50, 64, 3)
    # 64 x 36, in the middle.
    assert (rendered[10:40, 2:28] == 200).all()
    assert not rendered[:, 36:].any()
    assert not rendered[:6].any()
    assert not rendered[44:].any()


def test_the_size_that_is_rendered_counts(scene, tmp_path):
    scene.render.resolution_x, scene.render.resolution_y = 64, 36
    scene.render.resolution_percentage = 50
    frames = takes.noise(1)
    take, _ = composited.make_take(tmp_path / "take", frames)
    landed = compositor.land(scene, tmp_path / "take", take)
    assert not any("pixels" in note for note in landed.notes)
    composited.show(scene, "Image")
    assert np.array_equal(takes.render(scene, tmp_path / "r.png", 1), frames[0])


def test_a_take_of_one_frame_is_held_for_ever(scene, tmp_path):
    frames = takes.noise(1)
    take, _ = composited.make_take(tmp_path / "take", frames, start=5)
    compositor.land(scene, tmp_path / "take", take)
    composited.show(scene, "Image")
    for frame in (1, 5, 6, 90):
        assert np.array_equal(takes.render(scene, tmp_path / "r.png", frame), frames[0])


def test_a_saved_file_finds_the_take_where_it_was_moved_to(scene, tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    frames = takes.noise(2)
    take, _ = composited.make_take(tmp_path / "depthshot/take", frames)
    compositor.land(scene, tmp_path / "depthshot/take", take)
    composited.show(scene, "Image")
    bpy.ops.wm.save_mainfile()
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (tmp_path / "depthshot").rename(moved / "depthshot")
    (tmp_path / "a.blend").rename(moved / "a.blend")
    bpy.ops.wm.open_mainfile(filepath=str(moved / "a.blend"))
    scene = bpy.data.scenes["Scene"]
    assert np.array_equal(takes.render(scene, tmp_path / "r.png", 2), frames[1])
