"""The still: the artist's own picture, whatever the file is made of; or an image file."""

import bpy
import numpy as np
import pytest
from bl_ext.devrepo.depthshot.backend.errors import CaptureError
from bl_ext.devrepo.depthshot.backend.wire import read_shot
from bl_ext.devrepo.depthshot.scene import compat

from tests.blender import shots


@pytest.fixture
def scene(empty_scene):
    scene = shots.small(empty_scene)
    shots.add_camera(scene, location=(0, 0, 8))
    scene.view_settings.view_transform = "AgX"
    return scene


def pixels(path):
    """Returns the values of a picture as (H, W, 4), first row at the top, no view transform."""
    image = bpy.data.images.load(str(path))
    image.colorspace_settings.name = "Non-Color"
    image.alpha_mode = "CHANNEL_PACKED"
    width, height = image.size
    values = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(values)
    bpy.data.images.remove(image)
    return values.reshape(height, width, 4)[::-1]


def own_render(scene, path):
    """Renders as the artist would, to a 16-bit PNG."""
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format, settings.color_mode, settings.color_depth = "PNG", "RGB", "16"
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    return pixels(path)


def textured(scene, name, image, location):
    """Adds a plane that glows with an image."""
    plane = shots.add_plane(scene, name, half=1.2, location=location)
    plane.data.uv_layers.new()
    tree, output = shots.add_material(plane, name)
    picture = tree.nodes.new("ShaderNodeTexImage")
    picture.image = image
    glow = tree.nodes.new("ShaderNodeEmission")
    tree.links.new(picture.outputs[0], glow.inputs[0])
    tree.links.new(glow.outputs[0], output.inputs["Surface"])
    return plane


def picture(name, color, path=None):
    """Makes a saved image of one colour."""
    image = bpy.data.images.new(name, 4, 4)
    image.pixels.foreach_set(np.tile(np.array(color, np.float32), 16))
    if path is not None:
        image.filepath_raw, image.file_format = str(path), "PNG"
        image.save()
    return image


@pytest.mark.parametrize("engine", ["CYCLES", "WORKBENCH"])
def test_the_still_is_what_the_artist_would_render(scene, tmp_path, engine):
    """With a relative path, a packed image and a linked library that has its own relative path."""
    project = tmp_path / "project"
    (project / "library").mkdir(parents=True)
    picture("red", (1, 0, 0, 1), project / "library" / "red.png")
    bpy.ops.wm.save_as_mainfile(filepath=str(project / "library" / "library.blend"))
    red = bpy.data.images.load("//red.png")
    textured(scene, "Linked", red, (-2, 0, 0))
    bpy.ops.wm.save_mainfile()

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = shots.small(bpy.context.scene)
    shots.add_camera(scene, location=(0, 0, 8))
    picture("green", (0, 1, 0, 1), project / "green.png")
    bpy.ops.wm.save_as_mainfile(filepath=str(project / "artist.blend"))
    textured(scene, "Relative", bpy.data.images.load("//green.png"), (0, 0, 0))
    blue = picture("blue", (0, 0, 1, 1))
    blue.pack()
    textured(scene, "Packed", blue, (2, 0, 0))
    with bpy.data.libraries.load("//library/library.blend", link=True) as (_, wanted):
        wanted.objects = ["Linked"]
    scene.collection.objects.link(wanted.objects[0])
    if engine == "WORKBENCH":
        scene.render.engine = "BLENDER_WORKBENCH"
        scene.display.shading.color_type = "TEXTURE"
    if engine == "WORKBENCH" and not can_draw(scene, tmp_path):
        pytest.skip("no OpenGL here")

    finished = shots.capture(scene, tmp_path / "cache")
    assert finished.warnings == []
    still = pixels(finished.folder / "still.png")
    expected = own_render(scene, tmp_path / "own.png")
    assert np.array_equal(still, expected)
    middle = still[18, [14, 32, 50], :3]
    assert (middle.argmax(axis=1) == [0, 1, 2]).all()
    assert (middle.max(axis=1) > 0.5).all()


def can_draw(scene, folder):
    """Whether this machine can render with anything but Cycles."""
    try:
        own_render(scene, folder / "probe.png")
    except RuntimeError:
        return False
    return True


@pytest.mark.parametrize(("kind", "kept"), [("PNG", "OVERRIDE"), ("OPEN_EXR", "FOLLOW_SCENE")])
def test_an_override_of_the_view_is_kept_unless_it_is_of_a_linear_format(scene, kind, kept):
    settings = scene.render.image_settings
    settings.file_format, settings.color_management = kind, "OVERRIDE"
    compat.use_png16(settings)
    assert (settings.file_format, settings.color_depth) == ("PNG", "16")
    assert settings.color_management == kept


def test_strips_border_and_stamp_stay_out_of_the_still(scene, tmp_path):
    shots.add_plane(scene, half=2)
    expected = own_render(scene, tmp_path / "own.png")
    editor = scene.sequence_editor_create()
    length = {"length": 20} if bpy.app.version >= (5, 0) else {"frame_end": 21}
    compat.strips(editor).new_effect("Red", type="COLOR", channel=1, frame_start=1, **length)
    render = scene.render
    render.use_border = render.use_crop_to_border = render.use_stamp = render.use_multiview = True
    render.border_max_x = 0.5
    finished = shots.capture(scene, tmp_path / "cache")
    assert np.array_equal(pixels(finished.folder / "still.png"), expected)


def test_the_compositor_is_in_the_still_and_writes_no_files(scene, tmp_path):
    shots.add_plane(scene, half=2)
    plain = own_render(scene, tmp_path / "own.png")
    scene.view_layers[0].use_pass_z = True
    tree = compat.new_compositor(scene)
    layers = tree.nodes.new("CompositorNodeRLayers")
    layers.scene = scene
    inverted = tree.nodes.new("CompositorNodeInvert")
    tree.links.new(layers.outputs["Image"], inverted.inputs["Color"])
    if bpy.app.version >= (5, 0):
        tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
        output = tree.nodes.new("NodeGroupOutput")
    else:
        output = tree.nodes.new("CompositorNodeComposite")
    tree.links.new(inverted.outputs[0], output.inputs[0])
    artist = tmp_path / "artist"
    artist.mkdir()
    compat.write_channel(tree, layers.outputs["Depth"], str(artist / "top"))
    inner = bpy.data.node_groups.new("Inner", "CompositorNodeTree")
    inner.interface.new_socket("Depth", in_out="INPUT", socket_type="NodeSocketFloat")
    compat.write_channel(inner, inner.nodes.new("NodeGroupInput").outputs[0], str(artist / "in"))
    group = tree.nodes.new("CompositorNodeGroup")
    group.node_tree = inner
    tree.links.new(layers.outputs["Depth"], group.inputs[0])

    finished = shots.capture(scene, tmp_path / "cache")
    still = pixels(finished.folder / "still.png")
    assert list(artist.iterdir()) == []
    assert np.abs(still - plain)[..., :3].max() > 0.2
    assert np.array_equal(still, own_render(scene, tmp_path / "own.png"))
    assert sorted(path.name for path in artist.iterdir()) == ["in", "top"]


def test_twice_the_size_is_for_the_still_alone(scene, tmp_path):
    scene.render.resolution_x, scene.render.resolution_percentage = 83, 33
    shots.add_plane(scene, half=2)
    finished = shots.capture(scene, tmp_path, supersample=2)
    shot = shots.shown(finished)
    assert shot.shot.size == (27, 11)
    assert pixels(finished.folder / "still.png").shape[:2] == (22, 54)
    assert shot.depth().shape == (11, 27)


def test_a_transparent_film_is_said(scene, tmp_path):
    scene.render.film_transparent = True
    shots.add_plane(scene, half=1)
    finished = shots.capture(scene, tmp_path)
    assert any("Film > Transparent" in warning for warning in finished.warnings)
    assert (pixels(finished.folder / "still.png")[0, 0, :3] == 0).all()


def test_the_still_is_taken_at_its_own_frame(scene, tmp_path):
    plane = shots.add_plane(scene, half=1)
    shots.move(plane, "location", {1: (-1.5, 0, 0), 5: (1.5, 0, 0)})
    scene.world = bpy.data.worlds.new("World")
    finished = shots.capture(scene, tmp_path / "cache", end=5, still=5)
    assert read_shot(finished.folder).stills[0].index == 4
    scene.frame_set(5)
    expected = own_render(scene, tmp_path / "own.png")
    assert np.array_equal(pixels(finished.folder / "still.png"), expected)


def image_file(path, kind, size=(64, 36)):
    """Writes a file whose every pixel differs, and returns its path."""
    width, height = size
    image = bpy.data.images.new("source", width, height, float_buffer=kind == "OPEN_EXR")
    y, x = np.mgrid[:height, :width]
    values = np.stack([x * 3, y * 7, (x * y) % 256, np.full_like(x, 255)], axis=-1) / 255
    image.pixels.foreach_set(values.astype(np.float32).ravel())
    image.filepath_raw, image.file_format = str(path), kind
    image.save()
    bpy.data.images.remove(image)
    return path


@pytest.mark.parametrize(("kind", "ending"), [("JPEG", "jpg"), ("WEBP", "webp"), ("TIFF", "tif")])
def test_an_image_file_becomes_a_png_of_the_same_values(scene, tmp_path, kind, ending):
    source = image_file(tmp_path / f"photo.{ending}", kind)
    finished = shots.capture(scene, tmp_path / "c", still_source="IMAGE", still_image=source)
    still = finished.folder / "still.png"
    assert still.read_bytes()[1:4] == b"PNG"
    assert np.array_equal(pixels(still)[..., :3], pixels(source)[..., :3])


def test_a_png_stays_the_same_file(scene, tmp_path):
    source = image_file(tmp_path / "photo.png", "PNG", (128, 72))
    finished = shots.capture(scene, tmp_path / "c", still_source="IMAGE", still_image=source)
    assert (finished.folder / "still.png").read_bytes() == source.read_bytes()


@pytest.mark.parametrize(
    ("kind", "size", "words"),
    [
        ("PNG", (64, 40), "64 x 40, another aspect than the scene's 64 x 36"),
        ("OPEN_EXR", (64, 36), "is linear and has no view transform"),
    ],
)
def test_images_that_cannot_be_a_still_are_refused(scene, tmp_path, kind, size, words):
    source = image_file(tmp_path / "photo", kind, size)
    with pytest.raises(CaptureError, match=words):
        shots.capture(scene, tmp_path / "c", still_source="IMAGE", still_image=source)


def test_a_file_that_is_no_image_is_refused(scene, tmp_path):
    source = tmp_path / "notes.png"
    source.write_text("not a picture")
    with pytest.raises(CaptureError, match=r"notes.png' cannot be read"):
        shots.capture(scene, tmp_path / "c", still_source="IMAGE", still_image=source)
