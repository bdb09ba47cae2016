"""What capture refuses by name, at once or when a later frame shows it, and what it warns of."""

import bpy
import pytest
from bl_ext.devrepo.depthshot.backend.errors import CaptureError

from tests.blender import shots


@pytest.fixture
def scene(empty_scene):
    """A plane and a camera that moves over it."""
    scene = shots.small(empty_scene)
    shots.add_plane(scene)
    shots.move(shots.add_camera(scene), "location", {1: (0, 0, 8), 5: (2, 0, 8)})
    return scene


REFUSALS = {
    "no active camera": lambda scene: setattr(scene, "camera", None),
    "frame step of 2": lambda scene: setattr(scene, "frame_step", 2),
    "time remapping .100 to 50.": lambda scene: setattr(scene.render, "frame_map_new", 50),
    "more than|are the most": lambda scene: setattr(scene.render, "resolution_x", 9000),
    "would be 0 x": lambda scene: (
        setattr(scene.render, "resolution_x", 4),
        setattr(scene.render, "resolution_percentage", 20),
    ),
}


@pytest.mark.parametrize("words", REFUSALS)
def test_what_can_be_seen_to_be_wrong_is_refused_at_once(scene, tmp_path, words):
    REFUSALS[words](scene)
    with pytest.raises(CaptureError, match=words):
        shots.start(scene, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"end": 0}, "The range 1 to 0 has no frames"),
        ({"end": 5000}, "5000 frames, but a shot has at most 4096"),
        ({"end": 4, "still": 5}, "still's frame 5 is outside the range 1 to 4"),
        ({"still_source": "IMAGE"}, "image for the still 'None' is not there"),
    ],
)
def test_impossible_settings_are_refused_at_once(scene, tmp_path, changes, words):
    with pytest.raises(CaptureError, match=words):
        shots.start(scene, tmp_path / "cache", **changes)


def test_a_scene_that_is_gone_is_named(scene, tmp_path):
    asked = shots.settings(scene)
    scene.name = "Renamed"
    with pytest.raises(CaptureError, match="no scene 'Scene' any more"):
        shots.Capture.start(bpy.context, asked, cache=tmp_path)


def test_a_camera_that_is_refused_later_is_named_with_its_frame(scene, tmp_path):
    other = shots.add_camera(scene, name="Plan")
    other.data.type = "ORTHO"
    for frame, name in ((1, "Camera"), (3, "Plan")):
        scene.timeline_markers.new(name, frame=frame).camera = bpy.data.objects[name]
    with pytest.raises(CaptureError, match="'Plan' is orthographic at frame 3"):
        shots.capture(scene, tmp_path, end=5)


def test_a_sheared_camera_is_refused_by_name(scene, tmp_path):
    parent = shots.add(scene, "Squashed", None)
    parent.scale = (1, 3, 1)
    camera = shots.add_camera(scene, rotation=(30, 20, 40), name="Askew")
    camera.parent = parent
    with pytest.raises(CaptureError, match="'Askew' at frame 1 is sheared"):
        shots.capture(scene, tmp_path)


def test_no_layer_to_render_is_refused_by_name(scene, tmp_path):
    scene.view_layers[0].use = False
    with pytest.raises(CaptureError, match="'Scene' has no view layer"):
        shots.capture(scene, tmp_path)


def test_a_camera_that_never_moves_is_warned_of(scene, tmp_path):
    scene.camera = shots.add_camera(scene, name="Tripod")
    (warning,) = shots.capture(scene, tmp_path, end=3).warnings
    assert "camera never moves" in warning


def test_images_that_were_never_saved_are_named(scene, tmp_path):
    image = bpy.data.images.new("Painted", 4, 4)
    image.pixels[0] = 0.25
    image.update()
    assert image.is_dirty
    (warning,) = shots.capture(scene, tmp_path).warnings
    assert "'Painted'" in warning and "save or pack" in warning
