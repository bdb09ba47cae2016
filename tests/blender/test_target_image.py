"""A take's pictures as an image sequence: which picture at which frame, and loaded how often."""

import bpy
import numpy as np
import pytest
from bl_ext.devrepo.depthshot.backend.errors import TakeError, TargetError
from bl_ext.devrepo.depthshot.backend.take import frame_name
from bl_ext.devrepo.depthshot.scene.targets.image import load_sequence, show_frames

from tests.blender import takes


def greys(count):
    """Returns pictures of one grey each, 40, 60, 80, …"""
    return [np.full((8, 8, 3), 40 + 20 * index, np.uint8) for index in range(count)]


def load(folder, take, *, kind="frames", color_space="sRGB"):
    return load_sequence(folder, take, kind=kind, color_space=color_space, name="The take")


def fill_view(scene, image, take):
    """Makes the scene's render nothing but the image."""
    scene.view_settings.view_transform = "Standard"
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 1
    scene.cycles.use_denoising = False
    scene.render.resolution_x = scene.render.resolution_y = 8
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.location.z = 1
    scene.collection.objects.link(camera)
    scene.camera = camera
    bpy.ops.mesh.primitive_plane_add(size=10)
    material = bpy.data.materials.new("Material")
    bpy.context.object.data.materials.append(material)
    material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    texture = tree.nodes.new("ShaderNodeTexImage")
    texture.image = image
    show_frames(texture.image_user, take)
    emission = tree.nodes.new("ShaderNodeEmission")
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    tree.links.new(texture.outputs["Color"], emission.inputs["Color"])
    tree.links.new(emission.outputs["Emission"], output.inputs["Surface"])


@pytest.mark.parametrize(("start", "count"), [(0, 3), (1, 3), (7, 1), (0, 1), (1001, 2), (9999, 2)])
def test_every_frame_shows_its_own_picture_and_the_ends_are_held(
    empty_scene, tmp_path, start, count
):
    take = takes.make_take(tmp_path / "take", greys(count), start=start)
    fill_view(empty_scene, load(tmp_path / "take", take), take)
    for frame in range(start - 2, start + count + 2):
        expected = 40 + 20 * min(max(frame - start, 0), count - 1)
        rendered = takes.render(empty_scene, tmp_path / "r.png", frame)
        assert (rendered == expected).all(), (frame, rendered[4, 4], expected)


def test_the_same_files_are_loaded_once_for_each_meaning(empty_scene, tmp_path):
    take = takes.make_take(tmp_path / "take", greys(2))
    first = load(tmp_path / "take", take)
    assert (first.name, first.source) == ("The take", "SEQUENCE")
    assert load(tmp_path / "take", take) == first
    other = load(tmp_path / "take", take, color_space="Filmic sRGB")
    assert other.colorspace_settings.name == "Filmic sRGB"
    assert first.colorspace_settings.name == "sRGB"
    mask = load(tmp_path / "take", take, kind="mask", color_space="Non-Color")
    assert len({first, other, mask}) == len(bpy.data.images) == 3


def test_an_artists_own_still_of_the_first_frame_is_left_alone(empty_scene, tmp_path):
    take = takes.make_take(tmp_path / "take", greys(2))
    own = bpy.data.images.load(str(tmp_path / "take/frames/0001.png"))
    assert load(tmp_path / "take", take) != own
    assert own.source == "FILE"


def test_the_path_is_relative_when_the_file_is_saved(empty_scene, tmp_path):
    take = takes.make_take(tmp_path / "depthshot/take", greys(2))
    absolute = load(tmp_path / "depthshot/take", take)
    assert absolute.filepath == str(tmp_path / "depthshot/take/frames/0001.png")
    bpy.data.images.remove(absolute)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    relative = load(tmp_path / "depthshot/take", take)
    assert relative.filepath == "//depthshot/take/frames/0001.png"
    assert load(tmp_path / "depthshot/take", take) == relative


@pytest.mark.parametrize("kind", ["frames", "mask", "depth"])
def test_a_missing_picture_is_named_and_changes_nothing(empty_scene, tmp_path, kind):
    take = takes.make_take(tmp_path / "take", greys(3))
    lost = tmp_path / "take" / kind / frame_name(2, ".exr" if kind == "depth" else ".png")
    lost.unlink(missing_ok=True)
    name = "depth/0001.exr" if kind == "depth" else f"{kind}/0002.png"
    with pytest.raises(TakeError, match=f"The take has lost '{name}'; generate it again."):
        load(tmp_path / "take", take, kind=kind)
    assert len(bpy.data.images) == 0


def test_frames_below_zero_are_refused_because_blender_cannot_count_them(empty_scene, tmp_path):
    take = takes.make_take(tmp_path / "take", greys(3), start=-2)
    with pytest.raises(TargetError, match=r"begins at frame -2, .* frames below 0"):
        load(tmp_path / "take", take)
    assert len(bpy.data.images) == 0
