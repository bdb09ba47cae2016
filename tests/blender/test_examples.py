"""The example scenes hold what the documents and the benchmarks say of them."""

import struct
import subprocess
import sys
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import bpy
import pytest
from mathutils import Vector

from examples import demo_scene
from examples.render_truth import render_truth
from examples.scenes import SCENES

ROOT = Path(__file__).parents[2]
SMALL = (104, 60)


def at(scene, frame):
    """The evaluated camera-to-world matrix of a frame, and the geometry it is a part of."""
    scene.frame_set(frame)
    graph = bpy.context.evaluated_depsgraph_get()
    return scene.camera.evaluated_get(graph).matrix_world.copy(), graph


def unseen_share(scene, *, columns=52, rows=30):
    """The share of the last frame's rays whose point the first frame's camera does not see."""
    first, _ = at(scene, scene.frame_start)
    last, graph = at(scene, scene.frame_end)
    width, height = scene.render.resolution_x, scene.render.resolution_y
    tangent = scene.camera.data.sensor_width / 2 / scene.camera.data.lens
    unseen = 0
    for row in range(rows):
        for column in range(columns):
            x = (2 * (column + 0.5) / columns - 1) * tangent
            y = (1 - 2 * (row + 0.5) / rows) * tangent * height / width
            ray = last.to_3x3() @ Vector((x, y, -1))
            hit, point, *_ = scene.ray_cast(graph, last.translation, ray)
            if not hit:
                continue
            local = first.inverted() @ point
            inside = local.z < 0 and abs(local.x) <= -local.z * tangent
            inside = inside and abs(local.y) <= -local.z * tangent * height / width
            way = point - first.translation
            # A little short of the point: anything met before it hides it.
            hidden, *_ = scene.ray_cast(graph, first.translation, way, distance=way.length * 0.995)
            unseen += not inside or hidden
    return unseen / (columns * rows)


def fingerprint(scene):
    """A hash of every vertex, colour and UV, and of the camera at both ends of its way."""
    digest = sha256()
    for thing in sorted(scene.objects, key=lambda one: one.name):
        digest.update(thing.name.encode())
        if thing.type == "MESH":
            mesh = thing.data
            values = [0.0] * (3 * len(mesh.vertices))
            mesh.vertices.foreach_get("co", values)
            digest.update(struct.pack(f"<{len(values)}f", *values))
            values = [0.0] * (2 * len(mesh.loops))
            mesh.uv_layers[0].uv.foreach_get("vector", values)
            digest.update(struct.pack(f"<{len(values)}f", *values))
            digest.update(" ".join(slot.name for slot in mesh.materials).encode())
    for frame in (scene.frame_start, scene.frame_end):
        matrix, _ = at(scene, frame)
        digest.update(" ".join(f"{value:.4f}" for row in matrix for value in row).encode())
    return digest.hexdigest()


@pytest.mark.parametrize("name", SCENES)
def test_scene_is_what_an_artist_would_send(name):
    scene = SCENES[name](size=SMALL, frames=8)
    assert (scene.render.resolution_x, scene.render.resolution_y) == SMALL
    assert (scene.frame_start, scene.frame_end, scene.render.fps) == (1, 8, 24)
    assert scene.render.engine == "CYCLES"
    assert scene.view_settings.view_transform == "AgX"
    assert (scene.view_settings.exposure, scene.view_settings.gamma) == (0.0, 1.0)
    assert scene.camera is not None
    triangles = 0
    for thing in scene.objects:
        if thing.type == "MESH":
            thing.data.calc_loop_triangles()
            triangles += len(thing.data.loop_triangles)
            assert all(slot.material for slot in thing.material_slots)
    assert 10_000 < triangles < 300_000
    pictures = [image for image in bpy.data.images if image.type == "IMAGE"]
    assert pictures
    assert all(image.packed_file and not image.is_dirty for image in pictures)


@pytest.mark.parametrize("name", SCENES)
def test_way_of_the_camera_is_the_same_for_any_length(name):
    ends = []
    for frames in (8, 48):
        scene = SCENES[name](size=SMALL, frames=frames)
        ends.append([at(scene, 1)[0], at(scene, frames)[0]])
    for short, long in zip(*ends, strict=True):
        assert max((short - long).col[n].length for n in range(4)) < 1e-5
    assert (ends[0][1].translation - ends[0][0].translation).length > 0.25


def test_camera_moves_in_every_frame():
    scene = demo_scene.build(size=SMALL, frames=48)
    places = [at(scene, frame)[0].translation.copy() for frame in range(1, 49)]
    steps = [(b - a).length for a, b in pairwise(places)]
    assert min(steps) > 0
    assert 1.0 < sum(steps) < 1.3
    # Smooth: no step is far from the ones beside it.
    assert max(abs(b - a) for a, b in pairwise(steps)) < 0.006


def test_shares_of_unseen_pixels_are_clearly_apart():
    shares = {name: unseen_share(build(size=SMALL, frames=8)) for name, build in SCENES.items()}
    # Counted exactly, at single rays: a pixel's tolerance makes them a quarter smaller.
    assert 0.02 < shares["loft"] < 0.06
    assert 0.10 < shares["courtyard"] < 0.20
    assert 0.25 < shares["colonnade"] < 0.42
    assert 0.20 < shares["woodland"] < 0.30


def test_only_the_loft_has_something_that_moves_by_itself():
    for name, build in SCENES.items():
        scene = build(size=SMALL, frames=8)
        own = {thing.name for thing in scene.objects if thing.animation_data}
        travelling = {scene.camera.name, scene.camera.constraints[0].target.name}
        assert len(own - travelling) == (1 if name == "loft" else 0)


@pytest.mark.parametrize("name", SCENES)
def test_two_builds_are_alike(name):
    prints = []
    for _ in range(2):
        bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
        prints.append(fingerprint(SCENES[name](size=SMALL, frames=8)))
    assert prints[0] == prints[1]


def test_build_leaves_the_open_file_and_the_preferences_alone():
    mine = bpy.context.scene
    edit = bpy.context.preferences.edit
    edit.keyframe_new_interpolation_type = "CONSTANT"
    scene = demo_scene.build(size=SMALL, frames=8)
    assert edit.keyframe_new_interpolation_type == "CONSTANT"
    assert mine.name in bpy.data.scenes
    assert len(mine.objects) == 0
    # Smooth keys all the same: half-way the camera is between its keys, not on one.
    places = {tuple(at(scene, frame)[0].translation) for frame in range(1, 9)}
    assert len(places) == 8


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"frames": 1}, "at least 2 frames"),
        ({"size": (0, 60)}, "size"),
        ({"samples": 0}, "samples"),
    ],
)
def test_bad_numbers_are_refused_by_name(wrong, named):
    with pytest.raises(ValueError, match=named):
        demo_scene.build(**({"size": SMALL, "frames": 8} | wrong))
    assert "Courtyard" not in bpy.data.scenes


def test_truth_is_eight_bit_rgb_and_leaves_the_scene_as_it_was(tmp_path):
    scene = demo_scene.build(size=(52, 30), frames=8, samples=1)
    image = scene.render.image_settings
    if hasattr(image, "media_type"):
        image.media_type = "IMAGE"
    image.file_format, image.color_mode, image.color_depth = "OPEN_EXR", "RGBA", "32"
    scene.render.filepath, scene.render.use_motion_blur = "//mine_", True
    scene.frame_set(5)
    written = render_truth(scene, [2, 8], tmp_path)
    assert written == [tmp_path / "frames" / "0002.png", tmp_path / "frames" / "0008.png"]
    for path in written:
        content = path.read_bytes()
        # IHDR: width, height, bits, colour type (2 = RGB).
        assert struct.unpack(">IIBB", content[16:26]) == (52, 30, 8, 2)
    assert written[0].read_bytes() != written[1].read_bytes()
    assert (image.file_format, image.color_mode, image.color_depth) == ("OPEN_EXR", "RGBA", "32")
    assert (scene.render.filepath, scene.render.use_motion_blur) == ("//mine_", True)
    assert (scene.frame_current, scene.cycles.samples) == (5, 1)


def test_truth_is_the_scene_and_not_the_sequencer_and_repeats_itself(tmp_path):
    scene = demo_scene.build(size=(52, 30), frames=8, samples=1)
    plain = render_truth(scene, [3], tmp_path / "plain")[0]
    editor = scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    picture = strips.new_image("over", str(plain), 1, 1)
    picture.frame_final_duration = 8
    over = render_truth(scene, [3], tmp_path / "over")[0]
    assert pixels(over) == pixels(plain)
    scene.view_settings.view_transform = "Standard"
    other = render_truth(scene, [3], tmp_path / "other")[0]
    assert pixels(other) != pixels(plain)


def pixels(path):
    """The decoded picture: the file itself also holds the date."""
    image = bpy.data.images.load(str(path))
    return tuple(image.pixels)


def test_truth_refuses_what_it_cannot_render(tmp_path):
    scene = demo_scene.build(size=SMALL, frames=8)
    with pytest.raises(ValueError, match="no frames"):
        render_truth(scene, [], tmp_path)
    scene.render.engine = "BLENDER_WORKBENCH"
    with pytest.raises(ValueError, match="Cycles only"):
        render_truth(scene, [1], tmp_path, samples=4)
    scene.camera = None
    with pytest.raises(ValueError, match="active camera"):
        render_truth(scene, [1], tmp_path)
    assert not list(tmp_path.iterdir())


def command(script, *arguments):
    return subprocess.run(
        [sys.executable, ROOT / "examples" / script, "--", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_scripts_write_a_file_and_its_true_frames(tmp_path):
    blend = tmp_path / "demo.blend"
    made = command("demo_scene.py", "--out", blend, "--size", "52x30", "--frames", "8")
    assert made.returncode == 0, made.stderr
    truth = command(
        "render_truth.py", blend, "--out", tmp_path / "truth", "--frames", "1,8", "--samples", "1"
    )
    assert truth.returncode == 0, truth.stderr
    names = sorted(path.name for path in (tmp_path / "truth" / "frames").iterdir())
    assert names == ["0001.png", "0008.png"]
    bpy.ops.wm.open_mainfile(filepath=str(blend), load_ui=False)
    assert [scene.name for scene in bpy.data.scenes] == ["Courtyard"]
    assert bpy.context.scene.frame_end == 8


@pytest.mark.parametrize(
    ("script", "arguments", "named"),
    [
        ("demo_scene.py", ("--out", "x.blend", "--size", "large"), "not like 832x480"),
        ("scenes.py", ("castle", "--out", "x.blend"), "invalid choice"),
        ("render_truth.py", ("missing.blend", "--out", "x"), "missing.blend does not exist"),
    ],
)
def test_scripts_name_a_wrong_argument(script, arguments, named):
    ended = command(script, *arguments)
    assert ended.returncode == 2
    assert named in ended.stderr
