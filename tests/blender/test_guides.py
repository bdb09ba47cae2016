"""Depth and flow against ray casts and arithmetic, and the things that could eat them."""

import bpy
import numpy as np
import pytest
from bl_ext.devrepo.depthshot.backend.errors import CaptureError
from bl_ext.devrepo.depthshot.scene.session import free_objects
from mathutils import Vector

from tests.blender import exr_pixels, shots


def bumpy(scene, seed=0, count=9):
    """Adds a landscape with steps: smooth in places, torn in others."""
    heights = np.random.default_rng(seed).uniform(0, 0.1, (count, count))
    points = [
        (x * 2 - count + 1, y * 2 - count + 1, heights[y, x])
        for y in range(count)
        for x in range(count)
    ]
    faces = [
        (y * count + x, y * count + x + 1, (y + 1) * count + x + 1, (y + 1) * count + x)
        for y in range(count - 1)
        for x in range(count - 1)
    ]
    return shots.add_mesh(scene, "Ground", points, faces)


def cast(scene, camera, size):
    """Planar depth (H, W) by ray casts through the pixel centres, +inf where nothing is hit."""
    width, height = size
    to_world = np.array(camera.transform_matrix)
    depsgraph = bpy.context.evaluated_depsgraph_get()
    found = np.full((height, width), np.inf)
    for y in range(height):
        for x in range(width):
            ray = np.array(
                [
                    (x + 0.5 - camera.cx) / camera.fl_x,
                    -(y + 0.5 - camera.cy) / camera.fl_y,
                    -1.0,
                ]
            )
            origin, direction = Vector(to_world[:3, 3]), Vector(to_world[:3, :3] @ ray)
            hit, place, *_ = scene.ray_cast(depsgraph, origin, direction)
            if hit:
                found[y, x] = (place - origin).length / direction.length
    return found


def even(depth, share=0.01):
    """Where the 3x3 neighbourhood is hit everywhere and spans less than `share` of its depth."""
    padded = np.pad(depth, 1, constant_values=np.inf)
    height, width = depth.shape
    around = np.stack([padded[y : y + height, x : x + width] for y in range(3) for x in range(3)])
    near, far = around.min(axis=0), around.max(axis=0)
    return far < near * (1 + share)  # never where both are infinite


def test_depth_is_planar_and_agrees_with_ray_casts(empty_scene, tmp_path):
    scene = shots.small(empty_scene, (160, 90))
    bumpy(scene)
    ball = shots.add_mesh(scene, "Shard", [(0, 0, 4), (1.5, 0, 4.5), (0, 1.2, 4.2)], [(0, 1, 2)])
    ball.rotation_euler = (0.1, 0.2, 0)
    camera = shots.add_camera(scene, location=(1, -3, 9), rotation=(18, 5, 12))
    camera.data.lens, camera.data.shift_x, camera.data.dof.use_dof = 20, 0.1, True
    camera.data.dof.aperture_fstop = 0.1
    shot = shots.shown(shots.capture(scene, tmp_path))
    depth = shot.depth()
    expected = cast(scene, shot.shot.cameras[0], shot.shot.size)
    checked = even(expected)
    assert checked.mean() > 0.3
    assert np.abs(depth[checked] / expected[checked] - 1).max() < 1e-4
    # Apart from silhouettes, what is hit is hit in both, and nothing lies between two surfaces.
    assert (np.isfinite(depth) == np.isfinite(expected)).mean() > 0.995
    assert 0.05 < np.isinf(depth).mean() < 0.9


def test_a_plane_facing_the_camera_has_one_depth(empty_scene, tmp_path):
    scene = shots.small(empty_scene)
    shots.add_plane(scene)
    shots.add_camera(scene, location=(0, 0, 8))
    depth = shots.shown(shots.capture(scene, tmp_path)).depth()
    assert np.abs(depth - 8).max() < 1e-5


@pytest.mark.parametrize("with_flow", [True, False])
def test_depth_is_in_metres_whatever_the_unit(empty_scene, tmp_path, with_flow):
    scene = shots.small(empty_scene)
    scene.unit_settings.scale_length = 0.01
    shots.add_plane(scene, half=100)
    shots.move(shots.add_camera(scene), "location", {1: (0, 0, 800), 2: (50, 0, 700)})
    finished = shots.capture(scene, tmp_path, end=2, with_flow=with_flow)
    shot = shots.shown(finished)
    hit = np.isfinite(shot.depth(0))
    assert 0.02 < hit.mean() < 0.5
    assert np.abs(shot.depth(0)[hit] - 8).max() < 1e-5
    assert np.abs(shot.depth(1)[np.isfinite(shot.depth(1))] - 7).max() < 1e-5
    assert shot.shot.cameras[1].transform_matrix[2][3] == pytest.approx(7)
    assert list(shot.shot.guides) == (["depth", "flow"] if with_flow else ["depth"])
    assert (finished.folder / "guides").exists() == with_flow


def lock_of(finished, index=0):
    """(H, W) of a captured lock guide: whether it is kept, as the backend reads it."""
    shot = finished.shot
    path = finished.folder / shot.guides["lock"][index]
    channels = exr_pixels.read(path)
    names = [name for name in channels if name.endswith(("IndexOB.X", "Object Index.X"))]
    (values,) = [channels[name] for name in names]
    return values == 0


def test_what_is_free_to_move_is_told_apart_from_all_else(empty_scene, tmp_path):
    scene = shots.small(empty_scene)
    scene.unit_settings.scale_length = 0.5  # depth then lies in files of its own
    ground = shots.add_plane(scene, half=100)
    ground.pass_index = 3  # the artist's own numbers say nothing
    free = bpy.data.collections.new("Water")
    inside = bpy.data.collections.new("Instanced")
    near = shots.add_plane(scene, half=0.5, location=(-2, 0, 1))
    for owner in near.users_collection:
        owner.objects.unlink(near)
    inside.objects.link(near)
    instance = bpy.data.objects.new("Pond", None)
    instance.instance_type, instance.instance_collection = "COLLECTION", inside
    free.objects.link(instance)
    scene.collection.children.link(free)
    shots.add_camera(scene, location=(0, 0, 8))
    objects = free_objects(free)
    assert objects == (("Pond", ""),)
    finished = shots.capture(scene, tmp_path, free=objects)
    kept = lock_of(finished)
    depth = shots.shown(finished).depth()
    assert 0 < (~kept).mean() < 0.2
    assert np.array_equal(~kept, depth < 3.9), "what is free is what stands nearer"
    assert finished.key != shots.capture(scene, tmp_path).key
    assert ground.pass_index == 3, "the session stays as it is"


def free_share(scene, collection, cache):
    """Returns how much of the first frame is free, and what the capture warns of."""
    finished = shots.capture(scene, cache, free=free_objects(collection))
    return float((~lock_of(finished)).mean()), finished.warnings


def small_plane(scene, collection, **placed):
    """A square that is in this collection alone."""
    plane = shots.add_plane(scene, half=0.5, **placed)
    for owner in plane.users_collection:
        owner.objects.unlink(plane)
    collection.objects.link(plane)
    return plane


@pytest.fixture
def wide(empty_scene):
    """A ground seen from above."""
    scene = shots.small(empty_scene)
    shots.add_plane(scene, half=100)
    shots.add_camera(scene, location=(0, 0, 8))
    return scene


@pytest.mark.parametrize("instanced", [False, True])
def test_what_is_linked_by_a_relative_path_can_be_free(wide, tmp_path, instanced):
    """The copy that is rendered lies elsewhere, and names the library in another way."""
    inner = bpy.data.collections.new("Pond")
    small_plane(wide, inner, location=(0, 0, 1))
    (tmp_path / "assets").mkdir()
    library = tmp_path / "assets/library.blend"
    bpy.data.libraries.write(str(library), {inner})
    for thing in list(inner.objects):
        bpy.data.objects.remove(thing)
    bpy.data.collections.remove(inner)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    with bpy.data.libraries.load(str(library), link=True, relative=True) as (_, linked):
        linked.collections = ["Pond"]
    (pond,) = linked.collections
    assert pond.library.filepath.startswith("//")
    free = bpy.data.collections.new("Free")
    wide.collection.children.link(free)
    if instanced:
        instance = bpy.data.objects.new("Instance", None)
        instance.instance_type, instance.instance_collection = "COLLECTION", pond
        free.objects.link(instance)
    else:
        free.children.link(pond)
    share, warnings = free_share(wide, free, tmp_path / "cache")
    assert 0.005 < share < 0.2
    assert not any("Free to Move" in each or "free to move" in each for each in warnings)


def test_what_is_scattered_is_free_with_what_scatters_it(wide, tmp_path):
    leaves = bpy.data.collections.new("Leaves")
    wide.collection.children.link(leaves)
    leaf = small_plane(wide, leaves)
    free = bpy.data.collections.new("Tree")
    wide.collection.children.link(free)
    branch = small_plane(wide, free, location=(0, 0, 1))
    branch.instance_type = "VERTS"
    leaf.parent = branch
    branch.show_instancer_for_render = False
    share, _ = free_share(wide, free, tmp_path)
    assert 0.01 < share < 0.3


def test_what_cannot_be_told_apart_is_said(wide, tmp_path):
    free = bpy.data.collections.new("Hidden")
    wide.collection.children.link(free)
    small_plane(wide, free, location=(0, 0, 1)).hide_render = True
    share, warnings = free_share(wide, free, tmp_path)
    assert share == 0
    assert any(
        "has a surface that is rendered, so all of the still is" in each for each in warnings
    )


def test_an_object_index_is_the_artists_own_unless_something_is_free(wide, tmp_path):
    """A material shows the plane by its index; what the still shows is what the guides show."""
    free = bpy.data.collections.new("Free")
    wide.collection.children.link(free)
    near = small_plane(wide, free, location=(0, 0, 4))
    other = small_plane(wide, wide.collection, location=(1, 0, 4))
    near.pass_index = other.pass_index = 1
    for thing in (near, other):
        tree, output = shots.add_material(thing)
        info = tree.nodes.new("ShaderNodeObjectInfo")
        mixed = tree.nodes.new("ShaderNodeMixShader")
        clear = tree.nodes.new("ShaderNodeBsdfTransparent")
        opaque = tree.nodes.new("ShaderNodeEmission")
        tree.links.new(info.outputs["Object Index"], mixed.inputs[0])
        tree.links.new(clear.outputs[0], mixed.inputs[1])
        tree.links.new(opaque.outputs[0], mixed.inputs[2])
        tree.links.new(mixed.outputs[0], output.inputs["Surface"])
    plain = shots.capture(wide, tmp_path)
    shown = (shots.shown(plain).depth() < 5).mean()
    marked = shots.capture(wide, tmp_path, free=free_objects(free))
    assert 0 < (shots.shown(marked).depth() < 5).mean() < shown
    assert any("sets the object index, which Material" in each for each in marked.warnings)
    assert not plain.warnings or not any("object index" in each for each in plain.warnings)


def test_an_empty_collection_has_nothing_to_move(empty_scene):
    free = bpy.data.collections.new("Water")
    with pytest.raises(CaptureError, match="“Water” that is free to move has no objects; put some"):
        free_objects(free)


def principled_volume(tree, output):
    fog = tree.nodes.new("ShaderNodeVolumeScatter")
    fog.inputs["Density"].default_value = 0.5
    tree.links.new(fog.outputs[0], output.inputs["Volume"])


def add_box(scene, name, half=3.0, location=(0, 0, 4)):
    bpy.ops.mesh.primitive_cube_add(size=2 * half, location=location)
    box = bpy.context.object
    box.name = name
    return box


def test_fog_does_not_eat_depth(empty_scene, tmp_path):
    scene = shots.small(empty_scene)
    shots.add_plane(scene)
    shots.add_camera(scene, location=(0, 0, 8))
    principled_volume(*shots.add_material(add_box(scene, "Fog", half=2), "Fog"))
    world = bpy.data.worlds.new("Mist")
    scene.world = world
    if bpy.app.version < (5, 0):
        world.use_nodes = True
    tree = world.node_tree
    output = next(n for n in tree.nodes if n.bl_idname == "ShaderNodeOutputWorld")
    principled_volume(tree, output)
    shots.add(scene, "Smoke", bpy.data.volumes.new("Smoke"))
    depth = shots.shown(shots.capture(scene, tmp_path)).depth()
    assert np.abs(depth - 8).max() < 1e-5


def test_fog_of_a_linked_material_does_not_eat_depth(empty_scene, tmp_path):
    library = tmp_path / "library.blend"
    principled_volume(*shots.add_material(add_box(empty_scene, "Fog", half=2), "Fog"))
    bpy.data.libraries.write(str(library), {bpy.data.objects["Fog"]})
    bpy.data.objects.remove(bpy.data.objects["Fog"])
    scene = shots.small(empty_scene)
    with bpy.data.libraries.load(str(library), link=True) as (_, wanted):
        wanted.objects = ["Fog"]
    scene.collection.objects.link(wanted.objects[0])
    shots.add_plane(scene)
    shots.add_camera(scene, location=(0, 0, 8))
    depth = shots.shown(shots.capture(scene, tmp_path / "cache")).depth()
    assert np.abs(depth - 8).max() < 1e-5


@pytest.mark.parametrize(("alpha", "expected"), [(0.0, 8.0), (0.3, 6.0), (1.0, 6.0)])
def test_holes_in_leaves_stay_open_and_the_rest_is_solid(empty_scene, tmp_path, alpha, expected):
    scene = shots.small(empty_scene)
    shots.add_plane(scene)
    leaf = shots.add_plane(scene, "Leaf", location=(0, 0, 2))
    tree, output = shots.add_material(leaf)
    shader = tree.nodes.new("ShaderNodeBsdfPrincipled")
    shader.inputs["Alpha"].default_value = alpha
    tree.links.new(shader.outputs[0], output.inputs["Surface"])
    shots.add_camera(scene, location=(0, 0, 8))
    depth = shots.shown(shots.capture(scene, tmp_path)).depth()
    assert np.abs(depth - expected).max() < 1e-5


def test_depth_is_the_nearest_over_the_layers_that_are_rendered(empty_scene, tmp_path):
    scene = shots.small(empty_scene)
    for height, name in enumerate(("Low", "Middle", "High", "Off")):
        collection = bpy.data.collections.new(name)
        scene.collection.children.link(collection)
        plane = shots.add_plane(scene, name, location=(0, 0, height))
        scene.collection.objects.unlink(plane)
        collection.objects.link(plane)
    first = scene.view_layers[0]
    second = scene.view_layers.new("Second")
    unused = scene.view_layers.new("Unused")
    unused.use = False
    for layer, names in ((first, "Low"), (second, "Middle")):
        for child in layer.layer_collection.children:
            child.exclude = child.name != names
    shots.add_camera(scene, location=(0, 0, 8))
    finished = shots.capture(scene, tmp_path)
    assert np.abs(shots.shown(finished).depth() - 7).max() < 1e-5


def test_flow_of_a_moving_camera_and_a_moving_thing(empty_scene, tmp_path):
    """A camera that moves by (0.5, 0.25), and a card that moves by (-1, 0.5) a frame."""
    scene = shots.small(empty_scene)
    shots.add_plane(scene)
    card = shots.add_plane(scene, "Card", half=0.4)
    shots.move(card, "location", {1: (1, -0.5, 4), 3: (-1, 0.5, 4)})
    camera = shots.add_camera(scene)
    shots.move(camera, "location", {1: (-0.5, -0.25, 8), 3: (0.5, 0.25, 8)})
    shot = shots.shown(shots.capture(scene, tmp_path, end=3, still=2))
    depth, flow = shot.depth(1), shot.flow(1)
    focal = shot.shot.cameras[1].fl_x
    # In the next frame a point is displaced by focal * (its move - the camera's move) / z.
    for z, move in ((8, (0, 0)), (4, (-1, 0.5))):
        there = np.abs(depth - z) < 1e-4
        assert there.any()
        u, v = focal * (move[0] - 0.5) / z, -focal * (move[1] - 0.25) / z
        assert np.abs(flow[there] - (-u, -v, u, v)).max() < 1e-3


def test_flow_is_not_known_beside_a_cut(empty_scene, tmp_path):
    scene = shots.small(empty_scene)
    shots.add_plane(scene)
    for frame, name in ((1, "A"), (3, "B")):
        camera = shots.add_camera(scene, location=(frame, 0, 8), name=name)
        scene.timeline_markers.new(name, frame=frame).camera = camera
    shot = shots.capture(scene, tmp_path, end=5)
    guides = shots.shown(shot).shot.guides
    assert [path is None for path in guides["flow"]] == [False, True, True, False, False]
    assert None not in guides["depth"]
