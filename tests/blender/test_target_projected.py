"""A take projected onto objects: the shot's camera sees the take, others see it on the objects."""

import json

import bpy
import numpy as np
import pytest
from bl_ext.devrepo.depthshot.backend.errors import TargetError
from bl_ext.devrepo.depthshot.scene.targets import projected
from mathutils import Vector

from tests.blender import takes, views
from tests.blender.views import FRAMES


def room(scene):
    """Adds a floor, a wall and a box that fill the moving camera's view; returns them."""
    bpy.ops.mesh.primitive_plane_add(size=80, location=(0, 0, 0))
    bpy.ops.mesh.primitive_plane_add(size=80, location=(0, 9, 0), rotation=(1.5708, 0, 0))
    bpy.ops.mesh.primitive_cube_add(size=2, location=(1, 3, 3), rotation=(0.2, 0.3, 0.5))
    made = list(scene.objects)[-3:]
    for item, name in zip(made, ("Floor", "Wall", "Box"), strict=True):
        item.name = name
    return made


def land(scene, folder, objects, **options):
    take, frames = views.make_take(folder, **options)
    place = json.dumps([item.name for item in objects])
    return projected.land(scene, folder, take, place=place), frames


def beside(scene):
    """Makes another camera the scene's: it stands still beside the shot's."""
    camera = bpy.data.objects.new("Beside", bpy.data.cameras.new("Beside"))
    camera.location = (-7, -2, 6)
    camera.rotation_euler = (1.2, 0, -0.8)
    scene.collection.objects.link(camera)
    scene.camera = camera
    return camera


@pytest.mark.parametrize("fit", ["AUTO", "VERTICAL"])
@pytest.mark.parametrize(("size", "aspect"), [((32, 18), (1, 1)), ((18, 32), (2, 1))])
def test_the_shots_camera_sees_the_take(empty_scene, tmp_path, fit, size, aspect):
    views.exact(empty_scene)
    empty_scene.render.resolution_x, empty_scene.render.resolution_y = size
    empty_scene.render.pixel_aspect_x, empty_scene.render.pixel_aspect_y = aspect
    views.moving_camera(empty_scene, fit=fit, scale=(0.5, 0.5, 0.5))
    landed, frames = land(empty_scene, tmp_path / "take", room(empty_scene), size=size)
    assert landed.where == "material “take” projected onto “Floor”, “Wall”, “Box”"
    assert landed.notes == ()
    for frame, picture in zip(FRAMES, frames, strict=True):
        rendered = takes.render(empty_scene, tmp_path / "r.png", frame)
        assert np.abs(rendered - picture.astype(int)).max() <= 3, frame


def test_its_border_is_as_bright_as_the_rest_under_a_wide_pixel_filter(empty_scene, tmp_path):
    views.exact(empty_scene)
    views.blurred(empty_scene)
    views.moving_camera(empty_scene)
    land(empty_scene, tmp_path / "take", room(empty_scene), grey=200)
    rendered = takes.render(empty_scene, tmp_path / "r.png", FRAMES[1])
    assert (rendered == 200).all()


def test_from_beside_each_point_has_the_pixel_that_the_shot_sees_it_at(empty_scene, tmp_path):
    """Where a pixel of another camera hits, in the shot's picture, by the scene's own rays."""
    views.exact(empty_scene)
    shot = views.moving_camera(empty_scene)
    _, frames = land(empty_scene, tmp_path / "take", room(empty_scene), smooth=True)
    other = beside(empty_scene)
    for frame, picture in zip(FRAMES, frames, strict=True):
        rendered = takes.render(empty_scene, tmp_path / "r.png", frame)
        graph = bpy.context.evaluated_depsgraph_get()
        compared = 0
        for v in range(1, 18, 2):
            for u in range(1, 32, 2):
                point = hit(empty_scene, graph, other, u, v)
                place = None if point is None else seen_at(shot.evaluated_get(graph), point)
                if place is None:
                    continue
                x, y = place
                if 1 <= x <= 30 and 1 <= y <= 16:
                    expected = smooth_at(picture, x, y)
                    assert np.abs(rendered[v, u] - expected).max() <= 3, (frame, u, v)
                    compared += 1
        assert compared > 15, frame


def hit(scene, graph, camera, u, v):
    """Returns the point that a pixel of a camera sees; the camera has no shift."""
    lens = camera.data
    direction = camera.matrix_world.to_3x3() @ Vector(
        (
            (u + 0.5 - 16) / 32 * lens.sensor_width / lens.lens,
            -(v + 0.5 - 9) / 32 * lens.sensor_width / lens.lens,
            -1,
        )
    )
    found, point, *_ = scene.ray_cast(graph, camera.matrix_world.translation, direction)
    return point if found else None


def seen_at(camera, point):
    """Returns a point's place in pixels by the formula of `scene.camera`; None behind it."""
    lens = camera.data
    local = camera.matrix_world.inverted() @ point
    if local.z >= 0:
        return None
    focal = lens.lens / lens.sensor_width * 32
    x = 16 - lens.shift_x * 32 + focal * local.x / -local.z
    y = 9 + lens.shift_y * 32 - focal * local.y / -local.z
    return x - 0.5, y - 0.5


def smooth_at(picture, x, y):
    """Returns the picture between its pixels, of which none is an edge."""
    left, top = int(x), int(y)
    p = picture.astype(float)
    across = [p[top + k, left] * (1 - x + left) + p[top + k, left + 1] * (x - left) for k in (0, 1)]
    return across[0] * (1 - y + top) + across[1] * (y - top)


def test_behind_the_camera_it_is_black(empty_scene, tmp_path):
    views.exact(empty_scene)
    shot = views.moving_camera(empty_scene)
    bpy.ops.mesh.primitive_plane_add(size=3)
    wall = bpy.context.object
    wall.parent = shot
    back = bpy.data.objects.new("Back", bpy.data.cameras.new("Back"))
    back.parent = shot
    empty_scene.collection.objects.link(back)
    land(empty_scene, tmp_path / "take", [wall], smooth=True)
    for z, turn in ((-8, 0), (8, np.pi)):
        wall.location, back.rotation_euler = (0, 0, z), (0, turn, 0)
        empty_scene.camera = back
        seen = takes.render(empty_scene, tmp_path / "r.png", FRAMES[0])[9, 16].max()
        assert (seen > 0) == (z < 0), z


def test_outside_the_cameras_picture_it_is_black(empty_scene, tmp_path):
    views.exact(empty_scene)
    views.moving_camera(empty_scene)
    floor, *_ = room(empty_scene)
    land(empty_scene, tmp_path / "take", [floor], smooth=True)
    camera = beside(empty_scene)
    camera.location, camera.rotation_euler = (0, -20, 10), (0.2, 0, 0)
    assert takes.render(empty_scene, tmp_path / "r.png", FRAMES[0]).max() == 0


def test_meshes_and_those_who_share_them_keep_their_materials(empty_scene, tmp_path):
    views.moving_camera(empty_scene)
    floor, wall, box = room(empty_scene)
    twin = box.copy()
    empty_scene.collection.objects.link(twin)
    red, blue = (bpy.data.materials.new(name) for name in ("Red", "Blue"))
    box.data.materials.append(red)
    box.data.materials.append(blue)
    box.data.polygons[2].material_index = 1
    own = bpy.data.materials.new("Own")
    floor.data.materials.append(red)
    floor.material_slots[0].link = "OBJECT"
    floor.material_slots[0].material = own
    landed, _ = land(empty_scene, tmp_path / "take", [floor, wall, box])
    made = bpy.data.materials["take"]
    for item in (floor, wall, box):
        assert {slot.material for slot in item.material_slots} == {made}
    assert [slot.material for slot in twin.material_slots] == [red, blue]
    assert list(box.data.materials) == [red, blue]
    assert box.data.polygons[2].material_index == 1
    assert own.use_fake_user
    (note,) = landed.notes
    assert note.startswith("The materials of “Floor”, “Box” are kept: choose Data")
    for slot in box.material_slots:
        slot.link = "DATA"
    assert [slot.material for slot in box.material_slots] == [red, blue]


def test_one_undo_step_gives_the_materials_back(empty_scene, tmp_path):
    views.moving_camera(empty_scene)
    objects = room(empty_scene)
    red = bpy.data.materials.new("Red")
    objects[2].data.materials.append(red)
    bpy.ops.ed.undo_push(message="before")
    land(empty_scene, tmp_path / "take", objects)
    bpy.ops.ed.undo_push(message="take")
    bpy.ops.ed.undo()
    scene = bpy.context.scene
    assert [slot.name for slot in scene.objects["Box"].material_slots] == ["Red"]
    assert len(scene.objects["Floor"].material_slots) == 0
    assert bpy.data.materials.keys() == ["Red"]


def test_the_selection_is_remembered_by_name(empty_scene, tmp_path):
    views.moving_camera(empty_scene)
    floor, wall, box = room(empty_scene)
    for item in empty_scene.objects:
        item.select_set(item in (floor, box) or item.type == "CAMERA")
    place = projected.selected(bpy.context)
    assert json.loads(place) == ["Floor", "Box"]
    assert projected.why_not(bpy.context) is None
    bpy.data.objects.remove(floor)
    wall.select_set(True)
    take, _ = views.make_take(tmp_path / "take")
    landed = projected.land(empty_scene, tmp_path / "take", take, place=place)
    assert landed.where.endswith("projected onto “Box”")
    assert landed.notes == ("The take is not on “Floor”: gone, linked, or no mesh any more.",)
    assert not wall.material_slots


def test_without_objects_it_says_so_and_changes_nothing(empty_scene, tmp_path):
    views.moving_camera(empty_scene)
    _, _, box = room(empty_scene)
    for item in empty_scene.objects:
        item.select_set(False)
    assert projected.why_not(bpy.context) == projected.NO_OBJECTS
    take, _ = views.make_take(tmp_path / "take")
    for place, reason in (("[]", "No mesh object is selected"), ('["Gone"]', "None of .*“Gone”")):
        with pytest.raises(TargetError, match=reason):
            projected.land(empty_scene, tmp_path / "take", take, place=place)
    assert not (bpy.data.images or bpy.data.materials)
    empty_scene.camera = None
    box.select_set(True)
    assert "has no camera" in projected.why_not(bpy.context)


def test_an_unevenly_scaled_camera_is_refused(empty_scene, tmp_path):
    camera = views.moving_camera(empty_scene)
    camera.parent = None
    camera.scale = (1, 2, 1)
    bpy.context.view_layer.update()
    with pytest.raises(TargetError, match="“Camera” is scaled unevenly"):
        land(empty_scene, tmp_path / "take", room(empty_scene))
    assert not bpy.data.images
