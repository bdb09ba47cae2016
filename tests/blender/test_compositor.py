"""Takes in the compositor, checked by rendering through it."""

from itertools import pairwise

import bpy
import numpy as np
import pytest
from bl_ext.devrepo.depthshot.backend.errors import TakeError, TargetError
from bl_ext.devrepo.depthshot.scene import compat
from bl_ext.devrepo.depthshot.scene.targets import compositor

from tests.blender import exr_pixels, scene_hash, shots, takes
from tests.blender.test_color import BOUNDS, look, through_the_view

SIZE = (32, 18)


@pytest.fixture
def scene(empty_scene):
    """A tiny scene with a plane, whose view shows colours as they are."""
    shots.small(empty_scene, SIZE)
    look(empty_scene, "Standard")
    shots.add_camera(empty_scene)
    shots.add_plane(empty_scene, half=1.5)
    bpy.data.lights.new("Sun", "SUN").energy = 3
    shots.add(empty_scene, "Sun", bpy.data.lights["Sun"])
    return empty_scene


def make_take(folder, frames, **options):
    """Writes a take whose masks are pictures of their own; returns them and its record."""
    take = takes.make_take(folder, frames, **options)
    masks = takes.noise(len(frames), size=take.size, seed=99)
    for index, mask in enumerate(masks):
        mask[..., 1:] = mask[..., :1]
        name = f"{take.frame_start + index:04d}.png"
        (folder / "mask" / name).write_bytes(takes.png(mask))
    return take, masks


def node_of(scene):
    """The one node of a take in the scene's compositor."""
    (node,) = [node for node in compat.compositor_tree(scene).nodes if node.type == "GROUP"]
    return node


def output(scene):
    """The socket that the scene's picture comes from."""
    kinds = ("CompositorNodeComposite", "NodeGroupOutput")
    (end,) = [node for node in compat.compositor_tree(scene).nodes if node.bl_idname in kinds]
    return end.inputs[0]


def show(scene, name):
    """Makes an output of the take's node the scene's picture."""
    compat.compositor_tree(scene).links.new(node_of(scene).outputs[name], output(scene))


def depth_through(scene, node, folder):
    """Renders; returns the values of the node's depth, (H, W)."""
    tree = compat.compositor_tree(scene)
    compat.write_channel(tree, node.outputs["Depth"], str(folder / "depth"))
    takes.render(scene, folder / "r.png", 1)
    (path,) = (folder / "depth").glob("*.exr")
    channels = exr_pixels.read(path)
    return channels["R"] if "R" in channels else next(iter(channels.values()))


def artist_tree(scene):
    """Gives the scene a compositor that changes its picture."""
    tree = compat.pass_through(scene)
    layers = next(node for node in tree.nodes if node.bl_idname == compat.RENDER_LAYERS)
    flipped = tree.nodes.new("CompositorNodeFlip")
    tree.links.new(layers.outputs["Image"], flipped.inputs[0])
    tree.links.new(flipped.outputs[0], output(scene))
    tree.nodes.active = flipped
    return tree


def settings(scene):
    """The plain values of everything that a scene renders with, and what else there is."""
    blocks = [scene, scene.render, scene.render.image_settings, scene.view_settings, scene.cycles]
    values = [
        (prop.identifier, repr(getattr(block, prop.identifier)))
        for block in [*blocks, *scene.view_layers, *scene.objects]
        for prop in block.bl_rna.properties
        if prop.type in ("BOOLEAN", "INT", "FLOAT", "STRING", "ENUM")
    ]
    kinds = ("objects", "materials", "worlds", "scenes", "actions", "texts", "movieclips")
    names = {kind: [block.name for block in getattr(bpy.data, kind)] for kind in kinds}
    selected = [thing.name for thing in scene.objects if thing.select_get()]
    return values, names, selected, bpy.context.view_layer.objects.active


def wiring(tree):
    """What an artist sees of a tree, apart from the take's node."""
    own = {node.name for node in tree.nodes if node.type == "GROUP"}
    nodes = {
        node.name: (node.location[:], node.select, node.mute, node.bl_idname)
        for node in tree.nodes
        if node.name not in own
    }
    links = [
        (link.from_node.name, link.from_socket.identifier, link.to_node.name)
        for link in tree.links
        if link.to_node.name not in own
    ]
    return nodes, links, tree.nodes.active.name


@pytest.mark.parametrize("start", [1, 7, 0, 1001, 9998])
def test_every_frame_is_at_its_place_and_the_ends_are_held(scene, tmp_path, start):
    frames = takes.noise(3)
    take, masks = make_take(tmp_path / "take", frames, start=start)
    landed = compositor.land(scene, tmp_path / "take", take)
    assert landed.scene == "Scene"
    assert landed.where == "the node “take” in the compositor of “Scene”"
    assert node_of(scene).node_tree.name == "take"
    before, after = max(start - 5, 0), start + 9
    shown = {before: 0, start: 0, start + 1: 1, start + 2: 2, after: 2}
    for output_name, pictures, view in (("Image", frames, "Standard"), ("Mask", masks, "Raw")):
        look(scene, view)
        show(scene, output_name)
        for frame, index in shown.items():
            rendered = takes.render(scene, tmp_path / "r.png", frame)
            assert np.array_equal(rendered, pictures[index]), f"{output_name}, frame {frame}"


VIEWS = [(view, grey) for view, grey in BOUNDS if view in ("Standard", "Filmic", "AgX")]


@pytest.mark.parametrize(("view_transform", "grey"), VIEWS)
def test_a_take_looks_as_it_was_made(scene, tmp_path, view_transform, grey):
    mean, largest = BOUNDS[view_transform, grey][0 if bpy.app.version >= (5, 0) else 1]
    look(scene, view_transform)
    picture = through_the_view(scene, tmp_path / "picture.png", grey=grey)
    scene.render.resolution_x, scene.render.resolution_y = picture.shape[1::-1]
    take, _ = make_take(tmp_path / "take", [picture])
    landed = compositor.land(scene, tmp_path / "take", take)
    show(scene, "Image")
    rendered = takes.render(scene, tmp_path / "r.png", 1)
    difference = np.abs(rendered - picture.astype(int))
    assert difference.mean() <= mean
    assert difference.max() <= largest
    assert not any("looks different" in note for note in landed.notes)


def test_what_has_no_inverse_is_said(scene, tmp_path):
    scene.view_settings.exposure = 1
    take, _ = make_take(tmp_path / "take", takes.noise(1))
    landed = compositor.land(scene, tmp_path / "take", take)
    assert any("an exposure of 1, so the take looks different" in note for note in landed.notes)


def test_an_artists_tree_and_its_picture_stay_as_they_are(scene, tmp_path):
    tree = artist_tree(scene)
    before = takes.render(scene, tmp_path / "before.png", 1)
    kept = wiring(tree)
    state = settings(scene)
    take, _ = make_take(tmp_path / "take", takes.noise(2))
    landed = compositor.land(scene, tmp_path / "take", take)
    assert compat.compositor_tree(scene) == tree
    assert wiring(tree) == kept
    assert settings(scene) == state
    assert np.array_equal(takes.render(scene, tmp_path / "after.png", 1), before)
    assert before.std() > 10
    assert not any("had no compositor" in note for note in landed.notes)


@pytest.mark.parametrize("layers", [1, 2])
def test_a_scene_without_a_compositor_renders_as_before(scene, tmp_path, layers):
    if layers == 2:
        # The first layer that is rendered makes the picture, here one without the plane.
        scene.view_layers[0].use = False
        for name in ("Second", "Third"):
            scene.view_layers.new(name)
        scene.view_layers["Second"].material_override = bpy.data.materials.new("Override")
    before = takes.render(scene, tmp_path / "before.png", 1)
    take, _ = make_take(tmp_path / "take", takes.noise(2))
    landed = compositor.land(scene, tmp_path / "take", take)
    assert np.array_equal(takes.render(scene, tmp_path / "after.png", 1), before)
    assert before.std() > 10
    told = "“Scene” had no compositor; it has one now that leaves its render as it is."
    assert told in landed.notes
    again = compositor.land(scene, tmp_path / "take", take)
    assert told not in again.notes


def test_a_compositor_that_is_switched_off_stays_off(scene, tmp_path):
    if bpy.app.version >= (5, 0):
        pytest.skip("a compositor cannot be switched off since Blender 5")
    tree = artist_tree(scene)
    scene.use_nodes = False
    before = takes.render(scene, tmp_path / "before.png", 1)
    take, _ = make_take(tmp_path / "take", takes.noise(1))
    landed = compositor.land(scene, tmp_path / "take", take)
    assert not scene.use_nodes
    assert any(node.type == "GROUP" for node in tree.nodes)
    assert np.array_equal(takes.render(scene, tmp_path / "after.png", 1), before)
    assert any("turn on its Use Nodes" in note for note in landed.notes)


def test_what_keeps_the_compositor_from_rendering_is_said(scene, tmp_path):
    take, _ = make_take(tmp_path / "take", takes.noise(1))
    scene.render.use_compositing = False
    editor = scene.sequence_editor_create()
    compat.strips(editor).new_image("over", str(tmp_path / "take/frames/0001.png"), 1, 1)
    notes = compositor.land(scene, tmp_path / "take", take).notes
    assert any("Post Processing > Compositing" in note for note in notes)
    assert any("Post Processing > Sequencer" in note for note in notes)


def test_the_shots_own_depth_pass_goes_through(scene, tmp_path):
    scene.view_layers[0].use_pass_z = True
    take, _ = make_take(tmp_path / "take", takes.noise(1))
    landed = compositor.land(scene, tmp_path / "take", take)
    assert not any("To composite by depth" in note for note in landed.notes)
    depth = depth_through(scene, node_of(scene), tmp_path)
    assert depth.shape == SIZE[::-1]
    assert depth[9, 16] == pytest.approx(8, abs=1e-4)
    assert depth[0, 0] >= 1e9


@pytest.mark.parametrize("reason", ["no pass", "two layers"])
def test_in_doubt_no_depth_is_linked_and_the_take_lies_behind_everything(scene, tmp_path, reason):
    scene.view_layers[0].use_pass_z = reason == "two layers"
    tree = compat.pass_through(scene)
    if reason == "two layers":
        tree.nodes.new(compat.RENDER_LAYERS).scene = scene
    take, _ = make_take(tmp_path / "take", takes.noise(1))
    landed = compositor.land(scene, tmp_path / "take", take)
    assert any("To composite by depth, link the Depth" in note for note in landed.notes)
    node = node_of(scene)
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
    take, _ = make_take(tmp_path / "take", takes.noise(2))
    metres = np.random.default_rng(4).uniform(0.5, 90, SIZE[::-1]).astype(np.float32)
    (tmp_path / "take/depth").mkdir()
    for frame in (1, 2):
        name = f"depth/{frame:04d}.exr"
        write_depth(tmp_path / "take" / name, metres if frame == 1 else metres * 2)
        take.files[name] = "0" * 64
    compositor.land(scene, tmp_path / "take", take)
    node = node_of(scene)
    assert len(node.inputs) == 0
    depth = depth_through(scene, node, tmp_path)
    assert np.allclose(depth, metres * 100, rtol=1e-5)


def test_a_render_of_another_size_gets_the_take_fitted_and_is_told(scene, tmp_path):
    frame = np.zeros((18, 32, 3), np.uint8)
    frame[:, :16] = 200
    take, _ = make_take(tmp_path / "take", [frame])
    scene.render.resolution_x, scene.render.resolution_y = 64, 50
    landed = compositor.land(scene, tmp_path / "take", take)
    told = "The take has 32 x 18 pixels and “Scene” renders 64 x 50: the node fits it in."
    assert told in landed.notes
    show(scene, "Image")
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
    take, _ = make_take(tmp_path / "take", frames)
    landed = compositor.land(scene, tmp_path / "take", take)
    assert not any("pixels" in note for note in landed.notes)
    show(scene, "Image")
    assert np.array_equal(takes.render(scene, tmp_path / "r.png", 1), frames[0])


def test_a_take_that_lands_again_is_the_same_group_at_a_spot_of_its_own(scene, tmp_path):
    one, _ = make_take(tmp_path / "one", takes.noise(2))
    two, _ = make_take(tmp_path / "two", takes.noise(2, seed=5))
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
    take, _ = make_take(tmp_path / "take", takes.noise(1))
    compositor.land(scene, tmp_path / "take", take)
    node = node_of(scene)
    assert node.parent is None
    assert node.location.x + node.width < -3000


def test_another_view_gets_another_group(scene, tmp_path):
    frames = takes.noise(1)
    take, _ = make_take(tmp_path / "take", frames)
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


def test_a_take_of_one_frame_is_held_for_ever(scene, tmp_path):
    frames = takes.noise(1)
    take, _ = make_take(tmp_path / "take", frames, start=5)
    compositor.land(scene, tmp_path / "take", take)
    show(scene, "Image")
    for frame in (1, 5, 6, 90):
        assert np.array_equal(takes.render(scene, tmp_path / "r.png", frame), frames[0])


@pytest.mark.parametrize("lost", ["frames/0002.png", "mask/0001.png"])
def test_a_missing_picture_is_named_and_changes_nothing(scene, tmp_path, lost):
    take, _ = make_take(tmp_path / "take", takes.noise(2))
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
    take, _ = make_take(tmp_path / "take", takes.noise(1))
    with pytest.raises(TargetError, match=r"linked from another file.*make the scene local"):
        compositor.land(linked, tmp_path / "take", take)
    assert compositor.why_not(bpy.context) is None
    with bpy.context.temp_override(scene=linked):
        assert "“Library” is linked" in compositor.why_not(bpy.context)
    assert len(bpy.data.images) == 0


def test_a_linked_compositor_is_refused_with_the_way_out(scene, tmp_path):
    if bpy.app.version < (5, 0):
        pytest.skip("before Blender 5 a compositor belongs to its scene")
    tree = artist_tree(scene)
    tree.name = "House style"
    bpy.data.libraries.write(str(tmp_path / "library.blend"), {tree})
    bpy.data.node_groups.remove(tree)
    with bpy.data.libraries.load(str(tmp_path / "library.blend"), link=True) as (_, wanted):
        wanted.node_groups = ["House style"]
    scene.compositing_node_group = bpy.data.node_groups["House style"]
    take, _ = make_take(tmp_path / "take", takes.noise(1))
    with pytest.raises(TargetError, match=r"“House style” is linked.*make it local"):
        compositor.land(scene, tmp_path / "take", take)


def test_one_undo_step_removes_everything(scene, tmp_path):
    bpy.ops.ed.undo_push(message="before")
    take, _ = make_take(tmp_path / "take", takes.noise(2))
    compositor.land(scene, tmp_path / "take", take)
    bpy.ops.ed.undo_push(message="take")
    assert "take" in bpy.data.node_groups
    bpy.ops.ed.undo()
    assert compat.compositor_tree(bpy.data.scenes["Scene"]) is None
    assert list(bpy.data.node_groups) == []
    assert list(bpy.data.images) == []
    bpy.ops.ed.redo()
    show(bpy.data.scenes["Scene"], "Image")
    picture = takes.read(tmp_path / "take/frames/0002.png")
    rendered = takes.render(bpy.data.scenes["Scene"], tmp_path / "r.png", 2)
    assert np.array_equal(rendered, picture)


def test_a_saved_file_finds_the_take_where_it_was_moved_to(scene, tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    frames = takes.noise(2)
    take, _ = make_take(tmp_path / "depthshot/take", frames)
    compositor.land(scene, tmp_path / "depthshot/take", take)
    show(scene, "Image")
    bpy.ops.wm.save_mainfile()
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (tmp_path / "depthshot").rename(moved / "depthshot")
    (tmp_path / "a.blend").rename(moved / "a.blend")
    bpy.ops.wm.open_mainfile(filepath=str(moved / "a.blend"))
    scene = bpy.data.scenes["Scene"]
    assert np.array_equal(takes.render(scene, tmp_path / "r.png", 2), frames[1])
